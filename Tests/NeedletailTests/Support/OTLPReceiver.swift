import NIOCore
import NIOPosix
import Synchronization

/// A collector for tests: a real HTTP/1.1 server on a port of its own, which answers as it is told and keeps what it got.
final class OTLPReceiver: Sendable {
  struct Request: Sendable {
    var path: String
    /// Names in lower case.
    var headers: [String: String]
    var body: [UInt8]
  }

  /// What the receiver answers.
  enum Answer: Sendable {
    case status(Int, headers: [String: String] = [:], body: [UInt8] = [])
    case silence
  }

  private struct State {
    var requests: [Request] = []
    var waiters: [(isMet: @Sendable ([Request]) -> Bool, continuation: CheckedContinuation<[Request], Never>)] = []
  }

  private let state = Mutex(State())
  private let answer: @Sendable (_ path: String, _ earlier: Int) -> Answer
  private let group = MultiThreadedEventLoopGroup.singleton
  private let channel = Mutex<(any Channel)?>(nil)

  /// Starts a server.
  ///
  /// - Parameter answer: tells what to answer to a request on a path that got `earlier` requests before.
  init(
    answer: @escaping @Sendable (_ path: String, _ earlier: Int) -> Answer = { _, _ in .status(200) }
  ) async throws {
    self.answer = answer
    let bound = try await ServerBootstrap(group: group)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(HTTPHandler(receiver: self))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    channel.withLock { $0 = bound }
  }

  /// The base URL.
  var url: String { "http://127.0.0.1:\(channel.withLock { $0?.localAddress?.port } ?? 0)" }

  /// What came in so far, on a path.
  func requests(_ path: String) -> [Request] { state.withLock { $0.requests.filter { $0.path == path } } }

  /// Waits until what came in meets a condition.
  @discardableResult
  func waitFor(_ isMet: @escaping @Sendable ([Request]) -> Bool) async -> [Request] {
    await withCheckedContinuation { continuation in
      let met: [Request]? = state.withLock { state in
        if isMet(state.requests) { return state.requests }
        state.waiters.append((isMet, continuation))
        return nil
      }
      if let met { continuation.resume(returning: met) }
    }
  }

  /// Waits for a number of requests on a path.
  @discardableResult
  func waitFor(_ path: String, count: Int = 1) async -> [Request] {
    await waitFor { $0.count { $0.path == path } >= count }.filter { $0.path == path }
  }

  /// Stops listening.
  func close() async throws { try await channel.withLock { $0 }?.close().get() }

  fileprivate func receive(_ request: Request) -> Answer {
    let (earlier, met, requests) = state.withLock { state in
      let earlier = state.requests.count { $0.path == request.path }
      state.requests.append(request)
      let requests = state.requests
      let met = state.waiters.filter { $0.isMet(requests) }
      state.waiters.removeAll { $0.isMet(requests) }
      return (earlier, met, requests)
    }
    for waiter in met { waiter.continuation.resume(returning: requests) }
    return answer(request.path, earlier)
  }
}

/// As much of HTTP/1.1 as a client of the SDK speaks: requests with a Content-Length.
private final class HTTPHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let receiver: OTLPReceiver
  private var received: [UInt8] = []

  init(receiver: OTLPReceiver) { self.receiver = receiver }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    received += unwrapInboundIn(data).readableBytesView
    while let request = nextRequest() {
      guard case .status(let status, let headers, let body) = receiver.receive(request) else { continue }
      var head = "HTTP/1.1 \(status) Status\r\nContent-Length: \(body.count)\r\n"
      for (name, value) in headers { head += "\(name): \(value)\r\n" }
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: Array((head + "\r\n").utf8) + body)), promise: nil)
    }
  }

  private func nextRequest() -> OTLPReceiver.Request? {
    let separator = Array("\r\n\r\n".utf8)
    guard received.count >= 4,
      let end = (0...received.count - 4).first(where: { Array(received[$0..<$0 + 4]) == separator })
    else { return nil }
    let lines = String(decoding: received[..<end], as: UTF8.self).split(separator: "\r\n")
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " }) }
    }
    let length = headers["content-length"].flatMap { Int($0) } ?? 0
    guard received.count - end - 4 >= length else { return nil }
    let body = Array(received[(end + 4)..<(end + 4 + length)])
    received.removeFirst(end + 4 + length)
    let path = lines.first?.split(separator: " ").dropFirst().first.map(String.init) ?? ""
    return OTLPReceiver.Request(path: path, headers: headers, body: body)
  }
}
