import NeedletailTelemetry

/// An attribute value in its byte form, read without making objects of it.
struct EncodedValue {
  /// The tag and what follows it.
  let bytes: UnsafeRawBufferPointer

  /// Calls `body` with the value's text: in place for a text, made for anything else.
  ///
  /// Bytes that are no value give no text.
  func withText<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    var reader = ByteReader(bytes)
    guard let tag = try? reader.read(UInt8.self) else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    if tag == AttributeTag.string {
      return body((try? reader.readPrefixed()) ?? UnsafeRawBufferPointer(start: nil, count: 0))
    }
    var whole = ByteReader(bytes)
    var text = (try? AttributeValue(decoding: &whole))?.text ?? ""
    return text.withUTF8 { body(UnsafeRawBufferPointer($0)) }
  }

  /// Passes over one value; throws where it nests deeper than `AttributeValue.depthMax`.
  static func skip(_ reader: inout ByteReader, depth: Int = 0) throws(MalformedBytes) {
    guard depth <= AttributeValue.depthMax else { throw .invalid("an attribute nests too deep") }
    switch try reader.read(UInt8.self) {
    case AttributeTag.empty: break
    case AttributeTag.string, AttributeTag.bytes: _ = try reader.readPrefixed()
    case AttributeTag.bool: _ = try reader.read(UInt8.self)
    case AttributeTag.int: _ = try reader.readVarint()
    case AttributeTag.double: _ = try reader.read(UInt64.self)
    case AttributeTag.array:
      for _ in 0..<(try count(&reader)) { try skip(&reader, depth: depth + 1) }
    case AttributeTag.map:
      for _ in 0..<(try count(&reader)) {
        _ = try reader.readPrefixed()
        try skip(&reader, depth: depth + 1)
      }
    default: throw .invalid("unknown attribute tag")
    }
  }

  fileprivate static func count(_ reader: inout ByteReader) throws(MalformedBytes) -> UInt64 {
    let count = try reader.readVarint()
    guard count <= UInt64(reader.remaining) else { throw .truncated }
    return count
  }
}

/// The attributes of a row in their byte form, one after the other.
struct EncodedAttributes {
  let bytes: UnsafeRawBufferPointer

  /// Passes over the attributes of one owner.
  static func skip(_ reader: inout ByteReader) throws(MalformedBytes) {
    for _ in 0..<(try EncodedValue.count(&reader)) {
      _ = try reader.readPrefixed()
      try EncodedValue.skip(&reader)
    }
  }

  /// Walks over a span's events and links, in the form that `SpanRecord.decodeNested` reads, and makes nothing of them.
  static func checkNested(_ bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    for _ in 0..<(try EncodedValue.count(&reader)) {
      // Time and name.
      _ = try reader.read(count: 8)
      _ = try reader.readPrefixed()
      try skip(&reader)
    }
    for _ in 0..<(try EncodedValue.count(&reader)) {
      // Trace and span, and the trace's state.
      _ = try reader.read(count: 24)
      _ = try reader.readPrefixed()
      try skip(&reader)
    }
  }

  /// Calls `body` with every key and value until it returns false.
  ///
  /// Stops at bytes that are no attributes.
  func forEach(_ body: (_ key: UnsafeRawBufferPointer, _ value: EncodedValue) -> Bool) {
    guard !bytes.isEmpty else { return }
    var reader = ByteReader(bytes)
    guard let count = try? reader.readVarint(), count <= UInt64(bytes.count) else { return }
    for _ in 0..<count {
      guard let key = try? reader.readPrefixed() else { return }
      let start = reader.offset
      do throws(MalformedBytes) { try EncodedValue.skip(&reader) } catch { return }
      guard body(key, EncodedValue(bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<reader.offset]))) else {
        return
      }
    }
  }
}
