/// One structured log record, with everything that OpenTelemetry's data model gives it but its stream.
package struct LogRecord: Hashable, Sendable {
  /// Nanoseconds since 1970; the observed time where the source gave none.
  package var timeNanoseconds: Int64
  package var observedTimeNanoseconds: Int64
  /// OpenTelemetry severity number: 1...4 trace, 5...8 debug, 9...12 info, 13...16 warn, 17...20 error, 21...24 fatal; 0 unknown.
  package var severityNumber: UInt8
  package var severityText: String
  package var body: AttributeValue
  package var attributes: [Attribute]
  package var traceID: TraceID
  package var spanID: SpanID
  package var flags: UInt32
  package var eventName: String

  package init(
    timeNanoseconds: Int64, observedTimeNanoseconds: Int64 = 0, severityNumber: UInt8 = 0, severityText: String = "",
    body: AttributeValue = .empty, attributes: [Attribute] = [], traceID: TraceID = .none, spanID: SpanID = .none,
    flags: UInt32 = 0, eventName: String = ""
  ) {
    self.timeNanoseconds = timeNanoseconds
    self.observedTimeNanoseconds = observedTimeNanoseconds
    self.severityNumber = severityNumber
    self.severityText = severityText
    self.body = body
    self.attributes = attributes
    self.traceID = traceID
    self.spanID = spanID
    self.flags = flags
    self.eventName = eventName
  }

  /// The level's name in lower case, from the severity number, else from the severity text, else `unknown`.
  package var level: String { Severity.name(number: severityNumber, text: severityText) }
}

/// Names of log levels.
package enum Severity {
  /// `trace`, `debug`, `info`, `warn`, `error` or `fatal`; `text` in lower case where the number says nothing.
  package static func name(number: UInt8, text: String) -> String {
    switch number {
    case 1...4: "trace"
    case 5...8: "debug"
    case 9...12: "info"
    case 13...16: "warn"
    case 17...20: "error"
    case 21...24: "fatal"
    default: text.isEmpty ? "unknown" : text.lowercased()
    }
  }
}
