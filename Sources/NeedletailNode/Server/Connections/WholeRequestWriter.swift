import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// Writes the answer to a request that `WholeRequests` took.
///
/// An answer that is one piece goes out in one write with its head; of longer ones each piece waits until the connection
/// has taken it. No answer is finished before all of it has gone, so that a client that does not read has one of them
/// lie with the connection, and no more.
struct WholeRequestWriter: ResponseBodyWriter {
  private let bound: NIOLoopBound<ChannelHandlerContext>
  private let eventLoop: any EventLoop
  /// Whether nothing goes before the end of the answer.
  private var isOnePiece = false

  /// On the event loop, as all that follows.
  init(_ context: ChannelHandlerContext) {
    eventLoop = context.eventLoop
    bound = NIOLoopBound(context, eventLoop: context.eventLoop)
  }

  /// Writes a whole response.
  func write(_ response: Response) async throws {
    var writer = self
    writer.isOnePiece = response.body.contentLength.map { $0 <= ResponseBody.pieceBytes } ?? false
    try await writer.send(.head(HTTPResponseHead(response.head)), flush: !writer.isOnePiece)
    try await response.body.write(writer)
  }

  mutating func write(_ buffer: ByteBuffer) async throws {
    try await send(.body(.byteBuffer(buffer)), flush: !isOnePiece)
  }

  consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
    try await send(.end(trailingHeaders.map { HTTPHeaders($0) }), flush: true)
  }

  private func send(_ part: HTTPServerResponsePart, flush: Bool) async throws {
    let context = bound.value
    let data = NIOAny(part)
    guard flush else { return context.write(data, promise: nil) }
    let written = eventLoop.makePromise(of: Void.self)
    // Mostly it is gone when this returns, and there is nothing to wait for.
    let isGone = NIOLoopBoundBox(false, eventLoop: eventLoop)
    written.futureResult.whenSuccess { isGone.value = true }
    context.writeAndFlush(data, promise: written)
    if !isGone.value { try await written.futureResult.get() }
  }
}
