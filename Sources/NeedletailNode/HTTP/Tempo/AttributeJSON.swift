import NeedletailTelemetry

/// Attributes in OTLP's JSON form.
///
/// The depth of values is bounded where they are read in.
enum AttributeJSON {
  /// A member `key` with the list; none where the list is empty.
  static func list(_ key: String, _ attributes: [Attribute], to json: inout JSONWriter) {
    guard !attributes.isEmpty else { return }
    json.key(key)
    pairs(attributes, to: &json)
  }

  private static func pairs(_ attributes: [Attribute], to json: inout JSONWriter) {
    json.beginArray()
    for attribute in attributes {
      json.beginObject()
      json.key("key")
      json.string(attribute.key)
      json.key("value")
      value(attribute.value, to: &json)
      json.endObject()
    }
    json.endArray()
  }

  private static func value(_ value: AttributeValue, to json: inout JSONWriter) {
    json.beginObject()
    switch value {
    case .empty: break
    case .string(let text):
      json.key("stringValue")
      json.string(text)
    case .bool(let flag):
      json.key("boolValue")
      json.bool(flag)
    case .int(let number):
      json.key("intValue")
      json.quotedInteger(number)
    case .double(let number):
      json.key("doubleValue")
      json.number(number)
    case .bytes(let bytes):
      json.key("bytesValue")
      json.string(Base64.encoded(bytes))
    case .array(let values):
      json.key("arrayValue")
      json.beginObject()
      json.key("values")
      json.beginArray()
      for item in values { self.value(item, to: &json) }
      json.endArray()
      json.endObject()
    case .map(let attributes):
      json.key("kvlistValue")
      json.beginObject()
      json.key("values")
      pairs(attributes, to: &json)
      json.endObject()
    }
    json.endObject()
  }
}

/// Base64 with padding (RFC 4648 section 4).
enum Base64 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  static func encoded(_ bytes: [UInt8]) -> String {
    var result: [UInt8] = []
    result.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let word = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
      for position in 0..<4 {
        let isPadding = position > group.count
        result.append(
          isPadding ? UInt8(ascii: "=") : alphabet[Int(word >> UInt32(18 - 6 * position) & 63)])
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
