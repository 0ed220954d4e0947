import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// Answers requests of HTTP/1.1 without a body where they come in: from the bytes to the answer on one stack, where
/// nothing has to be waited for.
///
/// The asynchronous channel behind it, to which all other requests go, hands each part of a request to a task through a
/// sequence with back pressure, which costs more than many a question does; and so do, together, the handlers on the way
/// there and back, which what is answered here never sees.
///
/// Answers keep the order of their requests. While one is at work here, what comes is held back, and no more is read
/// than what was read at once; while one is at work behind, requests go there.
final class WholeRequests: ChannelDuplexHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart
  /// Answers a request with what is given to write it.
  typealias Answer = @Sendable (Request, ConnectionContext, WholeRequestWriter) async throws -> Void

  /// What came while a request was at work.
  private enum Arrival {
    case part(HTTPServerRequestPart)
    case event(Any)
    case failure(any Error)
  }

  /// How long a client may leave its side open after the answer that was to be the last.
  private static let graceAfterLast = TimeAmount.seconds(5)

  private let answer: Answer
  private let executor: EventLoopExecutor
  private let unfinished: UnfinishedAnswers
  /// Told when the client closes its side, which who is behind hears of later.
  private let watch: ConnectionWatch?
  /// A request of which nothing but the end is awaited.
  private var head: HTTPRequestHead?
  private var isAnswering = false
  private var task: Task<Void, Never>?
  /// Whether the request at work is to be the connection's last.
  private var isLast = false
  /// Whether the last one was answered: what comes after it is not heeded.
  private var isOver = false
  private var heldBack = CircularBuffer<Arrival>()
  private var wantsRead = false
  /// Requests that were passed on and have no answer yet.
  private var behind = 0

  init(
    eventLoop: any EventLoop, _ unfinished: UnfinishedAnswers, watch: ConnectionWatch?, _ answer: @escaping Answer
  ) {
    self.answer = answer
    self.unfinished = unfinished
    self.watch = watch
    executor = EventLoopExecutor(eventLoop)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    // The connection is gone: nobody waits for an answer any more.
    isOver = true
    heldBack.removeAll()
    head = nil
    task?.cancel()
  }

  // MARK: What comes in

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let part = unwrapInboundIn(data)
    guard !isAnswering, heldBack.isEmpty else { return heldBack.append(.part(part)) }
    take(part, context)
    // What came while that was answered at once.
    if !isAnswering { goOn(context) }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    let isInputClosed = if case ChannelEvent.inputClosed? = event as? ChannelEvent { true } else { false }
    let isStop = event is ChannelShouldQuiesceEvent
    if isAnswering, isInputClosed || isStop {
      if isInputClosed { watch?.inputClosed() }
      // Who is behind closes the other direction when it has seen the end, and all where it knows of no request that is at
      // work: the answer must go out before.
      return heldBack.append(.event(event))
    }
    if isStop { passOnHead(context) }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if isAnswering { return heldBack.append(.failure(error)) }
    if isOver { return }
    passOnHead(context)
    context.fireErrorCaught(error)
  }

  private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
    if isOver { return }
    switch part {
    case .head(let request) where behind == 0 && Self.isTaken(request): head = request
    case .end(nil):
      guard let request = head else { return context.fireChannelRead(wrapInboundOut(part)) }
      head = nil
      start(request, context)
    case .head, .body, .end:
      passOnHead(context)
      if case .head = part { behind += 1 }
      context.fireChannelRead(wrapInboundOut(part))
    }
  }

  /// Whether a request is one that may be answered here: it names a path, and no more.
  private static func isTaken(_ head: HTTPRequestHead) -> Bool {
    (head.method == .GET || head.method == .HEAD) && head.uri.utf8.first == UInt8(ascii: "/")
  }

  private func passOnHead(_ context: ChannelHandlerContext) {
    guard let request = head else { return }
    head = nil
    behind += 1
    context.fireChannelRead(wrapInboundOut(.head(request)))
  }

  // MARK: What goes out

  func read(context: ChannelHandlerContext) {
    // With nothing held back it is read on: a client that goes away is noticed by that.
    guard isAnswering, !heldBack.isEmpty else { return context.read() }
    wantsRead = true
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if case .end = unwrapOutboundIn(data) { behind -= 1 }
    context.write(data, promise: promise)
  }

  // MARK: Answering

  private func start(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    isAnswering = true
    isLast = Self.isLast(head)
    let request = Request(head: Self.request(head), body: RequestBody(buffer: ByteBuffer()))
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    let writer = WholeRequestWriter(context)
    let asked = ConnectionContext(channel: context.channel, watch: watch)
    let body: @Sendable () async -> Void = { [answer, unfinished] in
      do { try await answer(request, asked, writer) } catch { asked.channel.close(promise: nil) }
      let (handler, context) = bound.value
      handler.finished(context)
      unfinished.end()
    }
    unfinished.begin()
    if #available(macOS 26, *) {
      // Begins here and now, not with the event loop's next round.
      isStarting = true
      let task = Task.immediate(executorPreference: executor, operation: body)
      isStarting = false
      self.task = isAnswering ? task : nil
    } else {
      task = Task(executorPreference: executor, operation: body)
    }
  }

  /// The request as all but the connections' handlers know it.
  private static func request(_ head: HTTPRequestHead) -> HTTPRequest {
    HTTPRequest(
      method: head.method == .GET ? .get : .head, scheme: "http", authority: head.headers.first(name: "Host"),
      path: head.uri, headerFields: HTTPFields(head.headers, splitCookie: false))
  }

  /// Whether a client says that its connection ends with this request.
  private static func isLast(_ head: HTTPRequestHead) -> Bool {
    guard head.headers.contains(name: "Connection") else { return false }
    let tokens = head.headers["Connection"].joined(separator: ",")
    return tokens.lowercased().split(separator: ",").contains { $0.filter { $0 != " " && $0 != "\t" } == "close" }
  }

  /// Whether the call that began a request is still to return.
  private var isStarting = false

  private func finished(_ context: ChannelHandlerContext) {
    isAnswering = false
    task = nil
    if isLast, !isOver { end(context) }
    // What follows is taken by who called, or each request in a row would lie on the stack of the one before.
    if !isStarting { goOn(context) }
  }

  /// Ends the connection after its last answer: the client closes its side when it has read that, or loses it.
  private func end(_ context: ChannelHandlerContext) {
    isOver = true
    context.close(mode: .output, promise: nil)
    let channel = context.channel
    context.eventLoop.scheduleTask(in: Self.graceAfterLast) { channel.close(promise: nil) }
  }

  /// Takes what was held back, up to the next request that is at work.
  private func goOn(_ context: ChannelHandlerContext) {
    let holdsBack = !heldBack.isEmpty
    while !isAnswering, let arrival = heldBack.popFirst() {
      switch arrival {
      case .part(let part): take(part, context)
      case .event(let event): userInboundEventTriggered(context: context, event: event)
      case .failure(let error): errorCaught(context: context, error: error)
      }
    }
    if holdsBack { context.fireChannelReadComplete() }
    if wantsRead, heldBack.isEmpty {
      wantsRead = false
      context.read()
    }
  }
}
