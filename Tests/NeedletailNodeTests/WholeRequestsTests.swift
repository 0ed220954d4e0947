import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NeedletailEnvironment
import Testing

@testable import NeedletailNode

@Suite("Requests that come whole")
struct WholeRequestsTests {
  /// What reached whoever stands behind, in order.
  private final class Behind: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart

    private(set) var arrivals: [String] = []

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head): arrivals.append("\(head.method) \(head.uri)")
      case .body(let bytes): arrivals.append(String(buffer: bytes))
      case .end: arrivals.append("end")
      }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      if case ChannelEvent.inputClosed? = event as? ChannelEvent { arrivals.append("closed") }
      if event is ChannelShouldQuiesceEvent { arrivals.append("stop") }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { arrivals.append("error") }
  }

  /// The client's side: counts how often more is read and the output is closed, and takes what is written when it is to.
  private final class Reads: ChannelOutboundHandler {
    typealias OutboundIn = HTTPServerResponsePart

    private(set) var count = 0
    private(set) var outputsClosed = 0
    /// Whether the client does not read.
    var isStuck = false
    private var untaken: [EventLoopPromise<Void>] = []

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
      guard isStuck, let promise else { return context.write(data, promise: promise) }
      untaken.append(promise)
      context.write(data, promise: nil)
    }

    /// Takes what was written so far.
    func takeAll() {
      let all = untaken
      untaken = []
      for promise in all { promise.succeed() }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
      guard mode == .output else { return context.close(mode: mode, promise: promise) }
      outputsClosed += 1
      promise?.succeed()
    }

    func read(context: ChannelHandlerContext) {
      count += 1
      context.read()
    }
  }

  /// Answers that wait until they are let go.
  private final class Waiting: Sendable {
    private let continuations = Lock<[CheckedContinuation<Void, Never>]>([])

    func wait() async {
      await withCheckedContinuation { continuation in continuations.withLock { $0.append(continuation) } }
    }

    var count: Int { continuations.withLock { $0.count } }

    /// Lets the answer go that has waited longest.
    func letOneGo() {
      let next = continuations.withLock { $0.isEmpty ? nil : $0.removeFirst() }
      next?.resume()
    }
  }

  /// A connection whose answers are the paths of their requests. Those that begin with /slow wait, those that begin with
  /// /pieces have several, and those that begin with /fail end early.
  private struct Connection {
    let channel = EmbeddedChannel()
    let waiting = Waiting()
    let behind = Behind()
    let reads = Reads()
    let unfinished = UnfinishedAnswers()
    let watch = ConnectionWatches().make()

    init() throws {
      let pipeline = channel.pipeline.syncOperations
      let waiting = waiting
      try pipeline.addHandler(reads)
      try pipeline.addHandler(
        WholeRequests(eventLoop: channel.embeddedEventLoop, unfinished, watch: watch) { request, _, writer in
          let path = request.head.path ?? ""
          if path.hasPrefix("/slow") { await waiting.wait() }
          var body = ResponseBody(byteBuffer: ByteBuffer(string: path))
          if path.hasPrefix("/pieces") {
            body = ResponseBody { writer in
              for piece in ["a", "b", "c"] { try await writer.write(ByteBuffer(string: piece)) }
              try await writer.finish(nil)
            }
          }
          if path.hasPrefix("/fail") { throw CancellationError() }
          try await writer.write(Response(status: .ok, body: body))
        })
      try pipeline.addHandler(behind)
      try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    func receive(_ parts: HTTPServerRequestPart...) throws {
      for part in parts { channel.pipeline.fireChannelRead(part) }
      channel.pipeline.fireChannelReadComplete()
    }

    func get(_ path: String, _ fields: HTTPHeaders = [:]) throws {
      try receive(head(.GET, path, fields), .end(nil))
    }

    func head(_ method: HTTPMethod, _ path: String, _ fields: HTTPHeaders = [:]) -> HTTPServerRequestPart {
      .head(HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: fields))
    }

    func body(_ text: String) -> HTTPServerRequestPart { .body(ByteBuffer(string: text)) }

    /// What was written since the last call: bodies, and `|` behind each answer.
    func written() throws -> String {
      var text = ""
      while let part = try channel.readOutbound(as: HTTPServerResponsePart.self) {
        switch part {
        case .head: break
        case .body(.byteBuffer(let bytes)): text += String(buffer: bytes)
        case .body: Issue.record("a file")
        case .end: text += "|"
        }
      }
      return text
    }

    /// An answer of whoever stands behind.
    func answerBehind(_ text: String) throws {
      let head = HTTPServerResponsePart.head(HTTPResponseHead(version: .http1_1, status: .ok))
      for part in [head, .body(.byteBuffer(ByteBuffer(string: text))), .end(nil)] {
        channel.pipeline.write(part, promise: nil)
      }
      channel.flush()
    }

    func letOneGo() {
      waiting.letOneGo()
      channel.embeddedEventLoop.run()
    }
  }

  @Test("a request without a body is answered before the call that brought it returns") func atOnce() throws {
    let connection = try Connection()
    try connection.get("/a")
    #expect(try connection.written() == "/a|")
    try connection.receive(connection.head(.HEAD, "/b"))
    #expect(try connection.written() == "")
    try connection.receive(.end(nil))
    #expect(try connection.written() == "/b|")
    #expect(connection.behind.arrivals.isEmpty)
  }

  @Test("whether a request is the last is one of the words of its field")
  func words() throws {
    for (field, isLast) in [
      ("close", true), ("close, TE", true), ("keep-alive,\tClose", true), ("keep-alive", false), ("closed", false),
    ] {
      let connection = try Connection()
      try connection.get("/a", ["Connection": field])
      #expect((connection.reads.outputsClosed == 1) == isLast, "\(field)")
    }
  }

  @Test("a client that leaves its side open after the last answer loses the connection") func leftOpen() throws {
    let connection = try Connection()
    try connection.get("/a", ["Connection": "close"])
    try connection.get("/b")
    connection.channel.embeddedEventLoop.advanceTime(by: .seconds(4))
    #expect(connection.channel.isActive)
    connection.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(!connection.channel.isActive)
  }

  @Test(
    "a request that is to be the last ends the connection's output, and nothing after it is heeded",
    arguments: [false, true])
  func last(isSlow: Bool) throws {
    let connection = try Connection()
    let path = isSlow ? "/slow" : "/a"
    try connection.get(path, ["Connection": "Close"])
    try connection.get("/b")
    connection.channel.pipeline.fireErrorCaught(CancellationError())
    connection.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    if isSlow {
      #expect(connection.behind.arrivals.isEmpty && connection.reads.outputsClosed == 0)
      connection.letOneGo()
    }
    #expect(try connection.written() == "\(path)|")
    #expect(connection.behind.arrivals == ["closed"] && connection.reads.outputsClosed == 1)
    try connection.get("/c")
    #expect(try connection.written() == "")
  }

  @Test("requests with a body and of other methods go to whoever stands behind") func passedOn() throws {
    let other = try Connection()
    try other.receive(other.head(.POST, "/a"), .end(nil))
    #expect(other.behind.arrivals == ["POST /a", "end"])
    let connection = try Connection()
    try connection.receive(connection.head(.GET, "/a"), connection.body("x"), .end(nil))
    #expect(connection.behind.arrivals == ["GET /a", "x", "end"])
    try connection.answerBehind("1")
    try connection.get("/b", ["Connection": "Keep-Alive"])
    #expect(try connection.written() == "1|/b|")
  }

  @Test("while one of the others is at work all go where it went, and those after its answer are taken again")
  func order() throws {
    let connection = try Connection()
    try connection.receive(connection.head(.POST, "/a"), connection.body("x"), .end(nil))
    try connection.get("/b")
    #expect(try connection.written() == "")
    #expect(connection.behind.arrivals == ["POST /a", "x", "end", "GET /b", "end"])
    try connection.answerBehind("1")
    try connection.get("/c")
    #expect(try connection.written() == "1|")
    try connection.answerBehind("2")
    try connection.answerBehind("3")
    try connection.get("/d")
    #expect(try connection.written() == "2|3|/d|")
  }

  @Test("what comes while a request is at work waits for its answer, and is read no further")
  func heldBack() throws {
    let connection = try Connection()
    try connection.get("/slow1")
    connection.channel.read()
    #expect(connection.reads.count == 1)
    try connection.get("/b")
    try connection.get("/slow2")
    try connection.receive(connection.head(.POST, "/c"), connection.body("x"), .end(nil))
    connection.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    connection.channel.read()
    #expect(connection.reads.count == 1)
    #expect(try connection.written() == "")
    connection.letOneGo()
    #expect(try connection.written() == "/slow1|/b|")
    #expect(connection.behind.arrivals.isEmpty && connection.reads.count == 1)
    connection.letOneGo()
    #expect(try connection.written() == "/slow2|")
    #expect(connection.behind.arrivals == ["POST /c", "x", "end", "closed"])
    #expect(connection.reads.count == 2)
  }

  @Test(
    "a server that stops is told behind after the answer that is at work, with a request that has only begun before it")
  func stopping() throws {
    let connection = try Connection()
    try connection.get("/slow")
    connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    #expect(connection.behind.arrivals.isEmpty)
    connection.letOneGo()
    #expect(try connection.written() == "/slow|")
    #expect(connection.behind.arrivals == ["stop"])
    let other = try Connection()
    try other.receive(other.head(.GET, "/a"))
    other.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    try other.receive(.end(nil))
    #expect(other.behind.arrivals == ["GET /a", "stop", "end"])
  }

  @Test("a client that closes its side while its answer is at work is noticed at once")
  func leaves() throws {
    let connection = try Connection()
    let isTold = Lock(false)
    try connection.get("/slow")
    _ = connection.watch.onClose { isTold.withLock { $0 = true } }
    connection.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    #expect(isTold.withLock { $0 } && connection.behind.arrivals.isEmpty)
    connection.letOneGo()
    #expect(connection.behind.arrivals == ["closed"])
  }

  @Test("requests that name more than a path, as those to a proxy, go to whoever stands behind")
  func absolute() throws {
    let connection = try Connection()
    try connection.get("http://x/a")
    #expect(connection.behind.arrivals == ["GET http://x/a", "end"])
  }

  @Test("when requests that waited for each other have their answers, more is read") func readOn() throws {
    let connection = try Connection()
    try connection.get("/slow1")
    try connection.get("/slow2")
    connection.channel.read()
    #expect(connection.reads.count == 0)
    connection.letOneGo()
    #expect(connection.reads.count == 1)
    connection.letOneGo()
    #expect(try connection.written() == "/slow1|/slow2|")
    #expect(connection.reads.count == 1)
    connection.channel.read()
    #expect(connection.reads.count == 2)
  }

  @Test("of a client that does not read its answers one lies with the connection, and what comes after it waits")
  func unread() throws {
    let connection = try Connection()
    connection.reads.isStuck = true
    for path in ["/a", "/b", "/c"] { try connection.get(path) }
    connection.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    connection.channel.read()
    #expect(try connection.written() == "/a|")
    for path in ["/b", "/c"] {
      #expect(connection.behind.arrivals.isEmpty && connection.reads.count == 0)
      connection.reads.takeAll()
      connection.channel.embeddedEventLoop.run()
      #expect(try connection.written() == "\(path)|")
    }
    connection.reads.takeAll()
    connection.channel.embeddedEventLoop.run()
    #expect(connection.behind.arrivals == ["closed"] && connection.reads.count == 1)
  }

  @Test("thousands of requests in a row are answered without one lying on the stack of the other") func many() throws {
    let connection = try Connection()
    try connection.get("/slow")
    for number in 0..<20_000 { try connection.get("/\(number)") }
    connection.letOneGo()
    #expect(try connection.written() == "/slow|" + (0..<20_000).map { "/\($0)|" }.joined())
  }

  @Test("an answer in pieces goes out in order, and a request after it waits") func pieces() throws {
    let connection = try Connection()
    try connection.get("/pieces")
    try connection.get("/b")
    connection.channel.embeddedEventLoop.run()
    #expect(try connection.written() == "abc|/b|")
  }

  @Test("a request that cannot be read further is told behind, after the answer that is at work") func failure() throws
  {
    struct Broken: Error {}
    let connection = try Connection()
    try connection.get("/slow")
    connection.channel.pipeline.fireErrorCaught(Broken())
    #expect(connection.behind.arrivals.isEmpty)
    connection.letOneGo()
    #expect(connection.behind.arrivals == ["error"])
    try connection.receive(connection.head(.GET, "/b"))
    connection.channel.pipeline.fireErrorCaught(Broken())
    #expect(connection.behind.arrivals == ["error", "GET /b", "error"])
  }

  @Test("an answer that breaks off closes the connection, and one after the client left does no harm")
  func broken() throws {
    let connection = try Connection()
    try connection.get("/fail")
    connection.channel.embeddedEventLoop.run()
    #expect(!connection.channel.isActive)
    let other = try Connection()
    try other.get("/slow")
    try other.get("/fail")
    try other.get("/slow")
    other.channel.close(promise: nil)
    other.channel.embeddedEventLoop.run()
    other.letOneGo()
    #expect(!other.channel.isActive)
    // Nothing that came after it was begun.
    #expect(other.waiting.count == 0)
  }

  @Test("a stop waits for the answers that are at work, and for no others") func unfinished() async throws {
    let unfinished = UnfinishedAnswers()
    await unfinished.allEnded()
    for _ in 0..<2 { unfinished.begin() }
    let order = Lock<[String]>([])
    let stop = Task {
      await unfinished.allEnded()
      order.withLock { $0.append("stop") }
    }
    while unfinished.load.waiting == 0 { await Task.yield() }
    unfinished.end()
    #expect(unfinished.load == (1, 1))
    order.withLock { $0.append("last answer") }
    unfinished.end()
    await stop.value
    #expect(order.withLock { $0 } == ["last answer", "stop"])
    await unfinished.allEnded()
  }
}
