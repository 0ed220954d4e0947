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
  let limits: QueryLimits
  let clock: any WallClock
  let counters: QueryCounters

  /// How long an answer may take to be written, where queries may run longer.
  private static let writingMax = Duration.seconds(60)

  /// The engine for one question, its deadline shortened to what the client asked for.
  func engine(timeout: Duration?) -> QueryEngine {
    var limits = limits
    if let timeout { limits.timeout = min(limits.timeout, timeout) }
    return QueryEngine(series: series, events: events, limits: limits)
  }

  /// Runs `body` when it is its turn, for at most `timeout`.
  ///
  /// Its place stays with the request until the answer is written. Throws `QueryError`.
  func run<Result: Sendable>(
    for context: ConnectionContext, timeout: Duration? = nil,
    _ body: @escaping @Sendable (QueryEngine) async throws -> Result
  ) async throws -> Result {
    let engine = engine(timeout: timeout)
    let started = clock.monotonicNanoseconds()
    do {
      let (result, place) = try await context.cancellingOnDisconnect {
        // The wait for a turn counts too.
        try await Self.within(engine.limits.timeout) {
          let place = try await gate.enter()
          let result = try await withTaskExecutorPreference(executor) { try await body(engine) }
          return (result, place)
        }
      }
      context.hold(place, writingAtMost: min(limits.timeout, Self.writingMax))
      counters.finished(nanoseconds: clock.monotonicNanoseconds() - started, failure: nil)
      return result
    } catch {
      let failure = Self.queryError(error)
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

  /// Cancels `body` at the deadline and waits for it to end, which it does at the next block that it reads.
  private static func within<Result: Sendable>(
    _ timeout: Duration, _ body: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try await Task.sleep(for: timeout)
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let result = first else {
        throw QueryError(.timeout, "query timed out after \(timeout)")
      }
      return result
    }
  }
}
