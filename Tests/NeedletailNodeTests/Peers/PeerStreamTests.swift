import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOPosix
import NeedletailCollector
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Calls to nodes that do not answer as they should")
struct PeerStreamTests {
  private static let everything = SeriesSelection(tenant: .default, matchers: [], range: .all)
  private static let scope = MetadataScope(tenant: .default)

  private static func source(_ channel: PeerChannel) -> RemoteSeriesSource {
    RemoteSeriesSource(channel: channel, timeout: .seconds(60))
  }

  /// How a call ends, of which messages of 64 bytes may be the answer.
  private static func end(_ answer: @escaping FakePeer.Answer) async throws -> PeerError? {
    try await FakePeer.run(answer) { channel in
      do throws(PeerError) {
        _ = try await channel.call(.labelNames, [], within: .seconds(60), answerBytesMax: 64)
        return nil
      } catch { return error }
    }
  }

  @Test("an answer that is no message, too long, cut, one too many or without a status is told from a good one")
  func malformed() async throws {
    #expect(try await Self.end(FakePeer.messages([[1, 2, 3]])) == nil)
    #expect(try await Self.end(FakePeer.messages([])) == .malformed("no message"))
    #expect(try await Self.end(FakePeer.messages([[1], [2]])) == .malformed("more than one message"))
    let long = [UInt8](repeating: 1, count: 65)
    #expect(try await Self.end(FakePeer.messages([long])) == .malformed("a message of 65 bytes"))
    #expect(try await Self.end(FakePeer.messages([[1]], [:])) == .malformed("no grpc-status"))
    let cut = try await Self.end { writer in
      var writer = writer
      try await writer.write(ByteBuffer(bytes: [0, 0, 0, 0, 9, 1, 2]))
      try await writer.finish([.grpcStatus: "0"])
    }
    #expect(cut == .malformed("it ended within a message"))
  }

  @Test("a refusal comes with its reason and when to come again, as a sink tells it on")
  func refusals() async throws {
    let status = GRPCStatus(.unavailable, "50 % full\n", retryAfterSeconds: 7)
    let answer = FakePeer.messages([], status.peerTrailers)
    #expect(
      try await Self.end(answer) == .refused(code: 14, message: "50 % full\n", retryAfterSeconds: 7))
    try await FakePeer.run(answer) { channel in
      let sink = RemoteSink(channel: channel, timeout: .seconds(60)) { _, _ in Int64.min...Int64.max }
      var definitions = SeriesDefinitionsBuilder()
      let labels = LabelSet(["__name__": "up"])
      definitions.append(SeriesID(labels, tenant: .default), labels: labels)
      let built = definitions.build(tenant: .default)
      let named = try #require(built)
      await #expect(throws: SinkError.overloaded(retryAfterSeconds: 7)) { try await sink.append(definitions: named) }
    }
  }

  @Test("a node that sends series without end is stopped at the limits of the selection")
  func endless() async throws {
    let endless: FakePeer.Answer = { writer in
      var writer = writer
      var time: Int64 = 0
      var message = ByteWriter()
      message.append(SeriesMessageWriter.version)
      message.append(UInt8(1))
      LabelSet(["__name__": "m"]).withUnsafeBytes { message.appendPrefixed($0) }
      while true {
        message.append(UInt8(2))
        message.appendVarint(1_000)
        for step in 0..<1_000 { message.appendSignedVarint(step == 0 ? time : 1) }
        for _ in 0..<1_000 { message.append(UInt64(0)) }
        message.appendVarint(0)
        try await writer.write(ByteBuffer(bytes: GRPCMessage.framed(message.bytes)))
        time += 1_000
        message = ByteWriter()
        message.append(SeriesMessageWriter.version)
      }
    }
    try await FakePeer.run(endless) { channel in
      var selection = Self.everything
      selection.limits.samples = 100_000
      let cursor = try await Self.source(channel).select(selection)
      let found = await Result { try await cursor.next() }
      guard case .failure(let error as QueryError) = found else {
        Issue.record("\(found)")
        return
      }
      #expect(error.kind == .execution && error.message.contains("\(channel.address)"))
    }
  }

  @Test("a cursor that failed says so again, and nothing more of the answer")
  func failedCursor() async throws {
    var column = SeriesColumns()
    column.append(timestamp: 1, value: 1)
    column.finishSeries(LabelSet(["__name__": "m"]))
    let good = PeerMessageTests.messages([column])
    try await FakePeer.run(FakePeer.messages([[99]] + good)) { channel in
      let cursor = try await Self.source(channel).select(Self.everything)
      let first = await Result { try await cursor.next() }
      let second = await Result { try await cursor.next() }
      guard case .failure(let error as QueryError) = first, case .failure(let again as QueryError) = second else {
        Issue.record("\(first) and \(second)")
        return
      }
      #expect(error == again && error.message.contains("unknown version"))
    }
  }

  @Test("whoever waits for an answer and is cancelled learns that, and not that the node failed")
  func cancellation() async throws {
    let (asked, asking) = AsyncStream.makeStream(of: Void.self)
    let silent: FakePeer.Answer = { writer in
      asking.yield()
      let (nothing, hold) = AsyncStream.makeStream(of: Void.self)
      for await _ in nothing {}
      hold.finish()
      try await writer.finish(nil)
    }
    try await FakePeer.run(silent) { channel in
      var asked = asked.makeAsyncIterator()
      let lists = Task { try await Self.source(channel).labelNames(Self.scope, limit: 1).elements }
      await asked.next()
      lists.cancel()
      await #expect(throws: CancellationError.self) { try await lists.value }
      let selects = Task { try await Self.source(channel).select(Self.everything).next()?.count }
      await asked.next()
      selects.cancel()
      await #expect(throws: CancellationError.self) { try await selects.value }
    }
  }
}
