import NIOCore

/// Tells a connection through the proxy what happens on one of its two sides.
final class FaultHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let connection: FaultConnection
  private let isRefused: Bool
  private let closed: () -> Void

  /// `isRefused` resets the connection as soon as it is there.
  init(_ connection: FaultConnection, isRefused: Bool = false, closed: @escaping () -> Void) {
    (self.connection, self.isRefused, self.closed) = (connection, isRefused, closed)
  }

  func channelActive(context: ChannelHandlerContext) { if isRefused { connection.reset() } }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    connection.took(unwrapInboundIn(data), from: context.channel)
  }

  func channelInactive(context: ChannelHandlerContext) {
    connection.ended(context.channel)
    closed()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) { connection.becameWritable(context.channel) }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
