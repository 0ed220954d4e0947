import NIOEmbedded
import NeedletailEnvironment
import NeedletailEvents
import NeedletailQueryEngine
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Queries that run where their request came in")
struct QueryInPlaceTests {
  /// Where a question was answered.
  private enum Place: Equatable { case thread, inPlace }

  /// Holds no series, and does to each question what a test wants.
  private final class Source: SeriesSource {
    private let places = Lock<[Place]>([])
    private let behaviour = Lock<(@Sendable (Place) async throws -> Void)?>(nil)

    var asked: [Place] { places.withLock { $0 } }

    func behave(_ behaviour: (@Sendable (Place) async throws -> Void)?) { self.behaviour.withLock { $0 = behaviour } }

    private func meet() async throws {
      let place = InMemoryRun.current == nil ? Place.thread : .inPlace
      places.withLock { $0.append(place) }
      try await behaviour.withLock { $0 }?(place)
    }

    func select(_ selection: SeriesSelection) async throws -> any SeriesCursor {
      try await meet()
      return Cursor()
    }

    func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
      try await meet()
      return Listing(["a name"])
    }

    func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> { Listing([]) }
    func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> { Listing([]) }
    func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] { [] }
  }

  /// Two series with a thousand samples each.
  private final class Cursor: SeriesCursor {
    private var isAtEnd = false
    let coverage = Coverage.complete

    func next() async throws -> SeriesColumns? {
      guard !isAtEnd else { return nil }
      isAtEnd = true
      var columns = SeriesColumns()
      for name in ["a", "b"] {
        for time in 0..<1000 as Range<Int64> { columns.append(timestamp: time, value: 1) }
        columns.finishSeries(LabelSet(["n": name]))
      }
      return columns
    }
  }

  /// Where nobody asks for anything.
  struct Nothing: EventSource, TraceSource, ExemplarSource {
    private let failure = QueryError(.internal, "nobody asks for this")

    func wholeTrace(_ id: TraceID, tenant: TenantID) async throws -> [(stream: EventStream, span: SpanRecord)] { [] }
    func search(_ question: TraceSearch) async throws -> [TraceSummary] { [] }
    func exemplars(
      tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange, limit: Int
    ) async throws -> Listing<(labels: LabelSet, exemplar: Exemplar)> { Listing([]) }
    func selectLogs(_ selection: EventSelection) async throws -> any EventCursor<LogRecord> { throw failure }
    func selectSpans(_ selection: EventSelection) async throws -> any EventCursor<SpanRecord> { throw failure }
    func trace(_ id: TraceID, tenant: TenantID, range: EventTimeRange?) async throws -> EventColumns<SpanRecord> {
      EventColumns()
    }
    func fieldNames(_ signal: EventSignal, _ scope: EventScope, limit: Int) async throws -> Listing<String> {
      Listing([])
    }
    func fieldValues(
      _ signal: EventSignal, field: String, _ scope: EventScope, limit: Int
    ) async throws -> Listing<String> { Listing([]) }
    func streams(_ signal: EventSignal, _ scope: EventScope, limit: Int) async throws -> Listing<LabelSet> {
      Listing([])
    }
  }

  private let source = Source()
  private let executor = ThreadExecutor(threads: 1)
  private let gate = QueryGate(runningMax: 1, waitingMax: 8)
  private let shape = QueryShape(kind: .labelNames, tenant: .default, texts: [])

  private var queries: QueryService {
    QueryService(
      series: source, events: Nothing(), traces: Nothing(), exemplars: Nothing(), gate: gate, executor: executor,
      parallelism: 2, cache: StepCache(bytesMax: 1 << 20), deadlines: QueryDeadlines(clock: ManualClock()),
      limits: QueryLimits(), features: QueryFeatures(), clock: ManualClock(), counters: QueryCounters(), losses: [])
  }

  private static var context: ConnectionContext { ConnectionContext(channel: NIOAsyncTestingChannel(), watch: nil) }

  /// Waits until a query's place is free: it goes with the request, which the query's thread may have a moment longer than
  /// its answer.
  private func toItsEnd<Value>(_ query: () async throws -> Value) async throws -> Value {
    let answer = await Result { try await query() }
    while gate.load != (0, 0) { await Task.yield() }
    return try answer.get()
  }

  private func ask(_ queries: QueryService) async throws -> [String] {
    try await toItsEnd { try await ask(queries, Self.context) }
  }

  /// Asks for the names of labels; the context keeps the place, as that of a request does whose answer is not written.
  private func ask(_ queries: QueryService, _ context: ConnectionContext) async throws -> [String] {
    try await queries.run(for: context, shape) { engine in
      try await engine.series.labelNames(MetadataScope(tenant: .default), limit: 10).elements
    }
  }

  @Test("a query that took little runs in place the next time, and its place is held until it is answered")
  func inPlace() async throws {
    let queries = queries
    #expect(try await ask(queries) == ["a name"])
    do {
      let context = Self.context
      #expect(try await ask(queries, context) == ["a name"])
      #expect(source.asked == [.thread, .inPlace])
      withExtendedLifetime(context) { #expect(gate.load == (1, 0)) }
    }
    #expect(gate.load == (0, 0))
    let counted = queries.counters.snapshot
    #expect(counted.finished == 2 && counted.inPlace == 1 && counted.failures.isEmpty)
    await executor.shutDown()
  }

  @Test("what is not in memory is answered by a thread, and left there for a while")
  func refused() async throws {
    let queries = queries
    _ = try await ask(queries)
    source.behave { _ in InMemoryRun.current?.refuse() }
    for _ in 0..<4 { #expect(try await ask(queries) == ["a name"]) }
    #expect(source.asked == [.thread, .inPlace, .thread, .thread, .inPlace, .thread, .thread])
    #expect(queries.counters.snapshot.finished == 5 && queries.counters.snapshot.inPlace == 0)
    #expect(gate.load == (0, 0))
    await executor.shutDown()
  }

  @Test("a query that fails in place fails once, as a thread tells it")
  func failure() async throws {
    let queries = queries
    _ = try await ask(queries)
    source.behave { place in throw QueryError(.execution, "\(place)") }
    let failure = await #expect(throws: QueryError.self) { try await ask(queries) }
    #expect(failure?.message == "thread")
    #expect(source.asked == [.thread, .inPlace, .thread])
    #expect(queries.counters.snapshot.failures == [.execution: 1])
    await executor.shutDown()
  }

  @Test("with all places taken a small query waits for its turn, and runs on a thread")
  func fullGate() async throws {
    let (queries, gate) = (queries, gate)
    _ = try await ask(queries)
    let place = try await gate.enter()
    let waiting = Task { try await ask(queries) }
    while gate.load.waiting == 0 { await Task.yield() }
    place.leave()
    #expect(try await waiting.value == ["a name"])
    #expect(source.asked == [.thread, .thread])
    await executor.shutDown()
  }

  @Test("a cancelled task's query is told as cancelled, also where it was small")
  func cancelled() async throws {
    let queries = queries
    _ = try await ask(queries)
    source.behave { _ in try Task.checkCancellation() }
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      return try await ask(queries)
    }
    task.cancel()
    let failure = await #expect(throws: QueryError.self) { try await task.value }
    #expect(failure?.kind == .canceled)
    #expect(gate.load == (0, 0))
    await executor.shutDown()
  }

  @Test("a small query's time and samples are limited in place, and it is told what the server's own limits are")
  func limits() async throws {
    let (queries, shape) = (queries, shape)
    let seen = Lock<[QueryLimits]>([])
    func evaluate(_ text: String, timeout: Duration? = nil) async throws -> QueryResult {
      try await toItsEnd {
        try await queries.run(for: Self.context, shape, timeout: timeout) { engine in
          seen.withLock { $0.append(engine.limits) }
          return try await engine.instant(text, tenant: .default, at: 1000)
        }
      }
    }
    _ = try await evaluate("a")
    let failure = await #expect(throws: QueryError.self) { try await evaluate("a", timeout: .nanoseconds(1)) }
    #expect(failure?.kind == .timeout)
    #expect(source.asked == [.thread, .inPlace, .thread])
    let (first, inPlace, last) = seen.withLock { ($0[0], $0[1], $0[2]) }
    #expect(inPlace.timeout == .nanoseconds(1) && last.timeout == .nanoseconds(1))
    #expect(inPlace.samples < first.samples && inPlace.series < first.series && last.samples == first.samples)
    for _ in 0..<2 { _ = try await evaluate("a") }
    #expect(source.asked.suffix(1) == [.thread])
    // It has grown to more samples than a query may read in place.
    let many = (0..<30).map { "a offset \($0)ms" }.joined(separator: " + on (n) ")
    let before = source.asked.count
    let result = try await evaluate(many)
    #expect(result.statistics.samplesRead == 60_000)
    #expect(source.asked[before...].first == .inPlace && source.asked.last == .thread)
    await executor.shutDown()
  }

  @Test("work that a run in place leaves behind is done on a thread")
  func postponed() async throws {
    let queries = queries
    _ = try await ask(queries)
    let done = Lock<[Bool]>([])
    source.behave { _ in
      InMemoryRun.current?.postpone { done.withLock { $0.append(InMemoryRun.current == nil) } }
    }
    _ = try await ask(queries)
    while done.withLock({ $0.isEmpty }) { await Task.yield() }
    #expect(done.withLock { $0 } == [true])
    await executor.shutDown()
  }
}
