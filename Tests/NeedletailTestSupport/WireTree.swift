/// Wire format read back without any knowledge of the writer: every field of a message with its number.
///
/// Written from the protobuf encoding specification, so that the writer is not judged by itself.
package struct WireTree: Equatable {
  package enum Value: Equatable {
    case varint(UInt64)
    case fixed64(UInt64)
    case bytes([UInt8])
    case fixed32(UInt32)
  }

  package struct Malformed: Error {}

  package var fields: [(number: UInt64, value: Value)] = []

  package init(_ bytes: [UInt8]) throws {
    var index = 0
    func byte() throws -> UInt8 {
      guard index < bytes.count else { throw Malformed() }
      defer { index += 1 }
      return bytes[index]
    }
    func varint() throws -> UInt64 {
      var value: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 64, by: 7) {
        let next = try byte()
        value |= UInt64(next & 0x7f) << shift
        // A last byte of zero would be a longer varint than needed: the writer must be canonical.
        if next < 0x80 {
          if next == 0 && shift > 0 { throw Malformed() }
          return value
        }
      }
      throw Malformed()
    }
    func fixed(_ count: Int) throws -> UInt64 {
      var value: UInt64 = 0
      for position in 0..<count { value |= UInt64(try byte()) << UInt64(8 * position) }
      return value
    }
    while index < bytes.count {
      let tag = try varint()
      switch tag & 7 {
      case 0: fields.append((tag >> 3, .varint(try varint())))
      case 1: fields.append((tag >> 3, .fixed64(try fixed(8))))
      case 2:
        let length = Int(try varint())
        guard length <= bytes.count - index else { throw Malformed() }
        fields.append((tag >> 3, .bytes(Array(bytes[index..<index + length]))))
        index += length
      case 5: fields.append((tag >> 3, .fixed32(UInt32(try fixed(4)))))
      default: throw Malformed()
      }
    }
  }

  package static func == (left: WireTree, right: WireTree) -> Bool {
    left.fields.elementsEqual(right.fields) { $0.number == $1.number && $0.value == $1.value }
  }

  /// The values of a field, in order.
  package subscript(number: UInt64) -> [Value] { fields.filter { $0.number == number }.map(\.value) }

  /// The messages of a field, in order.
  package func messages(_ number: UInt64) throws -> [WireTree] {
    try self[number].map { value in
      guard case .bytes(let bytes) = value else { throw Malformed() }
      return try WireTree(bytes)
    }
  }

  /// The texts of a field, in order.
  package func texts(_ number: UInt64) -> [String] {
    self[number].compactMap { value in
      if case .bytes(let bytes) = value { String(decoding: bytes, as: UTF8.self) } else { nil }
    }
  }
}
