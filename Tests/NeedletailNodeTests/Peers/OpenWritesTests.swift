import HummingbirdCore
import NIOCore
import NeedletailCluster
import NeedletailCollector
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("A call that stays open for writes", .timeLimit(.minutes(15)))
struct OpenWritesTests {
  /// More than a machine needs that runs hundreds of other tests.
  private static let patience = Duration.seconds(600)

  private static func write(_ number: Int, bytes: Int = 8) throws -> (id: WriteID, message: [UInt8]) {
    let id = WriteID(Hash128(high: 1, low: UInt64(number)))
    let append = WriteAppend(
      id, attempt: 1, epoch: 1, slots: [1], frames: [[UInt8](repeating: UInt8(number % 32), count: bytes)[...]])
    return (id, WriteMessage.append(try #require(append)).encoded)
  }

  /// What a replica says that stores everything.
  private static func stored(_ message: [UInt8]) throws(MalformedBytes) -> [UInt8] {
    guard case .append(let append) = try WriteMessage(decoding: message) else { throw .invalid("no write") }
    return WriteMessage.acknowledge(append.write, attempt: append.attempt).encoded
  }

  private static func send(
    _ number: Int, bytes: Int = 8, over channel: PeerChannel, within patience: Duration = patience
  ) async throws -> ReplicaCall.Failure? {
    let (id, message) = try write(number, bytes: bytes)
    do throws(ReplicaCall.Failure) {
      try await ReplicaCall.send(message, of: id, attempt: 1, over: channel, within: patience.nanosecondsClamped)
      return nil
    } catch { return error }
  }

  /// Answers calls of their own, and counts them.
  private static func answerAlone(
    _ questions: RequestBody, _ writer: any ResponseBodyWriter, _ calls: Shared<Int>
  ) async throws {
    var body: [UInt8] = []
    for try await piece in questions { body += Array(piece.readableBytesView) }
    calls.withLock { $0 += 1 }
    _ = try await PeerAnswer.message(try stored(GRPCMessage(body: body).bytes)).write(to: writer)
  }

  /// Answers a call, an open one after `storing`.
  private static func answer(
    _ method: PeerMethod?, _ questions: RequestBody, _ writer: any ResponseBodyWriter,
    after storing: @escaping @Sendable () async -> Void
  ) async throws {
    guard method == .writes else { return try await answerAlone(questions, writer, Shared(0)) }
    let calls = PeerAnswer.pipeline(questions, bytesMax: 256 << 10) { message throws(MalformedBytes) in
      guard !message.isEmpty else { return [] }
      await storing()
      return try stored(message)
    }
    _ = try await calls.write(to: writer)
  }

  /// Runs `body` while a node is storing a write, which it does until the gate opens.
  private static func whileStoring(
    _ body:
      @escaping @Sendable (
        PeerChannel, FakePeer.Running, _ write: Task<ReplicaCall.Failure?, any Error>, ReadNode.Gate
      ) async throws -> Void
  ) async throws {
    let (gate, isStoring) = (ReadNode.Gate(), Shared(false))
    try await FakePeer.run { method, questions, writer in
      try await answer(method, questions, writer) {
        isStoring.withLock { $0 = true }
        await gate.wait()
      }
    } body: { channel, node in
      try await open(channel)
      let write = Task { try await send(1, over: channel) }
      while !isStoring.withLock({ $0 }) { await Task.yield() }
      try await body(channel, node, write, gate)
    }
  }

  /// Sends until the open call is there.
  private static func open(_ channel: PeerChannel) async throws {
    while channel.ask(.writes, [], within: patience) == nil {
      let failure = try await send(0, over: channel)
      #expect(failure == nil)
    }
  }

  @Test("takes hundreds at once, of which each hears of itself, and large ones go by themselves")
  func many() async throws {
    let alone = Shared(0)
    try await FakePeer.run { method, questions, writer in
      guard method == .writes else { return try await Self.answerAlone(questions, writer, alone) }
      let calls = PeerAnswer.pipeline(questions, bytesMax: 256 << 10) { message throws(MalformedBytes) in
        guard let steps = message.last else { return [] }
        for _ in 0..<steps { await Task.yield() }
        return try Self.stored(message)
      }
      _ = try await calls.write(to: writer)
    } body: { channel, _ in
      try await Self.open(channel)
      let before = alone.withLock { $0 }
      try await withThrowingTaskGroup(of: ReplicaCall.Failure?.self) { group in
        for number in 0..<200 { group.addTask { try await Self.send(number, over: channel) } }
        for try await failure in group { #expect(failure == nil) }
      }
      #expect(alone.withLock { $0 } == before)
      #expect(try await Self.send(1, bytes: 300 << 10, over: channel) == nil)
      #expect(alone.withLock { $0 } == before + 1)
    }
  }

  @Test("is done without where the node knows no such call, or ends it in the middle of a write")
  func ended() async throws {
    for isKnown in [false, true] {
      let (alone, open, taken) = (Shared(0), Shared(0), Shared(0))
      try await FakePeer.run { method, questions, writer in
        guard method == .writes else { return try await Self.answerAlone(questions, writer, alone) }
        open.withLock { $0 += 1 }
        guard isKnown else {
          return try await writer.finish(GRPCStatus(.unimplemented, "what is that").peerTrailers)
        }
        for try await _ in questions {
          taken.withLock { $0 += 1 }
          break
        }
        try await writer.finish([.grpcStatus: "0"])
      } body: { channel, _ in
        var count = 0
        while count < 100 || open.withLock({ $0 }) == 0 || (isKnown && taken.withLock { $0 } == 0) {
          let failure = try await Self.send(count, over: channel)
          #expect(failure == nil, "\(count)")
          count += 1
        }
        #expect(alone.withLock { $0 } == count)
      }
    }
  }

  @Test("that says nothing any more fails its writes when their time is over, and takes no more of them")
  func silent() async throws {
    let calls = Shared(0)
    try await FakePeer.run { method, questions, writer in
      guard method == .writes else { return try await Self.answerAlone(questions, writer, Shared(0)) }
      calls.withLock { $0 += 1 }
      let isFirst = calls.withLock { $0 } == 1
      for try await _ in questions where !isFirst { break }
      try await writer.finish([.grpcStatus: "0"])
    } body: { channel, _ in
      for number in 0..<10_000 where calls.withLock({ $0 }) == 0 {
        _ = try await Self.send(number, over: channel, within: .milliseconds(200))
      }
      // The connection is made anew after the first, and the silent call is not asked again.
      for number in 0..<5 where try await Self.send(number, over: channel, within: .seconds(3)) == nil { return }
      Issue.record("writes go on over a connection on which nothing comes in")
    }
  }

  @Test("ends with the node, whatever is being stored, and its writes are told that the node is not there")
  func stopped() async throws {
    try await Self.whileStoring { channel, node, write, gate in
      let ending = Task { await node.end() }
      let failure = try await write.value
      #expect(failure == ReplicaCall.Failure(.unreachable))
      gate.open()
      await ending.value
    }
  }

  @Test(
    "a message that is too long ends it; one that cannot be read has no answer there, and ends nothing"
  )
  func malformed() async throws {
    let statuses = Shared<[GRPCStatus?]>([])
    try await FakePeer.run { method, questions, writer in
      let calls = PeerAnswer.pipeline(questions, bytesMax: 64) { message throws(MalformedBytes) in
        guard !message.isEmpty else { return [] }
        return try Self.stored(message)
      }
      let failure = try await calls.write(to: writer)
      statuses.withLock { $0.append(failure) }
    } body: { channel, _ in
      func ask(_ message: [UInt8]) async throws -> Result<[UInt8], PeerError> {
        while true {
          if let reply = channel.ask(.writes, message, within: Self.patience) { return await reply.value() }
          try await Task.sleep(for: .milliseconds(2))
        }
      }
      #expect(try await ask([1, 2, 3]).map { PeerPipeline.answer($0) } == .success(nil))
      #expect(try await ask([]).map { PeerPipeline.answer($0) } == .success([]))
      #expect(statuses.withLock { $0.isEmpty })
      guard case .failure(.unreachable) = try await ask([UInt8](repeating: 1, count: 65)) else {
        Issue.record("65 bytes have an answer")
        return
      }
      while statuses.withLock({ $0.isEmpty }) { await Task.yield() }
      #expect(statuses.withLock { $0.first??.code } == .invalidArgument)
    }
  }

  @Test("a write for which there is no room in it goes by itself")
  func noRoom() async throws {
    let alone = Shared(0)
    try await FakePeer.run { method, questions, writer in
      guard method == .writes else { return try await Self.answerAlone(questions, writer, alone) }
      let calls = PeerAnswer.pipeline(questions, bytesMax: 256 << 10) { message in message.isEmpty ? [] : nil }
      _ = try await calls.write(to: writer)
    } body: { channel, _ in
      try await Self.open(channel)
      let before = alone.withLock { $0 }
      for number in 0..<5 {
        let failure = try await Self.send(number, over: channel)
        #expect(failure == nil)
      }
      #expect(alone.withLock { $0 } == before + 5)
    }
  }

  @Test(
    "a node that is asked to stop answers what it is storing, is asked nothing more over it, and is done then")
  func graceful() async throws {
    try await Self.whileStoring { channel, node, write, gate in
      await node.stop()
      // Far fewer than may wait at once, which would be refused as well.
      var asked = 0
      while asked < 200, channel.ask(.writes, [], within: Self.patience) != nil {
        asked += 1
        try await Task.sleep(for: .milliseconds(asked < 50 ? 20 : 2_000))
      }
      #expect(asked < 200)
      gate.open()
      #expect(try await write.value == nil)
      // The caller ends the call and its connection.
      try await node.done()
    }
  }
}
