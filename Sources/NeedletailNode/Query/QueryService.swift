import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry

/// Where every question passes: its turn at the gate, its deadline, the threads that may block, its end when the
/// client leaves.
struct QueryService: Sendable {
  let series: any SeriesSource
  let events: any EventSource
  let traces: any TraceSource
  let exemplars: any ExemplarSource
  let gate: QueryGate
  let executor: ThreadExecutor
  /// How many of the executor's threads one query may use at once.
  let parallelism: Int
  let cache: StepCache
  let deadlines: QueryDeadlines
  let limits: QueryLimits
  let clock: any WallClock
  let counters: QueryCounters

  /// How long an answer may take to be written, where queries may run longer.
  private static let writingMax = Duration.seconds(60)

  /// The engine for one question, its deadline shortened to what the client asked for.
  func engine(timeout: Duration?) -> QueryEngine {
    var limits = limits
    if let timeout { limits.timeout = min(limits.timeout, timeout) }
    return QueryEngine(series: series, events: events, limits: limits, parallelism: parallelism, cache: cache)
  }

  /// Runs `body` when it is its turn, for at most `timeout`.
  ///
  /// Its place stays with the request until the answer is written. Throws `QueryError`.
  func run<Result: Sendable>(
    for context: ConnectionContext, timeout: Duration? = nil,
    _ body: @escaping @Sendable (QueryEngine) async throws -> Result
  ) async throws -> Result {
    let engine = engine(timeout: timeout)
    let answer = QueryAnswer<Result>()
    try await inTurn(context, engine.limits.timeout) { answer.give(try await body(engine)) }
    guard let result = answer.value else { throw QueryError(.internal, "the query ended without an answer") }
    return result
  }

  /// All of the above that is the same for answers of every type: generic code is compiled once for each.
  private func inTurn(
    _ context: ConnectionContext, _ timeout: Duration, _ body: @escaping @Sendable () async throws -> Void
  ) async throws {
    let started = clock.monotonicNanoseconds()
    // The wait for a turn counts too.
    let (deadline, isFar) = started.addingReportingOverflow(timeout.nanosecondsClamped)
    do {
      let place = try await context.run(on: executor, until: isFar ? .max : deadline, deadlines) { [gate] in
        let place = try await gate.enter()
        try await body()
        return place
      }
      context.hold(place, writingAtMost: min(limits.timeout, Self.writingMax))
      counters.finished(nanoseconds: clock.monotonicNanoseconds() - started, failure: nil)
    } catch {
      var failure = Self.queryError(error)
      if failure.kind == .canceled, !isFar, clock.monotonicNanoseconds() >= deadline {
        failure = QueryError(.timeout, "query timed out after \(timeout)")
      }
      counters.finished(nanoseconds: clock.monotonicNanoseconds() - started, failure: failure.kind)
      throw failure
    }
  }

  private static func queryError(_ error: any Error) -> QueryError {
    switch error {
    case let error as QueryError: error
    case is CancellationError: QueryError(.canceled, "query was canceled")
    default: QueryError(.internal, "\(error)")
    }
  }
}

extension Duration {
  /// Whole nanoseconds, the most that there are where it is longer.
  fileprivate var nanosecondsClamped: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, isTooMuch) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflow || isTooMuch ? .max : sum
  }
}

/// Where a query leaves its answer.
private final class QueryAnswer<Value: Sendable>: Sendable {
  private let given = Lock<Value?>(nil)

  func give(_ value: Value) { given.withLock { $0 = value } }

  var value: Value? { given.withLock { $0 } }
}
