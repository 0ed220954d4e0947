import NeedletailTerminal

/// Rate, errors and duration of one service over the window.
package struct ServiceSummary: Equatable, Sendable {
  package var name: String
  /// Requests a second, oldest first.
  package var rate: [SeriesResult.Point]
  /// Requests a second now: none from a service that has gone silent, whatever it did before.
  package var rateNow: Double
  /// Share of requests that failed now, 0 to 1.
  package var errors: Double
  /// Latency now, in seconds.
  package var p50: Double
  package var p95: Double
  package var p99: Double
  /// p95 latency, oldest first.
  package var latency: [SeriesResult.Point]
}

/// What the first screen shows, as of one moment.
package struct Overview: Equatable, Sendable {
  /// What the figures of the services are taken from.
  package enum Basis: Equatable, Sendable {
    /// The histogram `http_server_request_duration_seconds`.
    case requestMetrics
    /// Spans of servers and consumers, where there is no such histogram.
    case spans
  }

  /// The service, as its label `job` names it, whose traces and logs were asked for; nil for all.
  package var service: String?
  /// Unix seconds.
  package var start: Double
  package var end: Double
  package var step: Double
  package var services: [ServiceSummary]
  package var basis: Basis
  /// Newest error logs first.
  package var logs: [LogLine]
  /// Traces with errors, newest first; then slow ones.
  package var traces: [TraceSummary]
  /// The ids of ``traces`` that have an error.
  package var failedTraces: Set<String>
  /// What could not be asked, as text for the user.
  package var problems: [String]
  /// How whole all answers are together; nil where there is no cluster.
  package var coverage: AnswerCoverage?
}

