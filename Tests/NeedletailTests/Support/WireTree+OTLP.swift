import NeedletailTestSupport

// What the exported requests say, out of the fields of the wire.
extension WireTree {
  /// Attributes (`KeyValue`) of a field: names to values as text.
  func attributes(_ number: UInt64) throws -> [String: String] {
    var attributes: [String: String] = [:]
    for pair in try messages(number) {
      let value = try pair.messages(2).first
      attributes[pair.texts(1).first ?? ""] = try value.map { try $0.anyValueText() } ?? ""
    }
    return attributes
  }

  /// An `AnyValue` as text.
  private func anyValueText() throws -> String {
    switch fields.first {
    case (1, .bytes(let text))?: String(decoding: text, as: UTF8.self)
    case (2, .varint(let value))?: value == 1 ? "true" : "false"
    case (3, .varint(let value))?: String(Int64(bitPattern: value))
    case (4, .fixed64(let bits))?: String(Double(bitPattern: bits))
    case (5, .bytes(let bytes))?:
      "[" + (try WireTree(bytes).messages(1).map { try $0.anyValueText() }.joined(separator: ",")) + "]"
    case (6, .bytes(let bytes))?:
      "{"
        + (try WireTree(bytes).attributes(1).sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(
          separator: ",")) + "}"
    default: ""
    }
  }

  /// The records of an export request, out of all its resources and scopes.
  static func records(_ body: [UInt8]) throws -> [WireTree] {
    try WireTree(body).messages(1).flatMap { try $0.messages(2) }.flatMap { try $0.messages(2) }
  }
}
