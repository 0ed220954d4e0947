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
  /// Unix seconds.
  package var start: Double
  package var end: Double
  package var step: Double
  package var services: [ServiceSummary]
  /// Newest error logs first.
  package var logs: [LogLine]
  /// Traces with errors, newest first; then slow ones.
  package var traces: [TraceSummary]
  /// The ids of ``traces`` that have an error.
  package var failedTraces: Set<String>
  /// What could not be asked, as text for the user.
  package var problems: [String]
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

  private static let metric = "http_server_request_duration_seconds"

  var rate: String { "sum by (job) (rate(\(Self.metric)_count[\(rateWindow)]))" }

  var errors: String {
    "sum by (job) (rate(\(Self.metric)_count{http_response_status_code=~\"5..\"}[\(rateWindow)]))"
  }

  func quantile(_ share: String) -> String {
    "histogram_quantile(\(share), sum by (job, le) (rate(\(Self.metric)_bucket[\(rateWindow)])))"
  }

  /// Asks everything at once.
  ///
  /// Never throws: what fails is told in ``Overview/problems`` and the rest is shown.
  /// - Parameter now: unix nanoseconds.
  package func load(from source: some DashboardSource, now: Int64) async -> Overview {
    let end = Double(now / 1_000_000_000)
    let start = end - window
    let step = max(1, (window / 90).rounded())
    func series(_ query: String) async -> Result<[SeriesResult], any Error> {
      await Self.attempt { try await source.range(query, start: start, end: end, step: step) }
    }
    async let rates = series(rate)
    async let failures = series(errors)
    async let medians = series(quantile("0.5"))
    async let p95s = series(quantile("0.95"))
    async let p99s = series(quantile("0.99"))
    async let logs = Self.attempt {
      try await source.logs(
        "{level=~\"error|fatal\"}", start: TimeText.nanoseconds(ofSeconds: start), end: now, limit: 100)
    }
    async let failed = Self.attempt {
      try await source.traces(TraceSearch(tags: "status=error", limit: 50, start: start, end: end + 1))
    }
    async let slow = Self.attempt {
      try await source.traces(TraceSearch(minimumDuration: self.slow, limit: 50, start: start, end: end + 1))
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
    let services = Self.services(
      rates: value(await rates), failures: value(await failures), medians: value(await medians),
      p95s: value(await p95s), p99s: value(await p99s), since: end - step)
    let foundLogs = value(await logs).sorted { $0.time > $1.time }
    let foundFailed = value(await failed).sorted { $0.start > $1.start }
    let ids = Set(foundFailed.map(\.id))
    let foundSlow = value(await slow).filter { !ids.contains($0.id) }.sorted { $0.start > $1.start }
    return Overview(
      start: start, end: end, step: step, services: services, logs: foundLogs, traces: foundFailed + foundSlow,
      failedTraces: ids, problems: problems)
  }

  private static func attempt<Value: Sendable>(
    _ body: () async throws -> [Value]
  ) async -> Result<[Value], any Error> {
    do { return .success(try await body()) } catch { return .failure(error) }
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
