import NeedletailDashboard

struct SourceIsDown: Error, CustomStringConvertible {
  var description: String { "cannot reach the server" }
}

/// Answers with values made from the question alone, so that frames are the same in every run.
struct FixedSource: DashboardSource {
  var isDown = false
  /// A service whose last values are this old, in seconds.
  var silent: (job: String, since: Double)?

  /// Whether services send spans alone.
  var hasNoMetrics = false
  /// Whether nobody has sent anything.
  var isEmpty = false
  /// How whole answers are, as the header of a cluster's has it.
  var coverage: (of: String, ofTraces: String)?
  var tell: (@Sendable (AnswerCoverage) -> Void)?

  static let traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
  /// A trace that begins with a customer and fails in the cart.
  static let cartTraceID = "a0f067aa0ba902b700f067aa0ba902b7"
  static let now: Int64 = 1_700_000_000_000_000_000

  func answers(to question: CompletionQuestion) async throws -> [String] {
    if isDown { throw SourceIsDown() }
    switch question {
    case .metrics(let beginning): return ["http_requests_total", "up"].filter { $0.hasPrefix(beginning) }
    case .labelNames: return ["instance", "job"]
    case .labelValues(_, _, let beginning, _): return ["cart", "payment"].filter { $0.hasPrefix(beginning) }
    }
  }

  func telling(_ tell: @escaping @Sendable (AnswerCoverage) -> Void) -> FixedSource {
    var source = self
    source.tell = tell
    return source
  }

  private func tell(_ header: String?) { header.flatMap(AnswerCoverage.init(header:)).map { tell?($0) } }

  func range(_ query: String, start: Double, end: Double, step: Double) async throws -> [SeriesResult] {
    if isDown { throw SourceIsDown() }
    tell(coverage?.of)
    if isEmpty || hasNoMetrics && !query.contains("spans{") { return [] }
    let base: Double =
      if query.contains("0.99") { 0.41 } else if query.contains("0.95") { 0.2 } else if query.contains("0.5,") {
        0.012
      } else if query.contains("5..") || query.contains("error") { 0.3 } else { 12 }
    let jobs = query.contains("5..") || query.contains("error") ? ["payment"] : ["cart", "frontend", "payment"]
    return jobs.enumerated().map { index, job in
      let silence = silent.flatMap { $0.job == job ? $0.since : nil } ?? 0
      let points = stride(from: start, through: end - silence, by: step).map { time in
        let phase = Double((Int(time) / 10 + 90) % 20 - 10) / 10
        return SeriesResult.Point(time: time, value: base * Double(index + 1) * (1 + 0.3 * phase))
      }
      return SeriesResult(labels: [("job", job)], points: points)
    }
  }

  func logs(_ query: String, start: Int64, end: Int64, limit: Int) async throws -> [LogLine] {
    if isDown { throw SourceIsDown() }
    if isEmpty { return [] }
    return (0..<5).filter { $0 == 1 || !query.contains("job=\"cart\"") }.map { index in
      LogLine(
        time: Self.now - Int64(index) * 1_250_000_000,
        labels: [
          "level": "error", "service_name": index == 1 ? "cart" : "payment", "trace_id": Self.traceID,
          "order": "\(index)",
        ],
        body: "card declined \u{1B}[31m\(index)")
    }
  }

  func traces(_ search: TraceSearch) async throws -> [TraceSummary] {
    if isDown { throw SourceIsDown() }
    tell(coverage?.ofTraces)
    if isEmpty { return [] }
    let isErrors = search.tags.contains("status=error")
    if search.tags.hasPrefix("job=\"cart\"") {
      return !isErrors
        ? []
        : [
          TraceSummary(
            id: Self.cartTraceID, rootService: "customers", rootName: "POST", start: Self.now - 93_000,
            duration: 93_000, errorCount: 2, failedService: "cart", failedName: "POST /cart")
        ]
    }
    return (0..<3).map { index in
      TraceSummary(
        id: isErrors ? Self.traceID : "00f067aa0ba902b700f067aa0ba902b\(index)", rootService: "frontend",
        rootName: "POST /checkout", start: Self.now - Int64(index) * 3_000_000_000,
        duration: isErrors ? 240_000_000 : 1_300_000_000, errorCount: isErrors ? 3 : 0,
        failedService: isErrors ? "payment" : "", failedName: isErrors ? "card.authorise" : "")
    }
  }

  func trace(_ id: String) async throws -> Trace {
    if isDown { throw SourceIsDown() }
    return Self.trace
  }

  static let trace = Trace(
    id: traceID,
    spans: [
      TraceSpan(
        id: "c", parent: "b", service: "payment", name: "card.authorise", start: now + 9_000_000,
        end: now + 200_000_000,
        isError: true, message: "declined", attributes: [("card.brand", "visa"), ("http.response.status_code", "502")]),
      TraceSpan(id: "a", parent: "", service: "frontend", name: "POST /checkout", start: now, end: now + 240_000_000),
      TraceSpan(
        id: "b", parent: "a", service: "payment", name: "POST /charge", start: now + 5_000_000, end: now + 210_000_000),
    ])
}
