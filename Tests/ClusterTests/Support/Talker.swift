import NIOCore
import NIOPosix
import NeedletailEnvironment
import NeedletailProcesses

/// One end of a TCP connection that remembers what it was sent; as a server it says everything back.
final class Talker: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer

  private struct State {
    var received: [UInt8] = []
    var isClosed = false
  }

  private let isEcho: Bool
  private let state = Lock(State())

  init(isEcho: Bool = false) { self.isEcho = isEcho }

  var received: String { state.withLock { String(decoding: $0.received, as: UTF8.self) } }
  var isClosed: Bool { state.withLock { $0.isClosed } }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = unwrapInboundIn(data)
    state.withLock { $0.received += Array(bytes.readableBytesView) }
    if isEcho { context.writeAndFlush(data, promise: nil) }
  }

  func channelInactive(context: ChannelHandlerContext) { state.withLock { $0.isClosed = true } }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  /// Listens on a loopback port and says everything back.
  static func listen(_ port: Int) async throws -> (talker: Talker, channel: any Channel) {
    let talker = Talker(isEcho: true)
    let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(talker) }
      }
      .bind(host: "127.0.0.1", port: port).get()
    return (talker, channel)
  }

  /// Connects to a loopback port; `from` is the port that it comes from, where that matters.
  static func connect(_ port: Int, from own: Int? = nil) async throws -> (talker: Talker, channel: any Channel) {
    let talker = Talker()
    var bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(talker) }
      }
    if let own { bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: "127.0.0.1", port: own)) }
    return (talker, try await bootstrap.connect(host: "127.0.0.1", port: port).get())
  }
}

extension Channel {
  func say(_ text: String) async throws { try await writeAndFlush(ByteBuffer(string: text)).get() }
}
