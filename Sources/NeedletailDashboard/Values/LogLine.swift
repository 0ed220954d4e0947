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

  /// For a screen: time, level, service and message, and the labels that are not shown elsewhere.
  ///
  /// - Parameters:
  ///   - now: unix nanoseconds; a record of another day shows its date. Nil for the time alone.
  ///   - showsTrace: whether the trace's id ends the line.
  ///   - isWhole: whether nothing is cut, as in a pipe.
  package func entry(
    _ zone: TimeText.Zone, now: Int64? = nil, showsTrace: Bool = false, isWhole: Bool = false
  ) -> LogList.Entry {
    func text(_ text: String, _ limit: Int) -> TerminalText { TerminalText(text, limit: isWhole ? .max : limit) }
    let time = now.map { TimeText.clock(nanoseconds: self.time, zone, now: $0) }
    let rest = labels.filter { label in
      !Self.known.contains(label.key) && !Self.resource.contains { label.key.hasPrefix($0) }
    }
    let shown = rest.sorted { $0.key < $1.key }.prefix(isWhole ? .max : 20)
    return LogList.Entry(
      time: TerminalText(time ?? TimeText.clock(nanoseconds: self.time, zone)), severity: severity,
      service: text(service, 80), message: text(body, 2_000),
      fields: shown.map { (text($0.key, 80), text($0.value, 200)) },
      traceID: showsTrace ? text(traceID ?? "", 64) : .empty)
  }
}
