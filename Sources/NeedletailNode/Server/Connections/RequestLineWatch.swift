import NIOCore

/// Counts the bytes of the line that a request of HTTP/1 begins with: the decoder does not say whether it was that or the
/// header fields that were too long.
final class RequestLineWatch: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private static let lineFeed = UInt8(ascii: "\n")

  /// Of the line that came last, as far as it came.
  private(set) var byteCount = 0
  private var isOpen = true

  /// What comes next begins a request.
  func begin() { (byteCount, isOpen) = (0, true) }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if isOpen {
      let view = unwrapInboundIn(data).readableBytesView
      let end = view.firstIndex(of: Self.lineFeed)
      byteCount += (end ?? view.endIndex) - view.startIndex
      isOpen = end == nil
    }
    context.fireChannelRead(data)
  }
}
