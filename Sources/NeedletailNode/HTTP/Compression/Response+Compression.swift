import HTTPTypes
import HummingbirdCore
import NIOCore
import NeedletailEnvironment
import NeedletailWire

extension Response {
  /// Smaller bodies hardly get smaller.
  private static let compressedMin = 1024
  /// Bodies of so many bytes are compressed where they are made; larger ones, and pieces, on a thread, so that nobody's
  /// connection waits for it.
  private static let inPlaceMax = 8 << 10

  private var isCompressible: Bool {
    guard headers[.contentEncoding] == nil, let type = headers[.contentType] else { return false }
    return type.hasPrefix("application/json") || type.hasPrefix("text/plain")
      || type.hasPrefix("application/openmetrics")
  }

  /// The response in the coding that the client wants most, where its body is a text of some length.
  ///
  /// A body that is one piece stays one; others are compressed piece by piece while they are written.
  func compressed(for request: Request, on executor: ThreadExecutor) async throws -> Response {
    guard body.contentLength.map({ $0 >= Self.compressedMin }) ?? true, isCompressible else { return self }
    var response = self
    // Whatever lies between must not hand this answer to who takes other codings.
    response.headers[.vary] = "Accept-Encoding"
    guard request.method != .head, let coding = AcceptedCoding.best(request.headers[.acceptEncoding]),
      let compressor = BodyCompressor(coding)
    else { return response }
    response.headers[.contentEncoding] = coding.rawValue
    if let length = body.contentLength, length <= ResponseBody.pieceBytes {
      let collected = CollectedBody()
      try await body.write(CollectingWriter(collected: collected))
      let bytes = collected.bytes.withLock { $0 }
      let inPlace = length <= Self.inPlaceMax
      response.body = ResponseBody(try await compressor.compress(bytes, isLast: true, on: inPlace ? nil : executor))
      return response
    }
    let body = body
    response.body = ResponseBody { writer in
      try await body.write(CompressingWriter(base: writer, compressor: compressor, executor: executor))
    }
    return response
  }
}

/// The body could not be compressed, of which nothing but a lack of memory is the cause.
private struct CompressionFailure: Error {}

extension BodyCompressor {
  /// What a piece comes to, worked out on a thread where one is given.
  fileprivate func compress(_ piece: ByteBuffer, isLast: Bool, on executor: ThreadExecutor?) async throws -> [UInt8] {
    let work: @Sendable () throws -> [UInt8] = {
      var output: [UInt8] = []
      let isDone = piece.withUnsafeReadableBytes { self.compress($0, isLast: isLast, into: &output) }
      guard isDone else { throw CompressionFailure() }
      return output
    }
    guard let executor else { return try work() }
    return try await executor.run(work)
  }
}

/// What was written of a body.
private final class CollectedBody: Sendable {
  let bytes = Lock(ByteBuffer())
}

/// Takes a whole body in.
private struct CollectingWriter: ResponseBodyWriter {
  let collected: CollectedBody

  mutating func write(_ buffer: ByteBuffer) async throws {
    collected.bytes.withLock { bytes in _ = bytes.writeImmutableBuffer(buffer) }
  }

  consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

/// Compresses each piece before it goes on.
private struct CompressingWriter: ResponseBodyWriter {
  var base: any ResponseBodyWriter
  let compressor: BodyCompressor
  let executor: ThreadExecutor

  mutating func write(_ buffer: ByteBuffer) async throws {
    try await base.write(pieces: try await compressor.compress(buffer, isLast: false, on: executor))
  }

  consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
    var base = base
    try await base.write(pieces: try await compressor.compress(ByteBuffer(), isLast: true, on: executor))
    try await base.finish(trailingHeaders)
  }
}
