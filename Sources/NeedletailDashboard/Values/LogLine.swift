import NeedletailTerminal

/// One log record of an answer.
package struct LogLine: Equatable, Sendable {
  /// Unix nanoseconds.
  package var time: Int64
  /// Labels of its stream and of itself.
  package var labels: [String: String]
  package var body: String

  package init(time: Int64, labels: [String: String], body: String) {
    self.time = time
    self.labels = labels
    self.body = body
  }

  package var severity: Severity? {
    ["level", "detected_level", "severity_text", "severity"].lazy.compactMap { labels[$0] }.first
      .flatMap(Severity.init(name:))
  }

  package var service: String { labels["service_name"] ?? labels["job"] ?? labels["service"] ?? "" }

  package var traceID: String? { labels["trace_id"] ?? labels["traceid"] ?? labels["traceID"] }

  private static let known: Set<String> = [
    "level", "detected_level", "severity_text", "severity", "service_name", "job", "service", "trace_id", "span_id",
    "traceid", "traceID", "logger_name",
  ]

  /// What describes the sender rather than the record: too much for a line; `--output json` has it.
  private static let resource = ["service_", "process_", "host_", "telemetry_", "scope_", "os_", "container_", "k8s_"]

  /// For a screen; with `fields`, the labels that are not shown elsewhere follow the message.
  package func entry(_ zone: TimeText.Zone, fields: Bool) -> LogList.Entry {
    let rest = labels.filter { label in
      !Self.known.contains(label.key) && !Self.resource.contains { label.key.hasPrefix($0) }
    }
    let shown = fields ? rest.sorted { $0.key < $1.key } : []
    return LogList.Entry(
      time: TerminalText(TimeText.clock(nanoseconds: time, zone)), severity: severity,
      service: TerminalText(service, limit: 80), message: TerminalText(body, limit: 2_000),
      fields: shown.prefix(20).map { (TerminalText($0.key, limit: 80), TerminalText($0.value, limit: 200)) })
  }
}
