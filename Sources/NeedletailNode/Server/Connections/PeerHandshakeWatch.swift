import NIOCore
import NIOSSL
import NIOTLS

/// Sees why another node that called came to no TLS with this one, which nobody else is told.
final class PeerHandshakeWatch: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let tls: NIOSSLServerHandler
  private let failed: @Sendable (PeerTLSFailure.Handshake) -> Void
  private var isOver = false

  /// `failed` is told what became of a handshake of `tls`, where that was nothing.
  init(_ tls: NIOSSLServerHandler, failed: @escaping @Sendable (PeerTLSFailure.Handshake) -> Void) {
    self.tls = tls
    self.failed = failed
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted? = event as? TLSUserEvent { isOver = true }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if !isOver {
      isOver = true
      failed(
        PeerTLSFailure.Handshake(
          error: error, certificate: tls.peerCertificate, address: context.remoteAddress?.ipAddress ?? "unknown"))
    }
    context.fireErrorCaught(error)
  }
}
