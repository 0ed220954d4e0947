import NIOCore
import NIOHTTP2
import NeedletailEnvironment

/// One connection to another node, and whether new calls may still go over it.
struct PeerConnection: Sendable {
  typealias Streams = NIOHTTP2Handler.AsyncStreamMultiplexer<Void>

  let channel: any Channel
  let streams: Streams
  let watch: PeerConnectionWatch

  /// Whether the other node takes new calls on it, as far as is known here.
  var isUsable: Bool { channel.isActive && !watch.isRetired }
}

/// Sees what happens to a connection beside its calls: whether anything comes in at all, and that the other node takes no
/// new ones.
final class PeerConnectionWatch: ChannelInboundHandler, Sendable {
  typealias InboundIn = HTTP2Frame

  private struct State {
    var reads: UInt64 = 0
    var calls = 0
    var isRetired = false
    /// Why it ended, where that is known.
    var failure: String?
    /// Tell calls that would stay open for ever, each by a number of its own.
    var retiring: [UInt64: @Sendable () -> Void] = [:]
    var lastNumber: UInt64 = 0
  }

  private let state = Lock(State())
  /// What to say of an error where the connection is over TLS; nil where it is not.
  private let explain: (@Sendable (any Error) -> String?)?

  /// `explain` is called on the connection's event loop.
  init(explaining explain: (@Sendable (any Error) -> String?)? = nil) { self.explain = explain }

  /// Why the connection ended, as far as that is known.
  var ending: String {
    let (failure, isSilent) = state.withLock { ($0.failure, $0.reads == 0) }
    if let failure { return failure }
    guard explain != nil, isSilent else { return "the connection ended" }
    return "the connection ended before the node said anything; where it refused this one, its log tells why"
  }

  /// What to say of an error of this connection.
  func text(of error: any Error) -> String {
    let known = state.withLock { $0.failure }
    if let known { return known }
    let found = explain?(error)
    if let found { state.withLock { $0.failure = found } }
    return found ?? "\(error)"
  }

  /// Whether no call is to begin any more.
  var isRetired: Bool { state.withLock { $0.isRetired } }

  /// How often something came in.
  var reads: UInt64 { state.withLock { $0.reads } }

  /// A call begins: the connection stays for it, retired or not.
  func began() { state.withLock { $0.calls += 1 } }

  /// A call ended; whether the connection is of no use to anybody now.
  func ended() -> Bool {
    state.withLock { state in
      state.calls -= 1
      return state.isRetired && state.calls == 0
    }
  }

  /// No call is to begin any more; whether the connection is of no use to anybody now.
  @discardableResult
  func retire() -> Bool {
    let retiring = state.withLock { state in
      state.isRetired = true
      defer { state.retiring = [:] }
      return state.retiring
    }
    // One that still waits for answers counts as a call from here on.
    for tell in retiring.values { tell() }
    return state.withLock { $0.calls == 0 }
  }

  /// Calls `action` when no call is to begin any more, or at once where that is so; the number is for `forget`.
  func whenRetired(_ action: @escaping @Sendable () -> Void) -> UInt64 {
    let (number, isOver) = state.withLock { state in
      state.lastNumber += 1
      if !state.isRetired { state.retiring[state.lastNumber] = action }
      return (state.lastNumber, state.isRetired)
    }
    if isOver { action() }
    return number
  }

  /// Calls an action of `whenRetired` no more.
  func forget(_ number: UInt64) { state.withLock { state in state.retiring[number] = nil } }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .goAway = unwrapInboundIn(data).payload, retire() { context.close(promise: nil) }
    context.fireChannelRead(data)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    state.withLock { $0.reads &+= 1 }
    context.fireChannelReadComplete()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // Of one call it is told there. After any other error the calls that run may come to their end, or to their time.
    if error is NIOHTTP2Errors.StreamError { return }
    if retire() { context.close(promise: nil) }
  }

  func channelInactive(context: ChannelHandlerContext) {
    retire()
    context.fireChannelInactive()
  }
}