/// How the overview is asked for.
package struct OverviewQuery: Sendable {
  /// Seconds that the screen spans.
  package var window: Double
  /// What `rate` looks back over.
  package var rateWindow: String
  /// Traces longer than this count as slow, in nanoseconds.
  package var slow: Int64

  package init(window: Double = 900, rateWindow: String = "1m", slow: Int64 = 500_000_000) {
    self.window = window
    self.rateWindow = rateWindow
    self.slow = slow
  }

  /// Asks everything at once; spans for what metrics do not tell.
  ///
  /// Never throws: what fails is told in ``Overview/problems`` and the rest is shown.
  /// - Parameters:
  ///   - now: unix nanoseconds.
  ///   - service: narrows traces, to those with a span of it, and logs; the figures are those of all services.
  package func load(from asked: some DashboardSource, now: Int64, service: String? = nil) async -> Overview {
    let notes = CoverageNotes()
    let source = asked.telling(notes.note)
    let end = Double(now / 1_000_000_000)
    let start = end - window
    let step = max(1, (window / 90).rounded())
    let ofService = service.map { "job=\(Self.quoted($0))" }
    async let figures = figures(source, (start, end, step))
    async let logs = Self.attempt {
      try await source.logs(
        "{" + ["level=~\"error|fatal\"", ofService].compactMap { $0 }.joined(separator: ", ") + "}",
        start: TimeText.nanoseconds(ofSeconds: start), end: now, limit: 100)
    }
    async let failed = Self.attempt {
      let tags = [ofService, "status=error"].compactMap { $0 }.joined(separator: " ")
      return try await source.traces(TraceSearch(tags: tags, limit: 50, start: start, end: end + 1))
    }
    async let slow = Self.attempt {
      try await source.traces(
        TraceSearch(tags: ofService ?? "", minimumDuration: self.slow, limit: 50, start: start, end: end + 1))
    }

    var problems: [String] = []
    func value<Value>(_ result: Result<[Value], any Error>) -> [Value] {
      switch result {
      case .success(let values): return values
      case .failure(let error):
        let text = "\(error)"
        if !problems.contains(text) { problems.append(text) }
        return []
      }
    }
    let found = await figures
    let services = Self.services(
      rates: value(found.rates), failures: value(found.failures), medians: value(found.medians),
      p95s: value(found.p95s), p99s: value(found.p99s), since: end - step)
    let foundLogs = value(await logs).sorted { $0.time > $1.time }
    let foundFailed = value(await failed).sorted { $0.start > $1.start }
    let ids = Set(foundFailed.map(\.id))
    let foundSlow = value(await slow).filter { !ids.contains($0.id) }.sorted { $0.start > $1.start }
    return Overview(
      service: service, start: start, end: end, step: step, services: services,
      basis: found.isOfSpans ? .spans : .requestMetrics, logs: foundLogs, traces: foundFailed + foundSlow,
      failedTraces: ids.union(foundSlow.lazy.filter { $0.errorCount > 0 }.map(\.id)), problems: problems,
      coverage: notes.coverage)
  }

  private static func attempt<Value: Sendable>(
    _ body: () async throws -> [Value]
  ) async -> Result<[Value], any Error> {
    do { return .success(try await body()) } catch { return .failure(error) }
  }

  /// A text in quotes, as PromQL and the tags of a search read it.
  private static func quoted(_ text: String) -> String {
    text.reduce(into: "\"") { result, character in
      switch character {
      case "\"", "\\": result += "\\" + String(character)
      case "\n": result += "\\n"
      default: result.append(character)
      }
    } + "\""
  }

  /// What each figure's question found.
  private struct Figures: Sendable {
    typealias Found = Result<[SeriesResult], any Error>
    var rates: Found
    var failures: Found
    var medians: Found
    var p95s: Found
    var p99s: Found
    var isOfSpans = false

    /// Whether the questions were answered, and there was nothing.
    var isEmpty: Bool {
      if case .success(let series) = rates { series.isEmpty } else { false }
    }
  }

  private func figures(
    _ source: some DashboardSource, _ times: (start: Double, end: Double, step: Double)
  ) async -> Figures {
    let ofMetrics = await figures(RequestQuestions(rateWindow: rateWindow), source, times)
    guard ofMetrics.isEmpty else { return ofMetrics }
    var ofSpans = await figures(SpanQuestions(rateWindow: rateWindow), source, times)
    ofSpans.isOfSpans = !ofSpans.isEmpty
    return ofSpans
  }

  private func figures(
    _ questions: some ServiceQuestions, _ source: some DashboardSource,
    _ times: (start: Double, end: Double, step: Double)
  ) async -> Figures {
    func ask(_ query: String, from start: Double) async -> Figures.Found {
      await Self.attempt { try await source.range(query, start: start, end: times.end, step: times.step) }
    }
    // Of some figures only the newest is shown: one step is asked for, not the whole window.
    async let rates = ask(questions.rate, from: times.start)
    async let failures = ask(questions.errors, from: times.end)
    async let medians = ask(questions.quantile("0.5"), from: times.end)
    async let p95s = ask(questions.quantile("0.95"), from: times.start)
    async let p99s = ask(questions.quantile("0.99"), from: times.end)
    return Figures(
      rates: await rates, failures: await failures, medians: await medians, p95s: await p95s, p99s: await p99s)
  }

  private static func services(
    rates: [SeriesResult], failures: [SeriesResult], medians: [SeriesResult], p95s: [SeriesResult],
    p99s: [SeriesResult], since newest: Double
  ) -> [ServiceSummary] {
    func now(_ result: SeriesResult?) -> Double? {
      result?.points.last.flatMap { $0.time > newest ? $0.value : nil }
    }
    func last(_ results: [SeriesResult], _ job: String) -> Double {
      now(results.first { $0.label("job") == job }) ?? .nan
    }
    return rates.compactMap { result -> ServiceSummary? in
      guard let job = result.label("job") else { return nil }
      let rate = now(result) ?? 0
      let failed = last(failures, job)
      return ServiceSummary(
        name: job, rate: result.points, rateNow: rate, errors: rate > 0 && failed.isFinite ? failed / rate : 0,
        p50: last(medians, job), p95: last(p95s, job), p99: last(p99s, job),
        latency: p95s.first { $0.label("job") == job }?.points ?? [])
    }.sorted { $0.name < $1.name }
  }
}
