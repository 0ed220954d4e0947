import NeedletailOTLP
import NeedletailTelemetry

/// Decodes ExportLogsServiceRequest into batches of log records.
package enum OTLPLogsDecoder {
  /// Decodes an uncompressed request in protobuf.
  ///
  /// Records that are not allowed are left out and counted.
  ///
  /// A record without a time takes its observed time, and only one without either the receiver's: the record's
  /// identity must not depend on when it was received. An id of a wrong length counts as none, for a log line is
  /// worth more than its link to a trace.
  ///
  /// Throws where the bytes are not such a request; then nothing of it may be kept.
  package static func decode(
    _ body: UnsafeRawBufferPointer, _ decoding: EventDecoding
  ) throws(ProtobufError) -> DecodedEvents {
    try EventOutput.walk(body, kind: .logs, decoding, record: record)
  }

  private static func record(
    _ bytes: UnsafeRawBufferPointer, _ output: inout EventOutput
  ) throws(ProtobufError) -> (RejectionReason, String)? {
    let log = try OTLPLogRecord(bytes)
    guard let time = Int64(exactly: log.time), let observed = Int64(exactly: log.observedTime) else {
      return (.invalidTimestamp, "a log record's time is out of range")
    }
    output.builder.row.time = time != 0 ? time : (observed != 0 ? observed : output.decoding.now)
    output.builder.row.secondTime = observed
    output.builder.row.traceID = TraceID(bytes: log.traceID) ?? .none
    output.builder.row.spanID = SpanID(bytes: log.spanID) ?? .none
    output.builder.row.kind = log.severityNumber <= 24 ? UInt8(truncatingIfNeeded: log.severityNumber) : 0
    output.builder.row.flags = log.flags
    output.builder.name.appendText(log.eventName)
    output.builder.text.appendText(log.severityText)
    if log.hasBody, !log.body.isEmpty { try AttributeTranscoder.append(value: log.body, to: &output.builder.body) }
    if log.hasAttributes { try AttributeTranscoder.append(log.attributes, to: &output.builder.attributes) }
    return nil
  }
}
