// LogRecord of opentelemetry/proto/logs/v1/logs.proto.

/// The field numbers of a `LogRecord`.
package enum LogRecordField {
  /// Attributes (`KeyValue`), repeated.
  package static let attributes: UInt32 = 6
}

extension ProtobufWriter {
  /// Writes the fields of a `LogRecord` but its attributes and its trace.
  ///
  /// - Parameters:
  ///   - nanoseconds: when it happened and was observed, in nanoseconds since the Unix epoch.
  ///   - severityNumber: `SeverityNumber`, 1 (trace) to 24 (fatal).
  ///   - severityText: the level as the program calls it.
  ///   - body: the message.
  package mutating func logRecord(
    nanoseconds: UInt64, severityNumber: UInt8, severityText: String, body: String
  ) {
    field(1, fixed64: nanoseconds)
    field(2, varint: UInt64(severityNumber))
    field(3, string: severityText)
    field(5) { $0.anyValue(body) }
    field(11, fixed64: nanoseconds)
  }

  /// Writes the span that a `LogRecord` belongs to.
  package mutating func logTrace(traceIDHigh: UInt64, traceIDLow: UInt64, spanID: UInt64, flags: UInt32) {
    field(8, fixed32: flags)
    field(9, bigEndian: traceIDHigh, traceIDLow)
    field(10, bigEndian: spanID)
  }
}
