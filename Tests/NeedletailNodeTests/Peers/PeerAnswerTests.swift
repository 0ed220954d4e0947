import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOEmbedded
import NeedletailCollector
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("What a node answers others, and what these make of it")
struct PeerAnswerTests {
  private static let address = ListenAddress(host: "node", port: 1)

  /// Remembers how an answer ended.
  private final class Writer: ResponseBodyWriter {
    let trailers = Lock<HTTPFields?>(nil)

    func write(_ buffer: ByteBuffer) async throws {}

    func finish(_ trailingHeaders: HTTPFields?) async throws { trailers.withLock { $0 = trailingHeaders } }
  }

  /// Yields one series, and fails after it.
  private final class FailingCursor: SeriesCursor {
    private var isAsked = false

    var coverage: Coverage { .complete }

    func next() async throws -> SeriesColumns? {
      guard !isAsked else { throw QueryError(.execution, "too much") }
      isAsked = true
      var columns = SeriesColumns()
      // More than a message holds.
      for time in 0..<60_000 { columns.append(timestamp: Int64(time), value: Double(time)) }
      columns.finishSeries(LabelSet(["__name__": "m"]))
      return columns
    }
  }

  @Test("a selection tells what the node lost before, as every answer does")
  func losses() async throws {
    let answer = SelectionAnswer(ListCursor([]), losses: ["part 3 is gone"])
    var reader = SeriesMessageReader()
    while let message = try await answer.next() { try reader.read(message) }
    #expect(reader.coverage?.isComplete == false && reader.coverage?.failures == ["part 3 is gone"])
  }

  @Test("an answer that fails after its first messages is known to have failed")
  func midStream() async throws {
    let executor = ThreadExecutor(threads: 1)
    let messages = SelectionAnswer(FailingCursor(), losses: [])
    let first = try await messages.next()
    let writer = Writer()
    let failure = try await PeerAnswer.messages(messages, first: first, executor).write(to: writer)
    #expect(failure?.code == .resourceExhausted)
    #expect(writer.trailers.withLock { $0?[.grpcStatus] } == "8")
    await executor.shutDown()
  }

  @Test(
    "a question that another node refuses fails for the same reason here",
    arguments: [
      (1, .canceled), (3, .badData), (4, .timeout), (8, .execution), (13, .internal),
      (14, .unavailable), (99, .internal),
    ] as [(Int, QueryError.Kind)])
  func kinds(code: Int, kind: QueryError.Kind) {
    let refusal = PeerError.refused(code: code, message: "because", retryAfterSeconds: nil)
    #expect(refusal.queryError(of: Self.address).kind == kind)
  }

  @Test("of a batch that is not taken it is known whether it is to be sent again, and when")
  func sinks() {
    func error(_ code: Int, _ seconds: Int? = nil) -> SinkError {
      PeerError.refused(code: code, message: "because", retryAfterSeconds: seconds).sinkError(of: Self.address)
    }
    for code in [3, 8] { #expect(error(code) == .refused(reason: "node:1 refused: because")) }
    #expect(error(14, 7) == .overloaded(retryAfterSeconds: 7))
    for code in [1, 4, 12, 13, 14, 16, 99] {
      #expect(error(code) == .unavailable(reason: "node:1 refused: because"), "\(code)")
    }
    #expect(PeerError.timedOut.sinkError(of: Self.address) == .unavailable(reason: "node:1 did not answer in time"))
  }

  @Test("a body of another node takes of the memory for bodies, and is refused where there is none left")
  func budget() async throws {
    let budget = IngestBudget(bytesMax: 100)
    #expect(budget.reserve(60))
    let executor = ThreadExecutor(threads: 1)
    let (nothing, clock) = (QueryInPlaceTests.Nothing(), ManualClock())
    let queries = QueryService(
      series: UnionSeriesSource(sources: []), events: nothing, traces: nothing, exemplars: nothing,
      gate: QueryGate(runningMax: 1, waitingMax: 1), executor: executor, parallelism: 1,
      cache: StepCache(bytesMax: 1), deadlines: QueryDeadlines(clock: clock), limits: QueryLimits(),
      features: QueryFeatures(), clock: clock, counters: QueryCounters(), losses: [])
    let sink = RemoteSink(channel: PeerChannel(Self.address), timeout: .seconds(1)) { _, _ in 0...0 }
    let service = PeerService(sink: sink, queries: queries, budget: budget)
    let request = Request(
      head: HTTPRequest(method: .post, scheme: "http", authority: "x", path: PeerMethod.append.path),
      body: RequestBody(buffer: ByteBuffer(repeating: 0, count: 50)))
    let context = ConnectionContext(channel: NIOAsyncTestingChannel(), watch: nil)
    let refused = await Result { try await service.answer(.append, request, context) }
    guard case .failure(let failure as RequestFailure) = refused else {
      Issue.record("\(refused)")
      return
    }
    #expect(failure.status == .serviceUnavailable && budget.bytesInFlight == 60)
    await executor.shutDown()
  }
}
