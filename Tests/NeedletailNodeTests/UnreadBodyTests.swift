import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import NeedletailCollector
import NeedletailSimulation
import Testing

@testable import NeedletailNode

@Suite("Bodies that come slowly, or not to their end")
struct UnreadBodyTests {
  private static let head = HTTPRequest(method: .post, scheme: "http", authority: "x", path: "/v1/logs")

  /// Pieces of a body, before each of which some time passes.
  private struct Trickle: AsyncSequence, Sendable {
    let clock: ManualClock
    let pieceBytes: Int
    let pieceNanoseconds: Int64
    let count: Int

    struct AsyncIterator: AsyncIteratorProtocol {
      let trickle: Trickle
      var index = 0

      mutating func next() async -> ByteBuffer? {
        guard index < trickle.count else { return nil }
        index += 1
        trickle.clock.advance(nanoseconds: trickle.pieceNanoseconds)
        return ByteBuffer(repeating: 0, count: trickle.pieceBytes)
      }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(trickle: self) }
  }

  /// Collects pieces that come every second; the bytes, or the status of the refusal.
  private func collect(pieceBytes: Int, count: Int, budget: IngestBudget) async throws -> (bytes: Int, status: Int) {
    let clock = ManualClock()
    let trickle = Trickle(clock: clock, pieceBytes: pieceBytes, pieceNanoseconds: 1_000_000_000, count: count)
    let request = Request(head: Self.head, body: RequestBody(asyncSequence: trickle))
    do {
      let body = try await request.collectedBody(bytesMax: 64 << 20, budget: budget, pace: BodyPace(clock: clock))
      return (body.count, 200)
    } catch let failure as RequestFailure {
      return (0, failure.status.code)
    }
  }

  @Test("a body that breaks off is the client's failure, and its memory is given back") func brokenOff() async throws {
    struct EndedEarly: Error {}
    let budget = IngestBudget(bytesMax: 1 << 20)
    let pieces = AsyncThrowingStream<ByteBuffer, any Error> { continuation in
      continuation.yield(ByteBuffer(repeating: 0, count: 100))
      continuation.finish(throwing: EndedEarly())
    }
    let request = Request(head: Self.head, body: RequestBody(asyncSequence: pieces))
    let failure = await #expect(throws: RequestFailure.self) {
      _ = try await request.collectedBody(bytesMax: 1 << 20, budget: budget)
    }
    #expect(failure?.status == .badRequest && budget.bytesInFlight == 0)
  }

  @Test("a body that trickles is refused after a while, and its memory given back; a slow one that moves is taken")
  func pace() async throws {
    let budget = IngestBudget(bytesMax: 64 << 20)
    #expect(try await collect(pieceBytes: 1000, count: 100, budget: budget).status == 408)
    #expect(try await collect(pieceBytes: 1000, count: 29, budget: budget).bytes == 29_000)
    #expect(try await collect(pieceBytes: 300 << 10, count: 200, budget: budget).bytes == (300 << 10) * 200)
    #expect(budget.bytesInFlight == 0)
  }

  @Test("a body for which there is not memory enough in all is too large, one that would fit alone comes too early")
  func budget() async throws {
    let small = IngestBudget(bytesMax: 1500)
    #expect(try await collect(pieceBytes: 1000, count: 2, budget: small).status == 413)
    #expect(small.reserve(1000))
    #expect(try await collect(pieceBytes: 1000, count: 1, budget: small).status == 503)
    #expect(small.bytesInFlight == 1000)
  }

  @Test("the largest body that may be set fits into memory's budget thrice, before and after decompression")
  func limits() {
    for bytes in [1024, 64 << 20, 65 << 20, 1 << 30] {
      let limits = IngestService.limits(bodyBytesMax: bytes)
      #expect(limits.otlpBodyMax == bytes && limits.otlpDecompression.outputMax == bytes)
      #expect(limits.bytesInFlightMax >= 3 * bytes && limits.bytesInFlightMax >= 256 << 20)
      #expect(limits.remoteWriteBodyMax == min(bytes, 32 << 20))
    }
  }

  // MARK: Connections

  private let watches = ConnectionWatches()

  private func answered(_ channel: EmbeddedChannel) {
    ConnectionContext(channel: channel, watch: watches.watch(of: channel)).answered()
  }

  private func connection() throws -> EmbeddedChannel {
    let channel = EmbeddedChannel()
    try channel.pipeline.syncOperations.addHandler(watches.make())
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    return channel
  }

  private func receive(_ parts: [HTTPRequestPart], _ channel: EmbeddedChannel) throws {
    for part in parts { try channel.writeInbound(part) }
  }

  private let body = HTTPRequestPart.body(ByteBuffer(string: "x"))

  @Test("a client that goes on sending after its answer loses the connection") func unread() throws {
    let channel = try connection()
    try receive([.head(Self.head), body], channel)
    answered(channel)
    channel.embeddedEventLoop.advanceTime(by: .seconds(4))
    try receive([body], channel)
    #expect(channel.isActive)
    channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(!channel.isActive)
  }

  @Test("nothing is kept of a stream that is over when its answer is") func over() throws {
    weak var kept: EmbeddedChannel?
    do {
      let channel = try connection()
      try receive([.head(Self.head), body], channel)
      let context = ConnectionContext(channel: channel, watch: watches.watch(of: channel))
      _ = try channel.finish()
      context.answered()
      kept = channel
    }
    #expect(kept == nil)
  }

  @Test("a client whose request came to its end, even after the answer, keeps the connection for the next one")
  func read() throws {
    let channel = try connection()
    for _ in 0..<2 {
      try receive([.head(Self.head), body], channel)
      answered(channel)
      channel.embeddedEventLoop.advanceTime(by: .seconds(4))
      try receive([body, .end(nil), .head(Self.head), body], channel)
      channel.embeddedEventLoop.advanceTime(by: .seconds(60))
      #expect(channel.isActive)
      try receive([.end(nil)], channel)
      answered(channel)
      channel.embeddedEventLoop.advanceTime(by: .seconds(60))
      #expect(channel.isActive)
    }
    _ = try? channel.finish()
  }

  @Test("a request that comes ahead of the answer to the one before it is not taken for unread") func ahead() throws {
    let channel = try connection()
    try receive([.head(Self.head), .end(nil), .head(Self.head), body], channel)
    answered(channel)
    channel.embeddedEventLoop.advanceTime(by: .seconds(60))
    #expect(channel.isActive)
    answered(channel)
    channel.embeddedEventLoop.advanceTime(by: .seconds(5))
    #expect(!channel.isActive)
  }
}
