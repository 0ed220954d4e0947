// Attributes from OTLP's bytes to the byte form of batches, in one pass and without values in between.

import NeedletailOTLP
import NeedletailTelemetry

enum AttributeTranscoder {
  /// Appends what `Attribute.encode` would: a count and the attributes of `cursor`.
  ///
  /// Throws `.nestedTooDeep` above `AttributeValue.depthMax`.
  static func append(
    _ cursor: ProtobufFieldCursor, depth: Int = 0, to writer: inout ByteWriter
  ) throws(ProtobufError) {
    guard depth <= AttributeValue.depthMax else { throw .nestedTooDeep }
    writer.appendVarint(try count(cursor))
    var cursor = cursor
    while let next = try cursor.next() {
      let attribute = try OTLPAttribute(next)
      writer.appendPrefixedText(attribute.key)
      try append(value: attribute.value, depth: depth, to: &writer)
    }
  }

  /// Appends what `AttributeValue.encode` would, of the bytes of an AnyValue.
  static func append(
    value bytes: UnsafeRawBufferPointer, depth: Int = 0, to writer: inout ByteWriter
  ) throws(ProtobufError) {
    guard depth <= AttributeValue.depthMax else { throw .nestedTooDeep }
    switch try OTLPAnyValue(bytes) {
    case .empty: writer.append(AttributeTag.empty)
    case .string(let text):
      writer.append(AttributeTag.string)
      writer.appendPrefixedText(text)
    case .bool(let flag):
      writer.append(AttributeTag.bool)
      writer.append(UInt8(flag ? 1 : 0))
    case .int(let number):
      writer.append(AttributeTag.int)
      writer.appendSignedVarint(number)
    case .double(let number):
      writer.append(AttributeTag.double)
      writer.append(number.bitPattern)
    case .bytes(let raw):
      writer.append(AttributeTag.bytes)
      writer.appendPrefixed(raw)
    case .array(let list):
      writer.append(AttributeTag.array)
      var cursor = ProtobufFieldCursor(list, field: 1)
      writer.appendVarint(try count(cursor))
      while let value = try cursor.next() { try append(value: value, depth: depth + 1, to: &writer) }
    case .map(let list):
      writer.append(AttributeTag.map)
      try append(ProtobufFieldCursor(list, field: 1), depth: depth + 1, to: &writer)
    }
  }

  private static func count(_ cursor: ProtobufFieldCursor) throws(ProtobufError) -> UInt64 {
    var cursor = cursor
    var count: UInt64 = 0
    while try cursor.next() != nil { count += 1 }
    return count
  }

  /// Writes the byte form of the stream of a resource and a scope, as `EventStream.encode` would.
  static func appendStream(
    resource: UnsafeRawBufferPointer, scope: UnsafeRawBufferPointer, to writer: inout ByteWriter
  ) throws(ProtobufError) {
    try append(ProtobufFieldCursor(resource, field: OTLPAttribute.fieldOfResource), to: &writer)
    let scope = try OTLPScope(scope)
    writer.appendPrefixedText(scope.name)
    writer.appendPrefixedText(scope.version)
    try append(scope.attributes, to: &writer)
  }
}
