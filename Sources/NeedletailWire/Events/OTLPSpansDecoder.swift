import NeedletailOTLP
import NeedletailTelemetry

/// Decodes ExportTraceServiceRequest into batches of spans.
package enum OTLPSpansDecoder {
  /// Decodes an uncompressed request in protobuf.
  ///
  /// Spans that are not allowed are left out and counted: those without valid ids, or without any time. A span
  /// without a start begins where it ends.
  ///
  /// Throws where the bytes are not such a request; then nothing of it may be kept.
  package static func decode(
    _ body: UnsafeRawBufferPointer, _ decoding: EventDecoding
  ) throws(ProtobufError) -> DecodedEvents {
    try EventOutput.walk(body, kind: .spans, decoding, record: span)
  }

  private static func span(
    _ bytes: UnsafeRawBufferPointer, _ output: inout EventOutput
  ) throws(ProtobufError) -> (RejectionReason, String)? {
    let span = try OTLPSpan(bytes)
    guard let traceID = TraceID(bytes: span.traceID), traceID.isValid else {
      return (.invalidTraceID, "a span's trace id is not 16 bytes or all zeros")
    }
    guard let spanID = SpanID(bytes: span.spanID), spanID.isValid else {
      return (.invalidSpanID, "a span's id is not 8 bytes or all zeros")
    }
    guard let parent = span.parentSpanID.isEmpty ? SpanID.none : SpanID(bytes: span.parentSpanID) else {
      return (.invalidSpanID, "a span's parent id is not 8 bytes")
    }
    guard let start = Int64(exactly: span.start), let end = Int64(exactly: span.end), start != 0 || end != 0 else {
      return (.invalidTimestamp, "a span's times are out of range or both 0")
    }
    output.builder.row.time = start != 0 ? start : end
    output.builder.row.secondTime = end
    output.builder.row.traceID = traceID
    output.builder.row.spanID = spanID
    output.builder.row.parentSpanID = parent
    output.builder.row.kind = span.kind <= 5 ? UInt8(truncatingIfNeeded: span.kind) : 0
    output.builder.row.status = span.statusCode <= 2 ? UInt8(truncatingIfNeeded: span.statusCode) : 0
    output.builder.row.flags = span.flags
    output.builder.name.appendText(span.name)
    output.builder.text.appendText(span.statusMessage)
    output.builder.state.appendText(span.traceState)
    if span.attributeCount > 0 {
      try AttributeTranscoder.append(span.attributes, to: &output.builder.attributes)
    }
    if span.eventCount + span.linkCount > 0 { return try appendNested(span, to: &output.builder.nested) }
    return nil
  }

  /// Appends what `SpanRecord.encodeNested` would.
  private static func appendNested(
    _ span: OTLPSpan, to writer: inout ByteWriter
  ) throws(ProtobufError) -> (RejectionReason, String)? {
    writer.appendVarint(UInt64(span.eventCount))
    var events = span.events
    while let bytes = try events.next() {
      let event = try OTLPSpanEvent(bytes)
      guard let time = Int64(exactly: event.time) else {
        return (.invalidTimestamp, "the time of a span's event is out of range")
      }
      writer.append(time)
      writer.appendPrefixedText(event.name)
      try AttributeTranscoder.append(event.attributes, to: &writer)
    }
    writer.appendVarint(UInt64(span.linkCount))
    var links = span.links
    while let bytes = try links.next() {
      let link = try OTLPSpanLink(bytes)
      guard let traceID = TraceID(bytes: link.traceID), let spanID = SpanID(bytes: link.spanID) else {
        return (.invalidTraceID, "a span's link has ids of a wrong length")
      }
      writer.append(traceID.high)
      writer.append(traceID.low)
      writer.append(spanID.value)
      writer.appendPrefixedText(link.traceState)
      try AttributeTranscoder.append(link.attributes, to: &writer)
    }
    return nil
  }
}
