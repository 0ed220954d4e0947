import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry

/// Where every question passes: its turn at the gate, its deadline, the threads that may block, its end when the
/// client leaves.
struct QueryService: Sendable {
  private(set) var series: any SeriesSource
  private(set) var events: any EventSource
  private(set) var traces: any TraceSource
  private(set) var exemplars: any ExemplarSource
  private(set) var gate: QueryGate
  private(set) var executor: ThreadExecutor
  /// How many of the executor's threads one query may use at once.
  let parallelism: Int
  let cache: StepCache
  let deadlines: QueryDeadlines
  let limits: QueryLimits
  let features: QueryFeatures
  let clock: any WallClock
  let counters: QueryCounters
  /// What was stored and is lost, in words: answers to queries say so.
  private(set) var losses: [String]
  /// Nil where questions are about this node alone.
  private(set) var cluster: ClusterReads?
  /// The question that is asked of the cluster; nil where there is none.
  private(set) var asked: ClusterQuestion?
  /// What is asked of nobody else, and never told of.
  private let unasked = ClusterQuestion(timeout: .zero)
  let small = SmallQueries()
  let parsed = ParsedQueries()
  /// How long an answer may take to be written, where queries may run longer.
  private(set) var writingMax = Duration.seconds(60)

  /// Where a query in place gives up, which took little the last time: a millisecond of work, about.
  private static let inPlaceSamplesMax = 50_000
  private static let inPlaceSeriesMax = 4096
  /// The series of all heads and parts that it finds, of which one series may have several.
  private static let inPlaceWorkMax = 16_384

  /// How the question that is asked of the cluster is evaluated before all is known; nil where it is not.
  private var early: EarlyEvaluation? { asked?.early }

  /// How whole the answer to the question is that was asked of the cluster; nil where none was.
  var coverage: SlotCoverage? { asked?.coverage }

  /// The engine for one question, its deadline shortened to what the client asked for.
  func engine(timeout: Duration?) -> QueryEngine {
    var limits = limits
    if let timeout { limits.timeout = min(limits.timeout, timeout) }
    return QueryEngine(
      series: series, events: events, limits: limits, parallelism: parallelism, cache: cache, losses: losses,
      features: features, clock: clock)
  }

  /// The same questions as other nodes ask them: with a gate and threads of their own, and answers that may be read for
  /// as long as a query may run, because they are made while they are read.
  func forPeers(_ gate: QueryGate, _ executor: ThreadExecutor) -> QueryService {
    var queries = self
    (queries.gate, queries.executor, queries.writingMax) = (gate, executor, limits.timeout)
    return queries
  }

  /// The same questions about all that the cluster holds.
  ///
  /// What this node lost others have; which of its replicas lack something is told by `LocalReplicas`.
  func over(_ reads: ClusterReads) -> QueryService {
    var queries = self
    (queries.cluster, queries.losses) = (reads, [])
    return queries.asking(ClusterQuestion(reads.standard, timeout: limits.timeout))
  }

  /// What a request says of how sure its answer has to be; throws `QueryError` where it cannot be understood, whether
  /// there is a cluster or not.
  func question(_ parameters: FormParameters) throws(QueryError) -> ClusterQuestion {
    let options = try parameters.readOptions(cluster?.standard ?? ReadOptions())
    guard cluster != nil else { return unasked }
    // One that cannot be read is refused where it is of consequence.
    let timeout = (try? parameters.timeout()) ?? nil
    return ClusterQuestion(
      options, timeout: timeout.map { min($0, limits.timeout) } ?? limits.timeout,
      early: options.consistency == .one ? nil : EarlyEvaluation())
  }

  /// The sources as one question asks them: it takes note of how whole their answers are.
  func asking(_ question: ClusterQuestion) -> QueryService {
    guard let cluster else { return self }
    var queries = self
    let series = ClusterSeriesSource(reads: cluster, question: question)
    let events = ClusterEventSource(reads: cluster, question: question)
    (queries.series, queries.exemplars, queries.events, queries.traces) = (series, series, events, events)
    queries.asked = question
    return queries
  }

