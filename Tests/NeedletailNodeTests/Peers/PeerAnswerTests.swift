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

  /// Remembers an answer, and how it ended.
  private final class Writer: ResponseBodyWriter {
    let bytes = Lock<[UInt8]>([])
    let trailers = Lock<HTTPFields?>(nil)

    func write(_ buffer: ByteBuffer) async throws { bytes.withLock { $0 += buffer.readableBytesView } }

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

  /// What is asked of a node whose memory for bodies is `budget`.
  private static func answer(
    _ method: PeerMethod, _ body: ByteBuffer, budget: IngestBudget, cluster: (any ClusterPeer)? = nil
  ) async throws -> PeerAnswer {
    let executor = ThreadExecutor(threads: 1)
    let (nothing, clock) = (QueryInPlaceTests.Nothing(), ManualClock())
    let queries = QueryService(
      series: UnionSeriesSource(sources: []), events: nothing, traces: nothing, exemplars: nothing,
      gate: QueryGate(runningMax: 1, waitingMax: 1), executor: executor, parallelism: 1,
      cache: StepCache(bytesMax: 1), deadlines: QueryDeadlines(clock: clock), limits: QueryLimits(),
      features: QueryFeatures(), clock: clock, counters: QueryCounters(), losses: [])
    let sink = RemoteSink(channel: PeerChannel(address), timeout: .seconds(1)) { _, _ in 0...0 }
    let service = PeerService(sink: sink, queries: queries, budget: budget, cluster: cluster)
    let request = Request(
      head: HTTPRequest(method: .post, scheme: "http", authority: "x", path: method.path),
      body: RequestBody(buffer: body))
    let context = ConnectionContext(channel: NIOAsyncTestingChannel(), watch: nil)
    let answer = await Result { try await service.answer(method, request, context) }
    await executor.shutDown()
    return try answer.get()
  }

  @Test("a body of another node takes of the memory for bodies, and is refused where there is none left")
  func budget() async throws {
    let budget = IngestBudget(bytesMax: 100)
    #expect(budget.reserve(60))
    let refused = await Result {
      try await Self.answer(.append, ByteBuffer(repeating: 0, count: 50), budget: budget)
    }
    guard case .failure(let failure as RequestFailure) = refused else {
      Issue.record("\(refused)")
      return
    }
    #expect(failure.status == .serviceUnavailable && budget.bytesInFlight == 60)
  }

  /// Says what it was asked, and remembers it.
  private struct Echo: ClusterPeer {
    let asked = Shared<[[UInt8]]>([])

    func answer(
      _ method: PeerMethod, _ message: [UInt8], _ context: ConnectionContext
    ) async throws -> PeerAnswer { .message(message) }

    func answer(_ method: PeerMethod, of message: [UInt8]) async throws(MalformedBytes) -> [UInt8] {
      asked.withLock { $0.append(message) }
      return message
    }

    func known(_ question: [UInt8]) throws(MalformedBytes) -> [UInt8] { question }
  }

  @Test("a message of an open call takes of that memory too: where none is left it is not looked at, nor answered")
  func budgetOfOpenCall() async throws {
    let budget = IngestBudget(bytesMax: 100)
    #expect(budget.reserve(60))
    let echo = Echo()
    // Answers are made at once: the first and the last fit together, the other fits never.
    let messages = [[UInt8](repeating: 1, count: 39), [UInt8](repeating: 2, count: 41), [3]]
    let answer = try await Self.answer(
      .writes, ByteBuffer(bytes: messages.flatMap { GRPCMessage.framed($0) }), budget: budget, cluster: echo)
    let writer = Writer()
    #expect(try await answer.write(to: writer) == nil)
    var told = GRPCDeframer(messageBytesMax: 100)
    told.append(writer.bytes.withLock { $0 })
    for expected in [messages[0], nil, messages[2]] {
      let message = try #require(try told.next())
      #expect(PeerPipeline.answer(message) == expected)
    }
    #expect(echo.asked.withLock { $0.allSatisfy { $0.count < 41 } } && budget.bytesInFlight == 60)
  }

  @Test("a message that is cut by the end of an open call is not looked at, those ahead of it are; the end tells of it")
  func cutOpenCall() async throws {
    let whole = GRPCMessage.framed([1, 2, 3])
    for cut in 1..<whole.count {
      let echo = Echo()
      let answer = try await Self.answer(
        .writes, ByteBuffer(bytes: whole + whole[..<cut]), budget: IngestBudget(bytesMax: 100), cluster: echo)
      let writer = Writer()
      #expect(try await answer.write(to: writer)?.code == .invalidArgument)
      #expect(writer.trailers.withLock { $0?[.grpcStatus] } == "3" && echo.asked.withLock { $0 } == [[1, 2, 3]])
    }
  }
}
