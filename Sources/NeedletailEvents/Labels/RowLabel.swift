import NeedletailTelemetry

/// The labels that a row has of its own, beside those of its stream and its attributes.
enum RowLabel: Equatable {
  case level
  case severityText
  case traceID
  case spanID
  case parentSpanID
  case name
  case kind
  case status
  case statusMessage
  /// An attribute of the record whose label name has these bytes.
  case attribute([UInt8])

  /// What a label's name means for rows that are logs or spans.
  init(_ name: String, isSpans: Bool) {
    switch (name, isSpans) {
    case ("trace_id", _): self = .traceID
    case ("span_id", _): self = .spanID
    case ("level", false): self = .level
    case ("severity_text", false): self = .severityText
    case ("event_name", false), ("name", true): self = .name
    case ("parent_span_id", true): self = .parentSpanID
    case ("kind", true): self = .kind
    case ("status", true): self = .status
    case ("status_message", true): self = .statusMessage
    default: self = .attribute(Array(name.utf8))
    }
  }

  /// The names of the labels that every log, or every span, may have.
  static func names(isSpans: Bool) -> [String] {
    isSpans
      ? ["trace_id", "span_id", "parent_span_id", "name", "kind", "status", "status_message"]
      : ["trace_id", "span_id", "level", "severity_text", "event_name"]
  }

  var isAttribute: Bool {
    if case .attribute = self { true } else { false }
  }

  /// Calls `body` with the value in `row`; with no bytes where the row has none.
  func withValue<Result>(_ row: EventRow, _ stream: StreamEntry, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    switch self {
    case .level: withText(Self.level(row, stream), body)
    case .severityText, .statusMessage: body(row.text)
    case .name: body(row.name)
    case .traceID: withText(row.traceID.isValid ? row.traceID.description : "", body)
    case .spanID: withText(row.spanID.isValid ? row.spanID.description : "", body)
    case .parentSpanID: withText(row.parentSpanID.isValid ? row.parentSpanID.description : "", body)
    case .kind: withText(Self.kindNames[Int(min(row.kind, 6))], body)
    case .status: withText(Self.statusNames[Int(min(row.status, 3))], body)
    case .attribute(let name): Self.withAttribute(row, name, body)
    }
  }

  private func withText<Result>(_ text: String, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    var text = text
    return text.withUTF8 { body(UnsafeRawBufferPointer($0)) }
  }

  private static func withAttribute<Result>(
    _ row: EventRow, _ name: [UInt8], _ body: (UnsafeRawBufferPointer) -> Result
  ) -> Result {
    var found: EncodedValue?
    EncodedAttributes(bytes: row.attributes).forEach { key, value in
      guard LabelName.of(key, equals: name) else { return true }
      found = value
      return false
    }
    guard let found else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    return found.withText(body)
  }

  /// A log's level: from its severity; where that says nothing, a label `level` of its stream or an attribute `level`;
  /// else `unknown`.
  static func level(_ row: EventRow, _ stream: StreamEntry) -> String {
    if (1...24).contains(row.kind) || !row.text.isEmpty {
      return Severity.name(number: row.kind, text: String(decoding: row.text, as: UTF8.self))
    }
    if let level = stream.value("level") { return level.lowercased() }
    let attribute = withAttribute(row, Array("level".utf8)) { String(decoding: $0, as: UTF8.self) }
    return attribute.isEmpty ? "unknown" : attribute.lowercased()
  }

  static let kindNames = ["unspecified", "internal", "server", "client", "producer", "consumer", "unspecified"]
  static let statusNames = ["unset", "ok", "error", "unset"]
}
