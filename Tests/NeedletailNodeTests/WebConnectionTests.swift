import Foundation
import HummingbirdCore
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NeedletailEnvironment
import Testing

@testable import NeedletailNode

/// The handlers of a connection of HTTP/1.1 as a server has them, all together: each alone would not tell that they stand
/// in the right order.
@Suite("A connection of HTTP/1.1") struct WebConnectionTests {
  /// An answer that waits until it is let go.
  private final class Gate: Sendable {
    private let waiting = Lock<[CheckedContinuation<Void, Never>]>([])

    var count: Int { waiting.withLock { $0.count } }

    func wait() async {
      await withCheckedContinuation { continuation in waiting.withLock { $0.append(continuation) } }
    }

    func open() {
      let all = waiting.withLock { waiting in
        defer { waiting = [] }
        return waiting
      }
      for continuation in all { continuation.resume() }
    }
  }

  private struct Connection {
    let channel = NIOAsyncTestingChannel()
    let gate = Gate()
    let watches = ConnectionWatches()

    /// What GET answers is its path, `/slow` when it is let go, and POST the length of its body.
    func run(_ body: (Connection) async throws -> Void) async throws {
      let (watches, gate) = (watches, gate)
      let answer: @Sendable (Request) async throws -> Response = { request in
        let path = request.head.path ?? ""
        if path == "/slow" { await gate.wait() }
        let bytes = try await request.body.collect(upTo: 1 << 20).readableBytes
        return Response(.ok, text: request.method == .post ? "\(bytes)" : path)
      }
      let http1 = HTTP1Channel(
        responder: { request, writer, _ in
          let response = try await answer(request)
          try await writer.write(response: response.head, body: response.body)
        }, configuration: .init(additionalChannelHandlers: [watches.make()]))
      let connection = WebConnection(
        http1: http1, wholeRequests: { request, _, writer in try await writer.write(try await answer(request)) },
        unfinished: UnfinishedAnswers(), tls: nil, idleTimeout: .seconds(60), headerBytesMax: 16_384,
        headerFieldsMax: 100)
      let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
      let channel = channel
      let value = try await channel.eventLoop.flatSubmit { connection.setup(channel: channel, logger: logger) }.get()
      try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).get()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await connection.handle(value: value, logger: logger) }
        try await body(self)
        try? await channel.close()
        try await group.waitForAll()
      }
    }

    func send(_ text: String) async throws { try await channel.writeInbound(ByteBuffer(string: text)) }

    /// What comes until it ends with a text.
    func receive(endingWith end: String) async throws -> String {
      var text = ""
      while !text.hasSuffix(end) { text += String(buffer: try await channel.waitForOutboundWrite(as: ByteBuffer.self)) }
      return text
    }

    func tell(_ event: any Sendable) async throws {
      try await channel.eventLoop.submit { [channel] in channel.pipeline.fireUserInboundEventTriggered(event) }.get()
    }

    func pass(_ seconds: Int64) async { await channel.testingEventLoop.advanceTime(by: .seconds(seconds)) }
  }

  private static let get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
  private static let post = "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
  private static let slow = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"

  @Test("answers whole requests and others in their order")
  func order() async throws {
    try await Connection().run { connection in
      try await connection.send(Self.get)
      #expect(try await connection.receive(endingWith: "/a").hasPrefix("HTTP/1.1 200 OK\r\n"))
      try await connection.send(Self.post + Self.get)
      let text = try await connection.receive(endingWith: "/a")
      let parts = text.components(separatedBy: "\r\n\r\n")
      #expect(parts.count == 3 && parts[1].hasPrefix("3HTTP/1.1 200 OK"), "\(text)")
    }
  }

  @Test("ends when the server stops, after the answer that is at work", arguments: [false, true])
  func stop(isAtWork: Bool) async throws {
    try await Connection().run { connection in
      try await connection.send(Self.get)
      _ = try await connection.receive(endingWith: "/a")
      if isAtWork {
        try await connection.send(Self.slow)
        while connection.gate.count == 0 { await Task.yield() }
      }
      try await connection.tell(ChannelShouldQuiesceEvent())
      #expect(connection.channel.isActive == isAtWork)
      guard isAtWork else { return }
      connection.gate.open()
      _ = try await connection.receive(endingWith: "/slow")
      while connection.channel.isActive { await connection.channel.testingEventLoop.run() }
    }
  }

  @Test(
    "ends after a minute in which nothing came, whoever answered what came before, and not while an answer is at work")
  func silence() async throws {
    for request in [Self.get, Self.post] {
      try await Connection().run { connection in
        await connection.pass(50)
        try await connection.send(request)
        _ = try await connection.receive(endingWith: request == Self.get ? "/a" : "3")
        await connection.pass(59)
        #expect(connection.channel.isActive)
        await connection.pass(1)
        #expect(!connection.channel.isActive)
      }
    }
    try await Connection().run { connection in
      try await connection.send(Self.slow)
      while connection.gate.count == 0 { await Task.yield() }
      await connection.pass(600)
      #expect(connection.channel.isActive)
      connection.gate.open()
      _ = try await connection.receive(endingWith: "/slow")
    }
  }
}
