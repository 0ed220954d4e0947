// The way back: spans as the TracesData message of OTLP, in JSON and protobuf, as the trace API answers.

import NeedletailOTLP
import NeedletailTelemetry

/// Writes spans with their streams as TracesData.
package enum OTLPTraceJSON {
  /// How ids are written: OTLP/JSON has them in hexadecimal, protobuf's own JSON form in base64.
  package enum Identifiers: Sendable {
    case hexadecimal
    case base64
  }

  /// TracesData in JSON.
  ///
  /// `root` names the list of resources: `resourceSpans`, or `batches` as older clients of Tempo expect.
  package static func json(
    _ spans: [(stream: EventStream, span: SpanRecord)], root: String = "resourceSpans",
    identifiers: Identifiers = .hexadecimal
  ) -> [UInt8] {
    var writer = TraceJSONWriter(identifiers: identifiers)
    writer.text += "{\"\(root)\":["
    for (index, resource) in grouped(spans).enumerated() {
      if index > 0 { writer.text += "," }
      writer.text += "{\"resource\":{"
      writer.attributes(resource.attributes)
      writer.text += "},\"scopeSpans\":["
      for (index, scope) in resource.scopes.enumerated() {
        if index > 0 { writer.text += "," }
        writer.scope(scope.stream, spans: scope.spans)
      }
      writer.text += "]}"
    }
    writer.text += "]}"
    return Array(writer.text.utf8)
  }

  /// One span in JSON, as it stands in TracesData.
  package static func json(_ span: SpanRecord, identifiers: Identifiers = .hexadecimal) -> String {
    var writer = TraceJSONWriter(identifiers: identifiers)
    writer.span(span)
    return writer.text
  }

  /// TracesData in protobuf.
  package static func protobuf(_ spans: [(stream: EventStream, span: SpanRecord)]) -> [UInt8] {
    let json = json(spans)
    // One writer of spans is enough: what it writes is read back by the transcoder that every JSON request goes
    // through.
    return json.withUnsafeBytes { bytes in (try? OTLPJSONTranscoder.protobuf(bytes, signal: .traces)) ?? [] }
  }

  struct ScopeGroup {
    var stream: EventStream
    var spans: [SpanRecord]
  }

  struct ResourceGroup {
    var attributes: [Attribute]
    var scopes: [ScopeGroup]
  }

  /// The spans by resource and scope, in the order in which these first appear.
  private static func grouped(_ spans: [(stream: EventStream, span: SpanRecord)]) -> [ResourceGroup] {
    var resources: [ResourceGroup] = []
    var resourceIndex: [[Attribute]: Int] = [:]
    var scopeIndex: [EventStream: (resource: Int, scope: Int)] = [:]
    for (stream, span) in spans {
      if let found = scopeIndex[stream] {
        resources[found.resource].scopes[found.scope].spans.append(span)
        continue
      }
      let resource = resourceIndex[stream.resource] ?? resources.count
      if resource == resources.count {
        resources.append(ResourceGroup(attributes: stream.resource, scopes: []))
        resourceIndex[stream.resource] = resource
      }
      scopeIndex[stream] = (resource, resources[resource].scopes.count)
      resources[resource].scopes.append(ScopeGroup(stream: stream, spans: [span]))
    }
    return resources
  }
}

private struct TraceJSONWriter {
  let identifiers: OTLPTraceJSON.Identifiers
  var text = ""

  mutating func string(_ value: String) { JSONText.appendString(value, to: &text) }

  mutating func field(_ name: StaticString, _ value: String) {
    text += ",\"\(name)\":"
    string(value)
  }

  /// Writes the field `attributes`, or one of another name with the same form.
  mutating func attributes(_ attributes: [Attribute], name: StaticString = "attributes") {
    text += "\"\(name)\":["
    for (index, attribute) in attributes.enumerated() {
      if index > 0 { text += "," }
      text += "{\"key\":"
      string(attribute.key)
      text += ",\"value\":"
      value(attribute.value)
      text += "}"
    }
    text += "]"
  }

