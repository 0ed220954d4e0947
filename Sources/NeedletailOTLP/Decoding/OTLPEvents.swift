// Log records and spans, in place: their plain fields read in one pass, their repeated ones as cursors.

/// No bytes: the value of a field that was not sent.
var noBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

/// A log record (logs.proto, LogRecord).
package struct OTLPLogRecord {
  /// Nanoseconds since 1970; 0 where unknown.
  package private(set) var time: UInt64 = 0
  package private(set) var observedTime: UInt64 = 0
  package private(set) var severityNumber: UInt64 = 0
  package private(set) var severityText = noBytes
  /// The bytes of the AnyValue.
  package private(set) var body = noBytes
  package private(set) var hasBody = false
  package private(set) var hasAttributes = false
  package private(set) var flags: UInt32 = 0
  package private(set) var traceID = noBytes
  package private(set) var spanID = noBytes
  package private(set) var eventName = noBytes
  private let bytes: UnsafeRawBufferPointer

  /// Reads the record's plain fields.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    self.bytes = bytes
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3 | 1: time = try reader.readFixed64()
      case 2 << 3: severityNumber = try reader.readVarint()
      case 3 << 3 | 2: severityText = try reader.readBytes()
      case 5 << 3 | 2:
        body = try reader.readBytes()
        hasBody = true
      case 6 << 3 | 2:
        _ = try reader.readBytes()
        hasAttributes = true
      case 8 << 3 | 5: flags = try reader.readFixed32()
      case 9 << 3 | 2: traceID = try reader.readBytes()
      case 10 << 3 | 2: spanID = try reader.readBytes()
      case 11 << 3 | 1: observedTime = try reader.readFixed64()
      case 12 << 3 | 2: eventName = try reader.readBytes()
      default: try reader.skip(tag)
      }
    }
  }

  package var attributes: ProtobufFieldCursor { ProtobufFieldCursor(bytes, field: 6) }
}

/// A span (trace.proto, Span).
package struct OTLPSpan {
  package private(set) var traceID = noBytes
  package private(set) var spanID = noBytes
  package private(set) var traceState = noBytes
  package private(set) var parentSpanID = noBytes
  package private(set) var name = noBytes
  package private(set) var kind: UInt64 = 0
  /// Nanoseconds since 1970.
  package private(set) var start: UInt64 = 0
  /// Nanoseconds since 1970.
  package private(set) var end: UInt64 = 0
  package private(set) var flags: UInt32 = 0
  package private(set) var statusCode: UInt64 = 0
  package private(set) var statusMessage = noBytes
  package private(set) var attributeCount = 0
  package private(set) var eventCount = 0
  package private(set) var linkCount = 0
  private let bytes: UnsafeRawBufferPointer

  /// Reads the span's plain fields and its status.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    self.bytes = bytes
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3 | 2: traceID = try reader.readBytes()
      case 2 << 3 | 2: spanID = try reader.readBytes()
      case 3 << 3 | 2: traceState = try reader.readBytes()
      case 4 << 3 | 2: parentSpanID = try reader.readBytes()
      case 5 << 3 | 2: name = try reader.readBytes()
      case 6 << 3: kind = try reader.readVarint()
      case 7 << 3 | 1: start = try reader.readFixed64()
      case 8 << 3 | 1: end = try reader.readFixed64()
      case 9 << 3 | 2: attributeCount += try Self.skipOne(&reader)
      case 11 << 3 | 2: eventCount += try Self.skipOne(&reader)
      case 13 << 3 | 2: linkCount += try Self.skipOne(&reader)
      case 15 << 3 | 2: try readStatus(try reader.readBytes())
      case 16 << 3 | 5: flags = try reader.readFixed32()
      default: try reader.skip(tag)
      }
    }
  }

  private static func skipOne(_ reader: inout ProtobufReader) throws(ProtobufError) -> Int {
    _ = try reader.readBytes()
    return 1
  }

  private mutating func readStatus(_ status: UnsafeRawBufferPointer) throws(ProtobufError) {
    var reader = ProtobufReader(status)
    while let tag = try reader.nextTag() {
      switch tag {
      case 2 << 3 | 2: statusMessage = try reader.readBytes()
      case 3 << 3: statusCode = try reader.readVarint()
      default: try reader.skip(tag)
      }
    }
  }

  package var attributes: ProtobufFieldCursor { ProtobufFieldCursor(bytes, field: 9) }
  package var events: ProtobufFieldCursor { ProtobufFieldCursor(bytes, field: 11) }
  package var links: ProtobufFieldCursor { ProtobufFieldCursor(bytes, field: 13) }
}

/// An event of a span (trace.proto, Span.Event).
package struct OTLPSpanEvent {
  /// Nanoseconds since 1970.
  package private(set) var time: UInt64 = 0
  package private(set) var name = noBytes
  package private(set) var attributeCount = 0
  private let bytes: UnsafeRawBufferPointer

  /// Reads the event's plain fields.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    self.bytes = bytes
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3 | 1: time = try reader.readFixed64()
      case 2 << 3 | 2: name = try reader.readBytes()
      case 3 << 3 | 2:
        _ = try reader.readBytes()
        attributeCount += 1
      default: try reader.skip(tag)
      }
    }
  }

  package var attributes: ProtobufFieldCursor { ProtobufFieldCursor(bytes, field: 3) }
}

/// A link of a span (trace.proto, Span.Link).
package struct OTLPSpanLink {
  package private(set) var traceID = noBytes
  package private(set) var spanID = noBytes
  package private(set) var traceState = noBytes
  package private(set) var attributeCount = 0
  private let bytes: UnsafeRawBufferPointer

  /// Reads the link's plain fields.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    self.bytes = bytes
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3 | 2: traceID = try reader.readBytes()
      case 2 << 3 | 2: spanID = try reader.readBytes()
      case 3 << 3 | 2: traceState = try reader.readBytes()
      case 4 << 3 | 2:
        _ = try reader.readBytes()
        attributeCount += 1
      default: try reader.skip(tag)
      }
    }
  }

  package var attributes: ProtobufFieldCursor { ProtobufFieldCursor(bytes, field: 4) }
}
