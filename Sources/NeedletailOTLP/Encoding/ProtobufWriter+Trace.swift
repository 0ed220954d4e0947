// Span, Span.Event, Span.Link and Status of opentelemetry/proto/trace/v1/trace.proto.

/// The field numbers of a `Span`.
package enum SpanField {
  /// Attributes (`KeyValue`), repeated.
  package static let attributes: UInt32 = 9
  /// Attributes of a `Span.Event`, repeated.
  package static let eventAttributes: UInt32 = 3
  /// Attributes of a `Span.Link`, repeated.
  package static let linkAttributes: UInt32 = 4
}

/// The fields of a `Span` that come once.
package struct SpanHeader: Sendable {
  /// The high 64 bits of the trace id.
  package var traceIDHigh: UInt64
  /// The low 64 bits of the trace id.
  package var traceIDLow: UInt64
  /// The span id.
  package var spanID: UInt64
  /// The id of the parent span; 0 for a root.
  package var parentSpanID: UInt64
  /// The W3C `tracestate`, empty when there is none.
  package var traceState: String
  /// W3C trace flags (low 8 bits) and OTLP's span flags above them.
  package var flags: UInt32
  /// `SpanKind`: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
  package var kind: UInt8
  /// Start, in nanoseconds since the Unix epoch.
  package var startNanoseconds: UInt64
  /// End, in nanoseconds since the Unix epoch.
  package var endNanoseconds: UInt64

  /// All fields.
  package init(
    traceIDHigh: UInt64, traceIDLow: UInt64, spanID: UInt64, parentSpanID: UInt64, traceState: String, flags: UInt32,
    kind: UInt8, startNanoseconds: UInt64, endNanoseconds: UInt64
  ) {
    self.traceIDHigh = traceIDHigh
    self.traceIDLow = traceIDLow
    self.spanID = spanID
    self.parentSpanID = parentSpanID
    self.traceState = traceState
    self.flags = flags
    self.kind = kind
    self.startNanoseconds = startNanoseconds
    self.endNanoseconds = endNanoseconds
  }
}

/// `Status.StatusCode`.
package enum SpanStatusCode: UInt64, Sendable {
  /// Nothing was said.
  case unset = 0
  /// The operation succeeded.
  case ok = 1
  /// The operation failed.
  case error = 2
}

extension ProtobufWriter {
  /// Writes the fields of a `Span` that come once, but its name and status.
  package mutating func spanHeader(_ header: SpanHeader) {
    field(1, bigEndian: header.traceIDHigh, header.traceIDLow)
    field(2, bigEndian: header.spanID)
    if !header.traceState.isEmpty { field(3, string: header.traceState) }
    if header.parentSpanID != 0 { field(4, bigEndian: header.parentSpanID) }
    field(6, varint: UInt64(header.kind))
    field(7, fixed64: header.startNanoseconds)
    field(8, fixed64: header.endNanoseconds)
    field(16, fixed32: header.flags)
  }

  /// Writes the name of a `Span`.
  package mutating func spanName(_ name: String) { field(5, string: name) }

  /// Writes a `Span`'s counts of what its limits dropped; zeros are left out.
  package mutating func spanDropped(attributes: Int, events: Int, links: Int) {
    if attributes > 0 { field(10, varint: UInt64(attributes)) }
    if events > 0 { field(12, varint: UInt64(events)) }
    if links > 0 { field(14, varint: UInt64(links)) }
  }

  /// Writes a `Span`'s status; an unset one without a message is left out.
  package mutating func spanStatus(_ code: SpanStatusCode, message: String) {
    if code == .unset && message.isEmpty { return }
    field(15) { status in
      if !message.isEmpty { status.field(2, string: message) }
      if code != .unset { status.field(3, varint: code.rawValue) }
    }
  }

  /// Writes a `Span.Event`; `attributes` writes its attributes as field ``SpanField/eventAttributes``.
  package mutating func spanEvent(
    name: String, nanoseconds: UInt64, attributes: (inout ProtobufWriter) -> Void
  ) {
    field(11) { event in
      event.field(1, fixed64: nanoseconds)
      event.field(2, string: name)
      attributes(&event)
    }
  }

  /// Writes a `Span.Link`; `attributes` writes its attributes as field ``SpanField/linkAttributes``.
  package mutating func spanLink(
    traceIDHigh: UInt64, traceIDLow: UInt64, spanID: UInt64, traceState: String, flags: UInt32,
    attributes: (inout ProtobufWriter) -> Void
  ) {
    field(13) { link in
      link.field(1, bigEndian: traceIDHigh, traceIDLow)
      link.field(2, bigEndian: spanID)
      if !traceState.isEmpty { link.field(3, string: traceState) }
      attributes(&link)
      link.field(6, fixed32: flags)
    }
  }
}
