import HummingbirdCore
import NIOCore

// Bodies go to the connection in pieces, because it takes whatever it is given at once: of an answer that the client
// does not read, a piece or two lie with the connection, and the writer waits with the rest.

extension ResponseBody {
  /// The most bytes of one write.
  static let pieceBytes = 64 << 10

  /// A body of known length.
  init(_ bytes: [UInt8]) {
    guard bytes.count > Self.pieceBytes else {
      // Goes to the connection in one write with the head.
      self.init(byteBuffer: ByteBuffer(bytes: bytes))
      return
    }
    self.init(contentLength: bytes.count) { writer in
      try await writer.write(pieces: bytes)
      try await writer.finish(nil)
    }
  }
}

extension ResponseBodyWriter {
  /// Writes bytes piece by piece, each when the connection has room.
  mutating func write(pieces bytes: [UInt8]) async throws {
    var rest = ByteBuffer(bytes: bytes)
    while rest.readableBytes > 0, let piece = rest.readSlice(length: min(rest.readableBytes, ResponseBody.pieceBytes)) {
      try await write(piece)
    }
  }
}
