import HummingbirdCore
import NIOCore
import NIOHTTPTypes
import NeedletailEnvironment

/// What a handler knows of a request and of the connection that it came on.
struct ConnectionContext: Sendable {
  private static let graceAfterAnswer = TimeAmount.seconds(5)

  let channel: any Channel
  /// Nil where the connection is closed already.
  fileprivate let watch: ConnectionWatch?
  /// The places at the gate that this request holds.
  let held = HeldPlaces()

  init(channel: any Channel, watch: ConnectionWatch?) {
    self.channel = channel
    self.watch = watch
  }

  /// Closes the connection, of HTTP/2 the stream, where the client goes on sending the body of a request that has its
  /// answer, as it may for ever; the answer gets time to arrive.
  ///
  /// To be called once for each answer.
  func answered() {
    // Of a stream that ended with its answer nothing is kept.
    guard channel.isActive, let watch, let unread = watch.answered() else { return }
    let channel = channel
    channel.eventLoop.scheduleTask(in: Self.graceAfterAnswer) {
      if watch.receives(unread) { channel.close(promise: nil) }
    }
  }

  /// Runs `body` on an executor and cancels it when the client goes away, or when its time is up.
  ///
  /// One task from beginning to end: each trip between threads costs as much as a small query.
  func run(
    on executor: any TaskExecutor, until deadline: Int64, _ deadlines: QueryDeadlines,
    _ body: @escaping @Sendable () async throws -> QueryPlace
  ) async throws -> QueryPlace {
    let task = Task(executorPreference: executor) { try await body() }
    let token = watch?.onClose { task.cancel() }
    let timer = deadlines.add(deadline) { task.cancel() }
    defer {
      if let token { watch?.forget(token) }
      deadlines.forget(timer)
    }
    return try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
  }
}

extension ConnectionContext {
  /// Runs `body` on an executor and cancels it when the client goes away.
  func run<Value: Sendable>(
    on executor: any TaskExecutor, _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    let task = Task(executorPreference: executor) { try await body() }
    let token = watch?.onClose { task.cancel() }
    defer { if let token { watch?.forget(token) } }
    return try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
  }
}

/// Notices that the client closed its side of the connection, which nothing else would tell before the response is
/// written, and which request's body is still coming.
final class ConnectionWatch: ChannelInboundHandler, RemovableChannelHandler, Sendable {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  private typealias Action = @Sendable () -> Void

  private struct State {
    var isClosed = false
    var nextToken: UInt64 = 0
    var actions: [UInt64: Action] = [:]
    /// Requests that began to come, and answers that were written.
    var requests: UInt64 = 0
    var answers: UInt64 = 0
    /// Whether the newest request has not come to its end.
    var isReceiving = false
  }

  private let state = Lock(State())
  private let watches: ConnectionWatches

  init(_ watches: ConnectionWatches) { self.watches = watches }

  func handlerAdded(context: ChannelHandlerContext) { watches.add(self, of: context.channel) }

  func handlerRemoved(context: ChannelHandlerContext) { watches.remove(context.channel) }

  /// Calls `action` when the client closes, or at once if it has.
  ///
  /// The token takes the action back.
  func onClose(_ action: @escaping @Sendable () -> Void) -> UInt64 {
    let (token, isClosed) = state.withLock { state in
      state.nextToken += 1
      if !state.isClosed { state.actions[state.nextToken] = action }
      return (state.nextToken, state.isClosed)
    }
    if isClosed { action() }
    return token
  }

  func forget(_ token: UInt64) {
    state.withLock { _ = $0.actions.removeValue(forKey: token) }
  }

  /// Takes note of another answer; the number of its request where that has not come to its end.
  func answered() -> UInt64? {
    state.withLock { state in
      state.answers += 1
      return state.isReceiving && state.answers == state.requests ? state.requests : nil
    }
  }

  /// Whether the request of this number still has not come to its end.
  func receives(_ request: UInt64) -> Bool { state.withLock { $0.isReceiving && $0.requests == request } }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head:
      state.withLock { state in
        state.requests += 1
        state.isReceiving = true
      }
    case .body: break
    case .end: state.withLock { $0.isReceiving = false }
    }
    context.fireChannelRead(data)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { close() }
    context.fireUserInboundEventTriggered(event)
  }

  /// The client closed its side, of which whoever is ahead of this handler tells it.
  func inputClosed() { close() }

  func channelInactive(context: ChannelHandlerContext) {
    close()
    context.fireChannelInactive()
  }

  private func close() {
    let actions = state.withLock { state in
      state.isClosed = true
      let actions = state.actions.values
      state.actions = [:]
      return Array(actions)
    }
    for action in actions { action() }
  }
}