  /// Values come from batches, whose depth is bounded.
  private mutating func value(_ value: AttributeValue) {
    switch value {
    case .empty: text += "{}"
    case .string(let content):
      text += "{\"stringValue\":"
      string(content)
      text += "}"
    case .bool(let flag): text += "{\"boolValue\":\(flag)}"
    case .int(let number): text += "{\"intValue\":\"\(number)\"}"
    case .double(let number):
      let isNumber = number.isFinite
      let name = number.isNaN ? "NaN" : (number < 0 ? "-Infinity" : "Infinity")
      text += "{\"doubleValue\":" + (isNumber ? number.description : "\"\(name)\"") + "}"
    case .bytes(let bytes): text += "{\"bytesValue\":\"\(JSONText.base64(bytes))\"}"
    case .array(let values):
      text += "{\"arrayValue\":{\"values\":["
      for (index, element) in values.enumerated() {
        if index > 0 { text += "," }
        self.value(element)
      }
      text += "]}}"
    case .map(let entries):
      text += "{\"kvlistValue\":{"
      attributes(entries, name: "values")
      text += "}}"
    }
  }

  mutating func scope(_ stream: EventStream, spans: [SpanRecord]) {
    text += "{\"scope\":{\"name\":"
    string(stream.scopeName)
    if !stream.scopeVersion.isEmpty { field("version", stream.scopeVersion) }
    if !stream.scopeAttributes.isEmpty {
      text += ","
      attributes(stream.scopeAttributes)
    }
    text += "},\"spans\":["
    for (index, span) in spans.enumerated() {
      if index > 0 { text += "," }
      self.span(span)
    }
    text += "]}"
  }

  private func identifier(_ trace: TraceID) -> String {
    guard identifiers == .base64 else { return trace.description }
    return JSONText.base64(bigEndian(trace.high) + bigEndian(trace.low))
  }

  private func identifier(_ span: SpanID) -> String {
    identifiers == .base64 ? JSONText.base64(bigEndian(span.value)) : span.description
  }

  private func bigEndian(_ word: UInt64) -> [UInt8] { withUnsafeBytes(of: word.bigEndian) { Array($0) } }

  mutating func span(_ span: SpanRecord) {
    text += "{\"traceId\":\"\(identifier(span.traceID))\",\"spanId\":\"\(identifier(span.spanID))\""
    if span.parentSpanID.isValid { text += ",\"parentSpanId\":\"\(identifier(span.parentSpanID))\"" }
    if !span.traceState.isEmpty { field("traceState", span.traceState) }
    field("name", span.name)
    text += ",\"kind\":\(span.kind.rawValue)"
    text += ",\"startTimeUnixNano\":\"\(max(0, span.startNanoseconds))\""
    text += ",\"endTimeUnixNano\":\"\(max(0, span.endNanoseconds))\""
    if span.flags != 0 { text += ",\"flags\":\(span.flags)" }
    text += ","
    attributes(span.attributes)
    if !span.events.isEmpty { events(span.events) }
    if !span.links.isEmpty { links(span.links) }
    text += ",\"status\":{\"code\":\(span.status.rawValue)"
    if !span.statusMessage.isEmpty { field("message", span.statusMessage) }
    text += "}}"
  }

  private mutating func events(_ events: [SpanRecord.Event]) {
    text += ",\"events\":["
    for (index, event) in events.enumerated() {
      text += index > 0 ? "," : ""
      text += "{\"timeUnixNano\":\"\(max(0, event.timeNanoseconds))\""
      field("name", event.name)
      text += ","
      attributes(event.attributes)
      text += "}"
    }
    text += "]"
  }

  private mutating func links(_ links: [SpanRecord.Link]) {
    text += ",\"links\":["
    for (index, link) in links.enumerated() {
      text += index > 0 ? "," : ""
      text += "{\"traceId\":\"\(identifier(link.traceID))\",\"spanId\":\"\(identifier(link.spanID))\""
      if !link.traceState.isEmpty { field("traceState", link.traceState) }
      text += ","
      attributes(link.attributes)
      text += "}"
    }
    text += "]"
  }
}
