import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Takes away the fields that mean something on a connection of HTTP/1.1 only, and are malformed in HTTP/2.
///
/// Source: RFC 9113 section 8.2.2.
final class HTTP2Fields: ChannelOutboundHandler {
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard case .head(var head) = unwrapOutboundIn(data), head.headerFields[.connection] != nil else {
      context.write(data, promise: promise)
      return
    }
    head.headerFields[.connection] = nil
    context.write(wrapOutboundOut(.head(head)), promise: promise)
  }
}
