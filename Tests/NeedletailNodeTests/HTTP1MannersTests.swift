import Foundation
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import NeedletailNode

@Suite("What HTTP/1 asks beside answers")
struct HTTP1MannersTests {
  /// What a server sends until it closes the connection.
  private func exchange(_ bytes: [UInt8], port: Int) async throws -> HTTPAnswer {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(
          with: Swift.Result {
            let connection = try HTTPConnection(port: port)
            connection.send(bytes)
            return try HTTPAnswer(parsing: connection.receiveAll())
          })
      }
    }
  }

  @Test(
    "a connection of HTTP/1.0 ends with its answer, which is in no pieces",
    arguments: ["", "Connection: keep-alive\r\n"])
  func oldVersion(fields: String) async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let port = server.addresses.api.port
      for path in ["/-/healthy", "/metrics", "/nowhere"] {
        let bytes = Array("GET \(path) HTTP/1.0\r\n\(fields)\r\n".utf8)
        let answer = try await exchange(bytes, port: port)
        #expect(answer.headers["connection"] == "close" && answer.headers["transfer-encoding"] == nil, "\(path)")
        #expect(answer.status == (path == "/nowhere" ? 404 : 200) && !answer.body.isEmpty, "\(path)")
      }
      let body = Array("query=1".utf8)
      let head = "POST /api/v1/query HTTP/1.0\r\n\(fields)Content-Type: application/x-www-form-urlencoded\r\n"
      let answer = try await exchange(Array((head + "Content-Length: \(body.count)\r\n\r\n").utf8) + body, port: port)
      #expect(answer.status == 200 && answer.headers["connection"] == "close")
    }
  }

  @Test("a URL or a field that is too long, too many fields, and what is no request are refused with a reason")
  func refused() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let port = server.addresses.api.port
      let long = String(repeating: "a", count: 20_000)
      let many = (0..<120).map { "X-\($0): 1\r\n" }.joined()
      for (head, status, reason) in [
        ("GET /\(long) HTTP/1.1\r\nHost: x\r\n\r\n", 414, "the URL is longer than 16384 bytes"),
        ("GET / HTTP/1.1\r\nHost: x\r\nX: \(long)\r\n\r\n", 431, "header fields are longer than 16384 bytes"),
        ("GET / HTTP/1.1\r\nHost: x\r\n\(many)\r\n", 431, "more than 100 fields"),
        ("nonsense\r\n\r\n", 400, "no request of HTTP/1.1"),
      ] {
        // A request before it has its answer first.
        for before in ["", "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"] {
          var answer = try await exchange(Array((before + head).utf8), port: port)
          if !before.isEmpty {
            #expect(answer.status == 200)
            let length = try #require(answer.headers["content-length"].flatMap { Int($0) })
            answer = try HTTPAnswer(parsing: Array(answer.body.dropFirst(length)))
          }
          // Behind another one in the same bytes it is not known what was the long one.
          let isVague = !before.isEmpty && status != 400
          #expect(answer.status == status || (isVague && [414, 431].contains(answer.status)), "\(head.prefix(30))")
          #expect(answer.headers["connection"] == "close" && answer.headers["content-type"] == "application/json")
          let json = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
          let error = json?["error"] as? String
          #expect(error?.contains(reason) == true || (isVague && error != nil), "\(answer.text)")
        }
      }
    }
  }

  @Test("a client that waits for it is told to send its body") func expectation() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let port = server.addresses.api.port
      let body = Array("query=1".utf8)
      let head =
        "POST /api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        + "Expect: 100-continue\r\nConnection: close\r\nContent-Length: \(body.count)\r\n\r\n"
      let word = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)
      let (told, rest) = try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
          continuation.resume(
            with: Swift.Result {
              let connection = try HTTPConnection(port: port)
              connection.send(Array(head.utf8))
              let told = connection.receive(word.count)
              connection.send(body)
              return (told, connection.receiveAll())
            })
        }
      }
      #expect(told == word, "\(String(decoding: told, as: UTF8.self))")
      #expect(try HTTPAnswer(parsing: rest).status == 200)
    }
  }

  // MARK: Order

  private func head(_ fields: HTTPHeaders, _ version: HTTPVersion = .http1_1) -> HTTPServerRequestPart {
    .head(HTTPRequestHead(version: version, method: .POST, uri: "/", headers: fields))
  }

  /// The status lines that went out since.
  private func written(_ channel: EmbeddedChannel) throws -> [UInt] {
    var statuses: [UInt] = []
    while let part = try channel.readOutbound(as: HTTPServerResponsePart.self) {
      if case .head(let head) = part { statuses.append(head.status.code) }
    }
    return statuses
  }

  /// A connection of which one side can be closed, as an embedded one cannot.
  private final class HalfClosing: ChannelOutboundHandler {
    typealias OutboundIn = HTTPServerResponsePart

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
      if mode == .all { context.close(mode: mode, promise: promise) } else { promise?.succeed() }
    }
  }

  @Test("a connection is closed after a minute in which nothing came, unless an answer is at work")
  func silence() throws {
    func connection() throws -> EmbeddedChannel {
      let manners = HTTP1Manners(RequestLineWatch(), bytesMax: 100, fieldsMax: 10, silenceMax: .seconds(60))
      let channel = EmbeddedChannel(handlers: [HalfClosing(), manners])
      try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
      return channel
    }
    func pass(_ seconds: Int64, _ channel: EmbeddedChannel) -> Bool {
      channel.embeddedEventLoop.advanceTime(by: .seconds(seconds))
      return channel.isActive
    }
    let silent = try connection()
    #expect(pass(59, silent) && !pass(1, silent))
    let slow = try connection()
    #expect(pass(30, slow))
    // What comes bit by bit keeps it, and what stops in the middle does not.
    try slow.writeInbound(head(["Content-Length": "5"]))
    #expect(pass(50, slow))
    try slow.writeInbound(HTTPServerRequestPart.body(ByteBuffer(string: "a")))
    #expect(pass(59, slow) && !pass(1, slow))
    let busy = try connection()
    try busy.writeInbound(head([:]))
    try busy.writeInbound(HTTPServerRequestPart.end(nil))
    #expect(pass(1_000, busy))
    try busy.writeOutbound(HTTPServerResponsePart.head(HTTPResponseHead(version: .http1_1, status: .ok)))
    try busy.writeOutbound(HTTPServerResponsePart.end(nil))
    #expect(pass(59, busy) && !pass(61, busy))
    // While an answer is at work, a body behind it that is not read any further is not what is waited for.
    let behind = try connection()
    try behind.writeInbound(head([:]))
    try behind.writeInbound(HTTPServerRequestPart.end(nil))
    try behind.writeInbound(head(["Content-Length": "5"]))
    #expect(pass(1_000, behind))
    // After the last answer nothing that came holds the connection.
    let last = try connection()
    for _ in 0..<2 {
      try last.writeInbound(head(["Connection": "close"]))
      try last.writeInbound(HTTPServerRequestPart.end(nil))
    }
    try last.writeOutbound(HTTPServerResponsePart.end(nil))
    last.pipeline.close(mode: .output, promise: nil)
    #expect(pass(59, last) && !pass(61, last))
  }

  @Test("the word that a body may come waits for the answers before it, and is not said once there is an answer")
  func order() throws {
    let channel = EmbeddedChannel(
      handler: HTTP1Manners(RequestLineWatch(), bytesMax: 100, fieldsMax: 10, silenceMax: .seconds(60)))
    func answer(_ status: HTTPResponseStatus) throws {
      try channel.writeOutbound(HTTPServerResponsePart.head(HTTPResponseHead(version: .http1_1, status: status)))
      try channel.writeOutbound(HTTPServerResponsePart.end(nil))
    }
    try channel.writeInbound(head([:]))
    try channel.writeInbound(HTTPServerRequestPart.end(nil))
    try channel.writeInbound(head(["Expect": "100-Continue", "Content-Length": "5"]))
    #expect(try written(channel) == [])
    try answer(.ok)
    #expect(try written(channel) == [200, 100])
    try channel.writeInbound(HTTPServerRequestPart.end(nil))
    try answer(.ok)
    #expect(try written(channel) == [200])
    // Without a body there is nothing to wait for.
    try channel.writeInbound(head(["Expect": "100-continue", "Content-Length": "0"]))
    #expect(try written(channel) == [])
    try channel.writeInbound(HTTPServerRequestPart.end(nil))
    try answer(.ok)
    // What is refused ahead of it needs no body.
    try channel.writeInbound(head([:]))
    try channel.writeInbound(HTTPServerRequestPart.end(nil))
    try channel.writeInbound(head(["Expect": "100-continue", "Transfer-Encoding": "chunked"]))
    try channel.writeInbound(HTTPServerRequestPart.end(nil))
    try answer(.ok)
    try answer(.payloadTooLarge)
    #expect(try written(channel) == [200, 200, 413])
    try channel.writeInbound(head(["Expect": "100-continue"], HTTPVersion(major: 1, minor: 0)))
    #expect(try written(channel) == [])
    _ = try channel.finish(acceptAlreadyClosed: true)
  }
}
