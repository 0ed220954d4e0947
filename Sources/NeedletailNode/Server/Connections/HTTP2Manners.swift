import NIOCore
import NIOHTTP2

/// What HTTP/2 asks of each stream's answer, beyond what its codec sees to.
///
/// It takes away the field that means something on a connection of HTTP/1.1 only. And where an answer ends with trailers
/// before its request is complete, as a refused call of gRPC does, it tells the client to send no more, as gRPC's own
/// servers do: one that goes on may wait for ever for what it had already (curl 7.88). An answer that names its length
/// needs no such word, and the same curl takes it for an error there.
///
/// Source: RFC 9113 sections 8.2.2 and 8.1.
final class HTTP2Manners: ChannelDuplexHandler {
  typealias InboundIn = HTTP2Frame.FramePayload
  typealias InboundOut = HTTP2Frame.FramePayload
  typealias OutboundIn = HTTP2Frame.FramePayload
  typealias OutboundOut = HTTP2Frame.FramePayload

  private let endsCalls: Bool
  private var isRequestComplete = false

  /// The manners of a stream, or, where calls are not ended, those towards clients that end a refused call themselves.
  init(endsCalls: Bool = true) { self.endsCalls = endsCalls }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if unwrapInboundIn(data).isLast { isRequestComplete = true }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    var frame = unwrapOutboundIn(data)
    if case .headers(var headers) = frame, headers.headers.contains(name: "connection") {
      headers.headers.remove(name: "connection")
      frame = .headers(headers)
    }
    guard endsCalls, case .headers = frame, frame.isLast, !isRequestComplete else {
      return context.write(wrapOutboundOut(frame), promise: promise)
    }
    // Not before the answer is sent: what still waits for room in the client's window would be given up.
    let sent = promise ?? context.eventLoop.makePromise()
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    sent.futureResult.whenSuccess { _ in
      let (manners, context) = bound.value
      guard !manners.isRequestComplete, context.channel.isActive else { return }
      context.writeAndFlush(manners.wrapOutboundOut(.rstStream(.noError)), promise: nil)
    }
    context.write(wrapOutboundOut(frame), promise: sent)
  }
}

extension HTTP2Frame.FramePayload {
  /// Whether nothing follows on its stream from the one who sent it.
  fileprivate var isLast: Bool {
    switch self {
    case .headers(let headers): headers.endStream
    case .data(let data): data.endStream
    default: false
    }
  }
}
