/// The value of an attribute or the body of a log record, as OpenTelemetry types them.
package indirect enum AttributeValue: Hashable, Sendable {
  case empty
  case string(String)
  case bool(Bool)
  case int(Int64)
  case double(Double)
  case bytes([UInt8])
  case array([AttributeValue])
  case map([Attribute])

  /// How deep arrays and maps may nest; what is deeper is refused on the way in.
  package static let depthMax = 16
}

/// A named value. Order is kept as it was sent.
package struct Attribute: Hashable, Sendable {
  package var key: String
  package var value: AttributeValue

  package init(_ key: String, _ value: AttributeValue) {
    self.key = key
    self.value = value
  }
}

/// The tags of the byte form of a value. A value is its tag, then: string and bytes a varint length and the bytes; bool one byte; int a
/// zigzag varint; double eight bytes; array a varint count and the values; map a varint count and for each a
/// length-prefixed key and a value.
package enum AttributeTag {
  package static let empty: UInt8 = 0
  package static let string: UInt8 = 1
  package static let bool: UInt8 = 2
  package static let int: UInt8 = 3
  package static let double: UInt8 = 4
  package static let bytes: UInt8 = 5
  package static let array: UInt8 = 6
  package static let map: UInt8 = 7
}

extension AttributeValue {
  package func encode(to writer: inout ByteWriter) {
    switch self {
    case .empty: writer.append(AttributeTag.empty)
    case .string(let text):
      writer.append(AttributeTag.string)
      writer.appendPrefixed(text)
    case .bool(let flag):
      writer.append(AttributeTag.bool)
      writer.append(UInt8(flag ? 1 : 0))
    case .int(let number):
      writer.append(AttributeTag.int)
      writer.appendSignedVarint(number)
    case .double(let number):
      writer.append(AttributeTag.double)
      writer.append(number.bitPattern)
    case .bytes(let bytes):
      writer.append(AttributeTag.bytes)
      bytes.withUnsafeBytes { writer.appendPrefixed($0) }
    case .array(let values):
      writer.append(AttributeTag.array)
      writer.appendVarint(UInt64(values.count))
      for value in values { value.encode(to: &writer) }
    case .map(let attributes):
      writer.append(AttributeTag.map)
      Attribute.encode(attributes, to: &writer)
    }
  }

  /// Reads the byte form; throws where it nests deeper than `depthMax`.
  package init(decoding reader: inout ByteReader, depth: Int = 0) throws(MalformedBytes) {
    guard depth <= Self.depthMax else { throw .invalid("an attribute nests too deep") }
    switch try reader.read(UInt8.self) {
    case AttributeTag.empty: self = .empty
    case AttributeTag.string: self = .string(try reader.readPrefixedString())
    case AttributeTag.bool: self = .bool(try reader.read(UInt8.self) != 0)
    case AttributeTag.int: self = .int(try reader.readSignedVarint())
    case AttributeTag.double: self = .double(Double(bitPattern: try reader.read(UInt64.self)))
    case AttributeTag.bytes: self = .bytes(Array(try reader.readPrefixed()))
    case AttributeTag.array:
      let count = try reader.readVarint()
      guard count <= UInt64(reader.remaining) else { throw .truncated }
      var values: [AttributeValue] = []
      for _ in 0..<count { values.append(try AttributeValue(decoding: &reader, depth: depth + 1)) }
      self = .array(values)
    case AttributeTag.map: self = .map(try Attribute.decode(&reader, depth: depth + 1))
    default: throw .invalid("unknown attribute tag")
    }
  }

  /// The value as text, as a label would show it: numbers in shortest form, lists and maps as JSON-like text.
  package var text: String {
    switch self {
    case .empty: ""
    case .string(let text): text
    case .bool(let flag): flag ? "true" : "false"
    case .int(let number): String(number)
    case .double(let number): number.description
    case .bytes(let bytes): bytes.map { (($0 < 16) ? "0" : "") + String($0, radix: 16) }.joined()
    case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
    case .map(let attributes): "{" + attributes.map { "\($0.key)=\($0.value.text)" }.joined(separator: ",") + "}"
    }
  }
}

extension Attribute {
  /// Appends a varint count and the attributes: the byte form of attribute lists in batches.
  package static func encode(_ attributes: [Attribute], to writer: inout ByteWriter) {
    writer.appendVarint(UInt64(attributes.count))
    for attribute in attributes {
      writer.appendPrefixed(attribute.key)
      attribute.value.encode(to: &writer)
    }
  }

  package static func decode(_ reader: inout ByteReader, depth: Int = 0) throws(MalformedBytes) -> [Attribute] {
    guard depth <= AttributeValue.depthMax else { throw .invalid("an attribute nests too deep") }
    let count = try reader.readVarint()
    guard count <= UInt64(reader.remaining) else { throw .truncated }
    var attributes: [Attribute] = []
    for _ in 0..<count {
      let key = try reader.readPrefixedString()
      attributes.append(Attribute(key, try AttributeValue(decoding: &reader, depth: depth)))
    }
    return attributes
  }
}
