import NeedletailTelemetry

/// A span in OTLP's JSON form.
enum SpanJSON {
  static func write(_ span: SpanRecord, to json: inout JSONWriter) {
    json.beginObject()
    text("traceId", span.traceID.description, to: &json)
    text("spanId", span.spanID.description, to: &json)
    if span.parentSpanID.isValid { text("parentSpanId", span.parentSpanID.description, to: &json) }
    if !span.traceState.isEmpty { text("traceState", span.traceState, to: &json) }
    if span.flags != 0 {
      json.key("flags")
      json.integer(span.flags)
    }
    text("name", span.name, to: &json)
    json.key("kind")
    json.integer(span.kind.rawValue)
    json.key("startTimeUnixNano")
    json.quotedInteger(span.startNanoseconds)
    json.key("endTimeUnixNano")
    json.quotedInteger(span.endNanoseconds)
    AttributeJSON.list("attributes", span.attributes, to: &json)
    events(span.events, to: &json)
    links(span.links, to: &json)
    json.key("status")
    json.beginObject()
    if span.status != .unset {
      json.key("code")
      json.integer(span.status.rawValue)
    }
    if !span.statusMessage.isEmpty { text("message", span.statusMessage, to: &json) }
    json.endObject()
    json.endObject()
  }

  private static func text(_ key: String, _ value: String, to json: inout JSONWriter) {
    json.key(key)
    json.string(value)
  }

  private static func events(_ events: [SpanRecord.Event], to json: inout JSONWriter) {
    guard !events.isEmpty else { return }
    json.key("events")
    json.beginArray()
    for event in events {
      json.beginObject()
      json.key("timeUnixNano")
      json.quotedInteger(event.timeNanoseconds)
      text("name", event.name, to: &json)
      AttributeJSON.list("attributes", event.attributes, to: &json)
      json.endObject()
    }
    json.endArray()
  }

  private static func links(_ links: [SpanRecord.Link], to json: inout JSONWriter) {
    guard !links.isEmpty else { return }
    json.key("links")
    json.beginArray()
    for link in links {
      json.beginObject()
      text("traceId", link.traceID.description, to: &json)
      text("spanId", link.spanID.description, to: &json)
      if !link.traceState.isEmpty { text("traceState", link.traceState, to: &json) }
      AttributeJSON.list("attributes", link.attributes, to: &json)
      json.endObject()
    }
    json.endArray()
  }
}
