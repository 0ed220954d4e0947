import HummingbirdCore
import NIOCore
import Synchronization

/// What a handler knows of a request and of the connection that it came on.
struct ConnectionContext: Sendable {
  let channel: any Channel
  /// The places at the gate that this request holds.
  let held = HeldPlaces()

  init(channel: any Channel) { self.channel = channel }

  /// Closes the connection, of HTTP/2 the stream, after the answer had time to arrive: the client of a request that was
  /// refused unread may go on sending its body for ever.
  func closeSoon() {
    let channel = channel
    channel.eventLoop.scheduleTask(in: .seconds(5)) { channel.close(promise: nil) }
  }

  /// Runs `body` and cancels it when the client goes away.
  func cancellingOnDisconnect(_ body: @escaping @Sendable () async throws -> QueryPlace) async throws -> QueryPlace {
    let task = Task { try await body() }
    let watch = try? await channel.pipeline.handler(type: ConnectionWatch.self).get()
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
/// written.
final class ConnectionWatch: ChannelInboundHandler, RemovableChannelHandler, Sendable {
  typealias InboundIn = Never
  private typealias Action = @Sendable () -> Void

  private struct State {
    var isClosed = false
    var nextToken: UInt64 = 0
    var actions: [UInt64: Action] = [:]
  }

  private let state = Mutex(State())

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

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.fireChannelRead(data) }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { close() }
    context.fireUserInboundEventTriggered(event)
  }

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
