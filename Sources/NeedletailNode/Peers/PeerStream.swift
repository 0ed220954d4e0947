import HTTPTypes
import NIOCore
import NIOHTTPTypes
import NeedletailEnvironment

/// One call to another node: a message there, and as many back as it has to say.
///
/// Messages are read as they are asked for: what waits here is bounded by one message and what HTTP/2's window lets come.
final class PeerStream: ChannelInboundHandler, Sendable {
  typealias InboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPRequestPart

  private struct State {
    var deframer: GRPCDeframer
    var end: Result<Void, PeerError>?
    var waiter: CheckedContinuation<Void, Never>?
    var channel: (any Channel)?
    var timer: Scheduled<Void>?
  }

  private let request: HTTPRequest
  private let message: ByteBuffer
  private let connection: PeerConnectionWatch
  private let deadline: NIODeadline
  private let isJudge: Bool
  private let state: Lock<State>

  /// A call whose answer has to come to its end by `deadline`, of messages of `messageBytesMax` bytes at most; a judge gives
  /// the connection up where nothing at all came in until then.
  init(
    _ request: HTTPRequest, message: [UInt8], over connection: PeerConnectionWatch, deadline: NIODeadline,
    messageBytesMax: Int, isJudge: Bool = true
  ) {
    self.isJudge = isJudge
    self.request = request
    self.connection = connection
    self.message = ByteBuffer(bytes: GRPCMessage.framed(message))
    self.deadline = deadline
    state = Lock(State(deframer: GRPCDeframer(messageBytesMax: messageBytesMax)))
  }

  /// The next message; nil after the last.
  func next() async throws(PeerError) -> [UInt8]? {
    while true {
      let found: Result<[UInt8]?, PeerError>? = state.withLock { state in
        do throws(PeerError) {
          if let message = try state.deframer.next() { return .success(message) }
        } catch { return .failure(error) }
        switch state.end {
        case nil: return nil
        case .failure(let error): return .failure(error)
        case .success:
          return state.deframer.isEmpty ? .success(nil) : .failure(.malformed("it ended within a message"))
        }
      }
      if let found {
        if case .failure = found { cancel() }
        return try found.get()
      }
      await withTaskCancellationHandler {
        await wait()
      } onCancel: {
        cancel()
      }
    }
  }

  /// Gives the call up.
  func cancel() {
    finish(.failure(.givenUp))
    state.withLock { $0.channel }?.close(promise: nil)
  }

  private func wait() async {
    await withCheckedContinuation { continuation in
      let (isThere, channel) = state.withLock { state in
        let isThere = state.end != nil || state.deframer.hasMessage
        if !isThere { state.waiter = continuation }
        return (isThere, state.channel)
      }
      if isThere { continuation.resume() } else { channel?.read() }
    }
  }

  private func finish(_ end: Result<Void, PeerError>) {
    let (waiter, timer) = state.withLock { state in
      if state.end == nil { state.end = end }
      defer { (state.waiter, state.timer) = (nil, nil) }
      return (state.waiter, state.timer)
    }
    timer?.cancel()
    waiter?.resume()
  }

  // MARK: - On the event loop

  func handlerAdded(context: ChannelHandlerContext) {
    let channel = context.channel
    connection.began()
    let reads = connection.reads
    let timer = context.eventLoop.scheduleTask(deadline: deadline) { [self] in
      // Where nothing at all came in meanwhile there is nobody at the other end, as far as anybody can tell. That comes
      // first: whoever is told may call again at once.
      let isDead = isJudge && connection.reads == reads
      if isDead { connection.retire() }
      finish(.failure(.timedOut))
      channel.close(promise: nil)
      if isDead { channel.parent?.close(promise: nil) }
    }
    let isOver = state.withLock { state in
      state.channel = channel
      if state.end == nil { state.timer = timer }
      return state.end != nil
    }
    // Given up before it began.
    if isOver {
      timer.cancel()
      channel.close(promise: nil)
    }
    // Of a connection that ended just before nothing more is told.
    if channel.parent?.isActive == false { finish(.failure(.unreachable(connection.ending))) }
    if channel.isActive { send(context) }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    finish(.failure(.unreachable(connection.ending)))
    if connection.ended() { context.channel.parent?.close(promise: nil) }
  }

  func channelActive(context: ChannelHandlerContext) {
    send(context)
    context.fireChannelActive()
  }

  private func send(_ context: ChannelHandlerContext) {
    // A connection that takes no new calls says so here, and nowhere else.
    let begun = context.eventLoop.makePromise(of: Void.self)
    begun.futureResult.whenFailure { [self] in finish(.failure(.unreachable(connection.text(of: $0)))) }
    context.write(wrapOutboundOut(.head(request)), promise: begun)
    context.write(wrapOutboundOut(.body(message)), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    context.read()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      if head.status != .ok {
        finish(.failure(.unreachable("HTTP status \(head.status.code)")))
      } else if head.headerFields[.grpcStatus] != nil {
        finish(Self.end(head.headerFields))
      }
    case .body(let buffer):
      let waiter = state.withLock { state in
        state.deframer.append(buffer.readableBytesView)
        defer { if state.deframer.hasMessage { state.waiter = nil } }
        return state.deframer.hasMessage ? state.waiter : nil
      }
      waiter?.resume()
    case .end(let trailers): finish(Self.end(trailers ?? [:]))
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    // Reads on only where somebody waits: what he has not taken stays with the sender.
    if state.withLock({ $0.waiter != nil }) { context.read() }
    context.fireChannelReadComplete()
  }

  func channelInactive(context: ChannelHandlerContext) {
    finish(.failure(.unreachable(connection.ending)))
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    finish(.failure(.unreachable(connection.text(of: error))))
    context.close(promise: nil)
  }

  private static func end(_ trailers: HTTPFields) -> Result<Void, PeerError> {
    guard let code = trailers[.grpcStatus].flatMap({ Int($0) }) else {
      return .failure(.malformed("no grpc-status"))
    }
    guard code != 0 else { return .success(()) }
    let message = trailers[.grpcMessage].map { GRPCStatus.decodedMessage($0) } ?? "no reason"
    let seconds = trailers[.retryAfter].flatMap { UInt16($0) }.map { Int($0) }
    return .failure(.refused(code: code, message: message, retryAfterSeconds: seconds))
  }
}