  /// Runs `body` when it is its turn, for at most `timeout`; at once and where it was called, where a query of the shape
  /// took little before and is answered from memory.
  ///
  /// Without a shape it always runs on a thread. `body` may be called twice. Its place stays with the request until the
  /// answer is written. Throws `QueryError`.
  func run<Result: Sendable>(
    for context: ConnectionContext, _ shape: QueryShape? = nil, timeout: Duration? = nil,
    _ body: @escaping @Sendable (QueryEngine) async throws -> Result
  ) async throws -> Result {
    let engine = engine(timeout: timeout)
    let answer = QueryAnswer<Result>()
    let query = shape.flatMap { mayRunInPlace($0) ? $0.number : nil }
    if let query, small.contains(query) {
      let engine = inPlaceEngine(engine)
      if await inPlace(query, context, { try await evaluated { answer.give(try await body(engine)) } }),
        let result = answer.value
      {
        return result
      }
    }
    try await inTurn(query, context, engine.limits.timeout) {
      try await evaluated { answer.give(try await body(engine)) }
    }
    guard let result = answer.value else { throw QueryError(.internal, "the query ended without an answer") }
    return result
  }

  /// Whether a question may be answered where it came in, should it be small: what other nodes have is waited for, but for
  /// their word that they have what this one has.
  private func mayRunInPlace(_ shape: QueryShape) -> Bool {
    guard let cluster else { return true }
    guard early != nil, shape.kind == .instant || shape.kind == .range, let layout = cluster.view.layout else {
      return false
    }
    return layout.slots(of: cluster.view.own) == layout.allSlots
  }

  /// Evaluates a question, with what this node has before others told of theirs where that is enough; the result is how long
  /// others were waited for, in ns.
  private func evaluated(_ body: () async throws -> Void) async throws -> Int64 {
    guard let early, let cluster else {
      try await body()
      return 0
    }
    try await early.evaluated(cluster, body)
    return Int64(clamping: early.waited)
  }

  /// All of the above that is the same for answers of every type: generic code is compiled once for each.
  private func inTurn(
    _ query: Int?, _ context: ConnectionContext, _ timeout: Duration,
    _ body: @escaping @Sendable () async throws -> Int64
  ) async throws {
    let started = clock.monotonicNanoseconds()
    // The wait for a turn counts too.
    let (deadline, isFar) = started.addingReportingOverflow(timeout.nanosecondsClamped)
    do {
      try Task.checkCancellation()
      let place = try await context.run(on: executor, until: isFar ? .max : deadline, deadlines) {
        [gate, clock, small] in
        let place = try await gate.enter()
        let began = clock.monotonicNanoseconds()
        let waited = try await body()
        if let query { small.ran(query, nanoseconds: clock.monotonicNanoseconds() - began - waited) }
        return place
      }
      hold(place, context)
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

  private func hold(_ place: QueryPlace, _ context: ConnectionContext) {
    context.hold(place, writingAtMost: min(limits.timeout, writingMax))
  }

  /// Runs a query on the caller's thread; false where it is to be run on a thread of its own after all: all places are
  /// taken, something is not in memory, it grew, or it failed, which is told there.
  private func inPlace(
    _ query: Int, _ context: ConnectionContext, _ body: () async throws -> Int64
  ) async -> Bool {
    guard let place = gate.enterAtOnce() else { return false }
    let began = clock.monotonicNanoseconds()
    let run = InMemoryRun(workMax: Self.inPlaceWorkMax)
    let waited = try? await InMemoryRun.$current.withValue(run) { try await body() }
    let postponed = run.takePostponed()
    if !postponed.isEmpty { Task(executorPreference: executor) { for work in postponed { work() } } }
    guard let waited, !run.hasRefused else {
      small.failedInPlace(query)
      place.leave()
      return false
    }
    hold(place, context)
    let took = clock.monotonicNanoseconds() - began
    small.ranInPlace(query, nanoseconds: took - waited)
    counters.finished(nanoseconds: took, failure: nil, inPlace: true)
    return true
  }

  /// The engine for a query that others wait behind: it gives up early, and has no tasks beside its own.
  private func inPlaceEngine(_ engine: QueryEngine) -> QueryEngine {
    var limits = engine.limits
    limits.samples = min(limits.samples, Self.inPlaceSamplesMax)
    limits.series = min(limits.series, Self.inPlaceSeriesMax)
    return QueryEngine(
      series: series, events: nil, limits: limits, parallelism: 1, cache: cache, losses: losses, features: features,
      clock: clock)
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
  var nanosecondsClamped: Int64 {
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
