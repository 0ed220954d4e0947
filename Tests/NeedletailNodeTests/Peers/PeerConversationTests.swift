import HTTPTypes
import HummingbirdCore
import NIOCore
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Calls that stay open for questions")
struct PeerConversationTests {
  /// Runs `body` with a node that answers each question with what is made of it, at most 64 bytes.
  private static func run(
    _ answer: @escaping @Sendable ([UInt8]) throws(MalformedBytes) -> [UInt8],
    _ body: @escaping @Sendable (PeerChannel) async throws -> Void
  ) async throws {
    try await FakePeer.run { questions, writer in
      _ = try await PeerAnswer.conversation(questions, bytesMax: 64, answer).write(to: writer)
    } body: {
      try await body($0)
    }
  }

  /// Asks until the call is open.
  private static func ask(_ channel: PeerChannel, _ question: [UInt8], seconds: Int = 60) async throws -> PeerReply {
    for _ in 0..<12_000 {
      if let reply = channel.askAtOnce(question, within: .seconds(seconds)) { return reply }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw PeerError.timedOut
  }

  @Test("answers come in the order of their questions, however many are asked at once")
  func order() async throws {
    try await Self.run { question in
      question + [7]
    } _: { channel in
      _ = try await Self.ask(channel, [0])
      try await withThrowingTaskGroup(of: Void.self) { group in
        for task in 0..<8 as Range<UInt8> {
          group.addTask {
            for number in 0..<200 as Range<UInt8> {
              let reply = try await Self.ask(channel, [task, number])
              #expect(await reply.value() == .success([task, number, 7]))
            }
          }
        }
        try await group.waitForAll()
      }
      let replies = try (0..<100 as Range<UInt8>).map { number in
        try #require(channel.askAtOnce([number], within: .seconds(60)))
      }
      for (number, reply) in replies.enumerated() {
        #expect(await reply.value() == .success([UInt8(number), 7]))
      }
    }
  }

  @Test("a question that cannot be read, or is too long, ends the call, and the next one begins another")
  func refusedQuestions() async throws {
    try await Self.run { question throws(MalformedBytes) in
      guard question != [1] else { throw .invalid("a one") }
      return question
    } _: { channel in
      for bad in [[1], [UInt8](repeating: 2, count: 65)] {
        let reply = try await Self.ask(channel, bad)
        guard case .failure(.unreachable) = await reply.value() else {
          Issue.record("\(bad.count) bytes are answered with \(String(describing: reply.answer))")
          return
        }
      }
      #expect(await (try Self.ask(channel, [3])).value() == .success([3]))
    }
  }

  @Test("an answer to no question, or one that is too long or cut, ends the call with a failure for all who wait")
  func malformedAnswers() async throws {
    let two = GRPCMessage.framed([1]) + GRPCMessage.framed([2])
    for (bytes, isAnswered) in [(two, true), ([0, 1, 0, 0, 0], false), ([1, 0, 0, 0, 1, 1], false)] as [([UInt8], Bool)]
    {
      try await FakePeer.run { questions, writer in
        var writer = writer
        for try await _ in questions {
          try await writer.write(ByteBuffer(bytes: bytes))
        }
        try await writer.finish([.grpcStatus: "0"])
      } body: { channel in
        let reply = try await Self.ask(channel, [9])
        let answer = await reply.value()
        #expect((try? answer.get()) == (isAnswered ? [1] : nil), "\(bytes)")
        // The call ends, whether anybody waits or not.
        var isOver = false
        for _ in 0..<6000 where !isOver {
          isOver = channel.askAtOnce([9], within: .seconds(60)) == nil
          if !isOver { try await Task.sleep(for: .milliseconds(10)) }
        }
        #expect(isOver)
      }
    }
  }

  @Test("a node that knows no such call is asked by others, and not for this one at each question")
  func unknown() async throws {
    let calls = Lock(0)
    let began = ContinuousClock.now
    try await FakePeer.run { _, writer in
      calls.withLock { $0 += 1 }
      try await writer.finish(GRPCStatus(.unimplemented, "what is that").peerTrailers)
    } body: { channel in
      for _ in 0..<100 {
        // Until the refusal is here it may be asked.
        if let reply = channel.askAtOnce([1], within: .seconds(60)) { #expect((try? await reply.value().get()) == nil) }
        try await Task.sleep(for: .milliseconds(5))
      }
      // One at the beginning, and one every five seconds, if this takes so long.
      #expect(calls.withLock { $0 } <= 2 + Int((ContinuousClock.now - began) / .seconds(5)))
    }
  }

  @Test("a reply that does not come fails when its time is over, and whoever is cancelled does not wait for it")
  func silent() async throws {
    try await FakePeer.run { questions, writer in
      for try await _ in questions {}
      try await writer.finish([.grpcStatus: "0"])
    } body: { channel in
      // The first bytes of a call are answered with its head alone.
      let late = try await Self.ask(channel, [1], seconds: 1)
      #expect(await late.value() == .failure(.timedOut))
      let reply = try await Self.ask(channel, [1])
      let waiting = Task { await reply.value() }
      waiting.cancel()
      #expect(await waiting.value == .failure(.givenUp))
      // What nobody answers is not kept without end.
      var asked = 0
      while asked < 1000, channel.askAtOnce([1], within: .seconds(60)) != nil { asked += 1 }
      #expect((200..<300).contains(asked))
    }
  }

  @Test("closing the channel ends the call, and nothing waits any more")
  func closed() async throws {
    try await FakePeer.run { questions, writer in
      for try await _ in questions {}
      try await writer.finish([.grpcStatus: "0"])
    } body: { channel in
      let reply = try await Self.ask(channel, [1])
      await channel.close()
      #expect(await reply.value() == .failure(.givenUp))
      #expect(channel.askAtOnce([1], within: .seconds(60)) == nil)
    }
  }
}
