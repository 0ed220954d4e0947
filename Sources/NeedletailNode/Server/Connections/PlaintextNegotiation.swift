import NIOCore
import NIOTLS

/// Tells HTTP/1.1 from HTTP/2 on a connection without TLS, by its first bytes.
///
/// It reports what it found as the event with which TLS reports its negotiation (ALPN), so that one handler behind it
/// builds the rest of the pipeline in both cases. Source: RFC 9113 section 3.4, the client's connection preface.
final class PlaintextNegotiation: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  private var received: ByteBuffer?

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var buffer = received ?? ByteBuffer()
    buffer.writeImmutableBuffer(unwrapInboundIn(data))
    let view = buffer.readableBytesView.prefix(Self.preface.count)
    guard view.elementsEqual(Self.preface.prefix(view.count)) else {
      return decide("http/1.1", buffer, context)
    }
    if view.count == Self.preface.count { return decide("h2", buffer, context) }
    received = buffer
  }

  private func decide(_ version: String, _ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
    received = nil
    context.fireUserInboundEventTriggered(TLSUserEvent.handshakeCompleted(negotiatedProtocol: version))
    context.fireChannelRead(wrapInboundOut(bytes))
    context.pipeline.syncOperations.removeHandler(self, promise: nil)
  }
}
