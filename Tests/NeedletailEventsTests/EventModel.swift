import NeedletailEvents
import NeedletailTelemetry

/// What the engine must answer, told in the plainest way: a set of events, each condition on text.
struct EventModel {
  struct LogEntry: Hashable {
    var stream: EventStream
    var record: LogRecord
  }

  struct SpanEntry: Hashable {
    var stream: EventStream
    var span: SpanRecord
  }

  var logs: Set<LogEntry> = []
  var spans: Set<SpanEntry> = []

  static func labelName(_ key: String) -> String {
    String(
      String.UnicodeScalarView(
        key.unicodeScalars.map { scalar in
          scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)) ? scalar : "_"
        }))
  }

  static func streamLabels(_ stream: EventStream) -> [String: String] {
    var labels: [String: String] = [:]
    for attribute in stream.resource { labels[labelName(attribute.key)] = attribute.value.text }
    if !stream.scopeName.isEmpty { labels["scope_name"] = stream.scopeName }
    labels["service"] = stream.serviceName
    labels["job"] = (labels["service_namespace"].map { $0 + "/" } ?? "") + stream.serviceName
    return labels
  }

  static func labels(_ entry: LogEntry) -> [String: String] {
    let record = entry.record
    var labels: [String: String] = [:]
    for attribute in record.attributes { labels[labelName(attribute.key)] = attribute.value.text }
    labels.merge(streamLabels(entry.stream)) { _, stream in stream }
    let isKnown = (1...24).contains(record.severityNumber) || !record.severityText.isEmpty
    labels["level"] = isKnown ? record.level : labels["level"] ?? "unknown"
    labels["severity_text"] = record.severityText
    labels["trace_id"] = record.traceID.isValid ? record.traceID.description : ""
    labels["span_id"] = record.spanID.isValid ? record.spanID.description : ""
    labels["event_name"] = record.eventName
    return labels
  }

  static func labels(_ entry: SpanEntry) -> [String: String] {
    let span = entry.span
    var labels: [String: String] = [:]
    for attribute in span.attributes { labels[labelName(attribute.key)] = attribute.value.text }
    labels.merge(streamLabels(entry.stream)) { _, stream in stream }
    labels["name"] = span.name
    labels["kind"] = "\(span.kind)"
    labels["status"] = "\(span.status)"
    labels["status_message"] = span.statusMessage
    labels["trace_id"] = span.traceID.description
    return labels
  }

  static func passes(_ labels: [String: String], _ matchers: [LabelMatcher]) -> Bool {
    matchers.allSatisfy { $0.matches(labels[$0.name] ?? "") }
  }

  static func contains(_ text: String, _ needle: String) -> Bool {
    let (text, needle) = (Array(text.utf8), Array(needle.utf8))
    guard text.count >= needle.count else { return false }
    return (0...(text.count - needle.count)).contains { text[$0..<($0 + needle.count)].elementsEqual(needle) }
  }
}
