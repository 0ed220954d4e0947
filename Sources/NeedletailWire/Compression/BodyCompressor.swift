import CSnappy
import CZlib
import CZstd

/// Compresses a body piece by piece.
///
/// Sendable because it has one owner at a time, who waits for each call before he makes the next one: whatever thread that
/// runs on, no two touch the library's state at once.
package final class BodyCompressor: @unchecked Sendable {
  /// The codings that answers come in.
  package enum Coding: String, Sendable, CaseIterable {
    case zstd
    case gzip
  }

  private enum Stream {
    case gzip(UnsafeMutablePointer<z_stream>)
    case zstd(OpaquePointer)
  }

  /// The fastest of either: who waits for an answer waits for this too.
  private static let level: Int32 = 1
  /// The window of zstd, as a power of two: 128 KiB, so that many compressors at once take little memory.
  private static let windowLog: Int32 = 17

  private let stream: Stream

  /// Nil where there is no memory for one.
  package init?(_ coding: Coding) {
    switch coding {
    case .gzip:
      let pointer = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
      pointer.initialize(to: z_stream())
      let result = deflateInit2_(
        pointer, Self.level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size))
      guard result == Z_OK else {
        pointer.deallocate()
        return nil
      }
      stream = .gzip(pointer)
    case .zstd:
      guard let context = ZSTD_createCCtx() else { return nil }
      ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Self.level)
      ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, Self.windowLog)
      stream = .zstd(context)
    }
  }

  deinit {
    switch stream {
    case .gzip(let pointer):
      deflateEnd(pointer)
      pointer.deallocate()
    case .zstd(let context): ZSTD_freeCCtx(context)
    }
  }

  /// Appends what a piece of the body comes to, which may be nothing yet; all that is left with the last one, after which
  /// the compressor is not to be used.
  ///
  /// False where the library fails, which it does only where it is used wrongly or has no memory.
  package func compress(_ piece: UnsafeRawBufferPointer, isLast: Bool, into output: inout [UInt8]) -> Bool {
    switch stream {
    case .gzip(let pointer): Self.deflate(pointer, piece, isLast, &output)
    case .zstd(let context): Self.compress(context, piece, isLast, &output)
    }
  }

  private static let stepBytes = 32 << 10

  private static func deflate(
    _ stream: UnsafeMutablePointer<z_stream>, _ piece: UnsafeRawBufferPointer, _ isLast: Bool, _ output: inout [UInt8]
  ) -> Bool {
    var rest = piece
    repeat {
      let now = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(now.count))
      // zlib does not write through this pointer; its declaration merely lacks `const`.
      stream.pointee.next_in = UnsafeMutablePointer(mutating: now.baseAddress?.assumingMemoryBound(to: UInt8.self))
      stream.pointee.avail_in = UInt32(now.count)
      let flush = isLast && rest.isEmpty ? Z_FINISH : Z_NO_FLUSH
      var result = Z_OK
      repeat {
        output.append(upTo: stepBytes) { room in
          stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
          stream.pointee.avail_out = UInt32(room.count)
          result = CZlib.deflate(stream, flush)
          return room.count - Int(stream.pointee.avail_out)
        }
        guard result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR else { return false }
      } while stream.pointee.avail_out == 0 && result != Z_STREAM_END
      if flush == Z_FINISH, result != Z_STREAM_END { return false }
    } while !rest.isEmpty
    return true
  }

  private static func compress(
    _ context: OpaquePointer, _ piece: UnsafeRawBufferPointer, _ isLast: Bool, _ output: inout [UInt8]
  ) -> Bool {
    var input = ZSTD_inBuffer(src: piece.baseAddress, size: piece.count, pos: 0)
    while true {
      var left = 0
      output.append(upTo: stepBytes) { room in
        var target = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
        left = ZSTD_compressStream2(context, &target, &input, isLast ? ZSTD_e_end : ZSTD_e_continue)
        return target.pos
      }
      if ZSTD_isError(left) != 0 { return false }
      if isLast ? left == 0 : input.pos == input.size { return true }
    }
  }

  /// Compresses bytes into one snappy block; nil where there is no memory, or there are too many.
  package static func snappy(_ bytes: [UInt8]) -> [UInt8]? {
    guard UInt32(exactly: bytes.count) != nil else { return nil }
    let room = snappy_max_compressed_length(bytes.count)
    let result = bytes.withUnsafeBytes { source in
      [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
        var written = room
        let input = source.baseAddress?.assumingMemoryBound(to: CChar.self)
        let target = UnsafeMutableRawPointer(buffer.baseAddress)?.assumingMemoryBound(to: CChar.self)
        count = snappy_compress(input, source.count, target, &written) == SNAPPY_OK ? written : 0
      }
    }
    return result.isEmpty ? nil : result
  }
}

extension [UInt8] {
  /// Appends what `body` writes into so many bytes of room; it returns how many those are.
  fileprivate mutating func append(upTo count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int) {
    let piece = [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
      written = body(UnsafeMutableRawBufferPointer(buffer))
    }
    append(contentsOf: piece)
  }
}
