import NIOCore
import NIOHTTP1

/// What HTTP/1 asks of a server beside the answers: connections of HTTP/1.0 end with their answer, a client that waits for
/// it is told that its body may come, a request that cannot be read is refused with a reason, and a connection on which
/// nothing comes for too long is closed.
///
/// It stands where requests come out of the decoder, so that all behind it see requests of HTTP/1.1, and all that come and
/// go pass it.
final class HTTP1Manners: ChannelDuplexHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  private let line: RequestLineWatch
  private let bytesMax: Int
  private let fieldsMax: Int
  private let silenceMax: TimeAmount
  /// Requests of which the answer has not ended.
  private var unanswered = 0
  /// Whether the last of them is of HTTP/1.0, and whether its client waits before it sends the body.
  private var isOld = false
  private var isWaiting = false
  /// Why no more of the connection can be read.
  private var failure: HTTPParserError?
  /// Whether the newest request has not come to its end.
  private var isReceiving = false
  /// When something came last, or an answer ended.
  private var heardAt = NIODeadline.uptimeNanoseconds(0)
  private var alarm: Scheduled<Void>?

  /// `line` watches what goes into the decoder, which takes so many bytes of a head and so many fields; for so long nothing
  /// may come while nothing is being answered.
  init(_ line: RequestLineWatch, bytesMax: Int, fieldsMax: Int, silenceMax: TimeAmount) {
    self.line = line
    self.bytesMax = bytesMax
    self.fieldsMax = fieldsMax
    self.silenceMax = silenceMax
  }

  func handlerAdded(context: ChannelHandlerContext) {
    heardAt = context.eventLoop.now
    listen(context, until: heardAt + silenceMax)
  }

  func handlerRemoved(context: ChannelHandlerContext) { alarm?.cancel() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    heardAt = context.eventLoop.now
    switch unwrapInboundIn(data) {
    case .head(var head):
      unanswered += 1
      isReceiving = true
      isOld = head.version.major < 1 || head.version == HTTPVersion(major: 1, minor: 0)
      isWaiting = !isOld && Self.waits(head)
      // Whoever answers ends the connection then.
      if isOld { head.headers.replaceOrAdd(name: "Connection", value: "close") }
      letBodyCome(context)
      context.fireChannelRead(isOld ? wrapInboundOut(.head(head)) : data)
    case .body: context.fireChannelRead(data)
    case .end:
      line.begin()
      (isWaiting, isReceiving) = (false, false)
      context.fireChannelRead(data)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if failure == nil { failure = error as? HTTPParserError }
    context.fireErrorCaught(error)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(var head):
      if unanswered <= 1 { isWaiting = false }
      if let failure, Self.isWordless(head) { return refuse(failure, context, promise) }
      guard isOld, unanswered == 1 else { return context.write(data, promise: promise) }
      head.version = HTTPVersion(major: 1, minor: 0)
      head.headers.replaceOrAdd(name: "Connection", value: "close")
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case .body: context.write(data, promise: promise)
    case .end:
      unanswered = max(0, unanswered - 1)
      heardAt = context.eventLoop.now
      context.write(data, promise: promise)
      letBodyCome(context)
    }
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    // What came after the last answer gets none, and is nothing to wait for.
    if mode == .output { unanswered = 0 }
    context.close(mode: mode, promise: promise)
  }

  // MARK: Silence

  private func listen(_ context: ChannelHandlerContext, until deadline: NIODeadline) {
    alarm = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
      let end = heardAt + silenceMax
      // Of an answer that is at work its own deadlines decide, and of its connection how long it may take to be read.
      if unanswered > (isReceiving ? 1 : 0) {
        listen(context, until: context.eventLoop.now + silenceMax)
      } else if context.eventLoop.now >= end {
        context.close(promise: nil)
      } else {
        listen(context, until: end)
      }
    }
  }

  // MARK: Bodies that wait

  /// Whether a client sends its body when it is told to (RFC 9110, section 10.1.1).
  private static func waits(_ head: HTTPRequestHead) -> Bool {
    let hasBody = head.headers.contains(name: "Transfer-Encoding") || head.headers.first(name: "Content-Length") != "0"
    return hasBody && head.headers[canonicalForm: "Expect"].contains { $0.lowercased() == "100-continue" }
  }

  /// The word of it goes out when all answers to what came before have.
  private func letBodyCome(_ context: ChannelHandlerContext) {
    guard isWaiting, unanswered == 1 else { return }
    isWaiting = false
    context.writeAndFlush(
      wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
  }

  // MARK: What cannot be read

  /// The answer that who is behind has for all that cannot be read.
  private static func isWordless(_ head: HTTPResponseHead) -> Bool {
    head.status == .badRequest && head.headers.first(name: "Content-Length") == "0"
  }

  /// Writes a head and a body with a reason in its place; the end is still to come.
  private func refuse(
    _ failure: HTTPParserError, _ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?
  ) {
    let (status, reason) = refusal(failure)
    var json = JSONWriter()
    json.object { json in
      json.key("status")
      json.string("error")
      json.key("errorType")
      json.string("bad_data")
      json.key("error")
      json.string(reason)
    }
    let headers: HTTPHeaders = [
      "Content-Type": "application/json", "Content-Length": "\(json.bytes.count)", "Connection": "close",
    ]
    context.write(
      wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: promise)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: json.bytes)))), promise: nil)
  }

  private func refusal(_ failure: HTTPParserError) -> (status: HTTPResponseStatus, reason: String) {
    guard failure == .headerOverflow else {
      return (.badRequest, "this is no request of HTTP/1.1 that can be read: \(failure)")
    }
    guard line.byteCount <= bytesMax else {
      return (
        .uriTooLong, "the URL is longer than \(bytesMax) bytes: send what does not fit as the form of a POST request"
      )
    }
    return (
      .requestHeaderFieldsTooLarge,
      "URL and header fields are longer than \(bytesMax) bytes together, or more than \(fieldsMax) fields"
    )
  }
}
