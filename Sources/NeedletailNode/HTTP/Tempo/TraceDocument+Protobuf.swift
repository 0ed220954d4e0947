import NeedletailOTLP
import NeedletailTelemetry

extension TraceDocument {
  /// The protobuf form: `TracesData { 1: ResourceSpans }`, which is what Tempo's clients read too.
  static func protobuf(_ fragments: [TraceFragment]) -> [UInt8] {
    var writer = ProtobufWriter()
    for group in groups(fragments) {
      writer.field(1) { resourceSpans in
        resourceSpans.field(1) { resource in resource.attributes(1, group.resource) }
        for fragment in group.fragments {
          resourceSpans.field(2) { scopeSpans in
            scopeSpans.field(1) { scope in
              scope.field(1, string: fragment.stream.scopeName)
              scope.field(2, string: fragment.stream.scopeVersion)
              scope.attributes(3, fragment.stream.scopeAttributes)
            }
            for span in fragment.spans { scopeSpans.field(2) { $0.span(span) } }
          }
        }
      }
    }
    return writer.bytes
  }
}

extension ProtobufWriter {
  fileprivate mutating func span(_ span: SpanRecord) {
    spanHeader(
      SpanHeader(
        traceIDHigh: span.traceID.high, traceIDLow: span.traceID.low, spanID: span.spanID.value,
        parentSpanID: span.parentSpanID.value, traceState: span.traceState, flags: span.flags,
        kind: span.kind.rawValue, startNanoseconds: UInt64(bitPattern: span.startNanoseconds),
        endNanoseconds: UInt64(bitPattern: span.endNanoseconds)))
    spanName(span.name)
    attributes(SpanField.attributes, span.attributes)
    for event in span.events {
      spanEvent(name: event.name, nanoseconds: UInt64(bitPattern: event.timeNanoseconds)) {
        $0.attributes(SpanField.eventAttributes, event.attributes)
      }
    }
    for link in span.links {
      spanLink(
        traceIDHigh: link.traceID.high, traceIDLow: link.traceID.low, spanID: link.spanID.value,
        traceState: link.traceState, flags: 0
      ) { $0.attributes(SpanField.linkAttributes, link.attributes) }
    }
    spanStatus(SpanStatusCode(rawValue: UInt64(span.status.rawValue)) ?? .unset, message: span.statusMessage)
  }

  fileprivate mutating func attributes(_ field: UInt32, _ attributes: [Attribute]) {
    for item in attributes { attribute(field, item.key) { $0.value(item.value) } }
  }

  private mutating func value(_ value: AttributeValue) {
    switch value {
    case .empty: break
    case .string(let text): anyValue(text)
    case .bool(let flag): anyValue(flag)
    case .int(let number): anyValue(number)
    case .double(let number): anyValue(number)
    case .bytes(let bytes): field(7, bytes: bytes)
    case .array(let values): anyValue(array: values) { $0.value($1) }
    case .map(let pairs): anyValue(map: { $0.attributes(1, pairs) })
    }
  }
}
