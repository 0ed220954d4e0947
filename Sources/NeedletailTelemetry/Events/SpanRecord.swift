/// One finished span, with everything that OpenTelemetry's data model gives it but its stream.
package struct SpanRecord: Hashable, Sendable {
  package enum Kind: UInt8, Sendable {
    case unspecified = 0
    case `internal` = 1
    case server = 2
    case client = 3
    case producer = 4
    case consumer = 5
  }

  package enum Status: UInt8, Sendable {
    case unset = 0
    case ok = 1
    case error = 2
  }

  /// Something that happened during the span.
  package struct Event: Hashable, Sendable {
    package var timeNanoseconds: Int64
    package var name: String
    package var attributes: [Attribute]

    package init(timeNanoseconds: Int64, name: String, attributes: [Attribute] = []) {
      self.timeNanoseconds = timeNanoseconds
      self.name = name
      self.attributes = attributes
    }
  }

  /// A relation to a span of this or another trace.
  package struct Link: Hashable, Sendable {
    package var traceID: TraceID
    package var spanID: SpanID
    package var traceState: String
    package var attributes: [Attribute]

    package init(traceID: TraceID, spanID: SpanID, traceState: String = "", attributes: [Attribute] = []) {
      self.traceID = traceID
      self.spanID = spanID
      self.traceState = traceState
      self.attributes = attributes
    }
  }

  package var traceID: TraceID
  package var spanID: SpanID
  package var parentSpanID: SpanID
  package var name: String
  package var kind: Kind
  /// Nanoseconds since 1970.
  package var startNanoseconds: Int64
  /// Nanoseconds since 1970.
  package var endNanoseconds: Int64
  package var status: Status
  package var statusMessage: String
  package var traceState: String
  package var flags: UInt32
  package var attributes: [Attribute]
  package var events: [Event]
  package var links: [Link]

  package init(
    traceID: TraceID, spanID: SpanID, parentSpanID: SpanID = .none, name: String, kind: Kind = .unspecified,
    startNanoseconds: Int64, endNanoseconds: Int64, status: Status = .unset, statusMessage: String = "",
    traceState: String = "", flags: UInt32 = 0, attributes: [Attribute] = [], events: [Event] = [], links: [Link] = []
  ) {
    self.traceID = traceID
    self.spanID = spanID
    self.parentSpanID = parentSpanID
    self.name = name
    self.kind = kind
    self.startNanoseconds = startNanoseconds
    self.endNanoseconds = endNanoseconds
    self.status = status
    self.statusMessage = statusMessage
    self.traceState = traceState
    self.flags = flags
    self.attributes = attributes
    self.events = events
    self.links = links
  }

  /// Nanoseconds from start to end; 0 where the end is before the start.
  package var durationNanoseconds: Int64 {
    let (duration, overflow) = endNanoseconds.subtractingReportingOverflow(startNanoseconds)
    return overflow ? .max : max(0, duration)
  }
}
