import NIOCore

/// Closes a connection of HTTP/2 that is dead or of no use: whose client sends nothing more, from which nothing was read for
/// a while, pings unanswered among it, on which there was no stream for long, or which outlasts the server's shutdown
/// without one.
///
/// It stands ahead of HTTP/2's own handlers, where it sees bytes. They only ever ask a client to go (GOAWAY), and wait
/// for its answer. A connection without streams is asked first, as a stream may be on its way to it, and closed a second
/// later.
final class HTTP2Watch: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  /// How long nothing may be read: pings go out every minute.
  private static let silenceMax = TimeAmount.seconds(90)
  /// How long there may be no stream: exporters send every minute, some every few.
  private static let idleMax = TimeAmount.minutes(10)
  private static let graceWhenAsked = TimeAmount.seconds(1)

  private let silenceMax: TimeAmount
  private let idleMax: TimeAmount
  private var lastRead = NIODeadline.uptimeNanoseconds(0)
  private var lastStream = NIODeadline.uptimeNanoseconds(0)
  private var streamCount = 0
  /// Whether the client was asked to go.
  private var isAsked = false
  private var checks: RepeatedTask?

  init(silenceMax: TimeAmount = silenceMax, idleMax: TimeAmount = idleMax) {
    self.silenceMax = silenceMax
    self.idleMax = idleMax
  }

  func handlerAdded(context: ChannelHandlerContext) {
    (lastRead, lastStream) = (context.eventLoop.now, context.eventLoop.now)
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    let interval = TimeAmount.nanoseconds(min(silenceMax, idleMax).nanoseconds / 6)
    checks = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
      let (watch, context) = bound.value
      watch.check(context)
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) { checks?.cancel() }

  private func check(_ context: ChannelHandlerContext) {
    let now = context.eventLoop.now
    let isIdle = streamCount == 0 && now - lastStream > idleMax
    if now - lastRead > silenceMax || isIdle && isAsked {
      context.close(promise: nil)
    } else if isIdle {
      userInboundEventTriggered(context: context, event: ChannelShouldQuiesceEvent())
    }
  }

  /// Counts a stream until it is closed.
  ///
  /// On the event loop.
  func opened(_ stream: any Channel) {
    streamCount += 1
    let bound = NIOLoopBound(self, eventLoop: stream.eventLoop)
    stream.closeFuture.whenComplete { _ in
      bound.value.streamCount -= 1
      bound.value.lastStream = bound.eventLoop.now
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    lastRead = context.eventLoop.now
    context.fireChannelRead(data)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    // The server's connections stay half open for the sake of HTTP/1.1, and the handlers of HTTP/2 tell no stream. A
    // client that sends nothing more can neither answer pings nor make room for answers: it is taken for gone.
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { return context.close(promise: nil) }
    if event is ChannelShouldQuiesceEvent {
      isAsked = true
      let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
      context.eventLoop.scheduleTask(in: Self.graceWhenAsked) {
        let (watch, context) = bound.value
        if watch.streamCount == 0 { context.close(promise: nil) }
      }
    }
    context.fireUserInboundEventTriggered(event)
  }
}
