import NIOCore

/// Notes why a connection came to no TLS before its calls hear that it ended.
final class PeerTLSWatch: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let connection: PeerConnectionWatch

  init(of connection: PeerConnectionWatch) { self.connection = connection }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    _ = connection.text(of: error)
    context.fireErrorCaught(error)
  }
}
