// zstd with contexts that are reused: a fresh context per call costs more than the compression of a small block. A
// context belongs to one call at a time; between calls it lies in a pool, which therefore never holds more contexts
// than calls ever ran at once.

import CZstd
import NeedletailEnvironment

/// Bytes that are no zstd frame of an acceptable size.
package enum ZstdError: Error, Equatable, Sendable {
  /// The frame does not tell its size, or is no frame.
  case noDeclaredSize
  /// The frame tells a size over the limit; nothing was allocated.
  case tooLarge(declared: UInt64, max: Int)
  /// The frame is damaged, or tells a wrong size.
  case damaged
  /// There is no memory for a context.
  case noMemory
}

/// Compression of whole buffers.
package enum Zstd {
  /// Appends the frame of `bytes` to `output`.
  ///
  /// The frame tells its size, so that a reader can check it before it allocates. Level 1 is as good as 3 on telemetry,
  /// at up to twice the speed.
  package static func compress(
    _ bytes: UnsafeRawBufferPointer, level: Int32 = 1, appendingTo output: inout [UInt8]
  ) throws(ZstdError) {
    guard let context = pool.takeCompression() else { throw .noMemory }
    defer { pool.put(context) }
    let bound = ZSTD_compressBound(bytes.count)
    guard ZSTD_isError(bound) == 0 else { throw .tooLarge(declared: UInt64(bytes.count), max: Int.max) }
    ZSTD_CCtx_setParameter(context.pointer, ZSTD_c_compressionLevel, level)
    // Written into memory of its own: room at the end of `output` would have to be zeroed first.
    var size = 0
    let frame = [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
      size = ZSTD_compress2(context.pointer, buffer.baseAddress, bound, bytes.baseAddress, bytes.count)
      count = ZSTD_isError(size) == 0 ? size : 0
    }
    guard ZSTD_isError(size) == 0 else { throw .damaged }
    output.append(contentsOf: frame)
  }

  /// The bytes of one frame, which tells a size of at most `maxBytes`.
  package static func decompress(_ frame: UnsafeRawBufferPointer, maxBytes: Int) throws(ZstdError) -> [UInt8] {
    let declared = ZSTD_getFrameContentSize(frame.baseAddress, frame.count)
    // The header's last two values stand for "unknown" and "error".
    guard declared < UInt64.max - 1 else { throw .noDeclaredSize }
    guard declared <= UInt64(max(0, maxBytes)) else { throw .tooLarge(declared: declared, max: maxBytes) }
    var failure: ZstdError?
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(declared)) { buffer, count in
      do throws(ZstdError) {
        try decompress(frame, into: UnsafeMutableRawBufferPointer(buffer))
        count = Int(declared)
      } catch {
        failure = error
        count = 0
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Decompresses one frame that fills `output` exactly.
  package static func decompress(
    _ frame: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(ZstdError) {
    guard let context = pool.takeDecompression() else { throw .noMemory }
    defer { pool.put(context) }
    // Exactly one frame: what follows it would otherwise be decompressed as well, or skipped in silence.
    guard ZSTD_findFrameCompressedSize(frame.baseAddress, frame.count) == frame.count else { throw .damaged }
    let size = ZSTD_decompressDCtx(
      context.pointer, output.baseAddress, output.count, frame.baseAddress, frame.count)
    guard ZSTD_isError(size) == 0, size == output.count else { throw .damaged }
  }

  private static let pool = ZstdPool()
}

/// A compression context.
///
/// `@unchecked Sendable`: it is owned by one call between `take` and `put`, and untouched in between by anyone else.
private final class CompressionContext: @unchecked Sendable {
  let pointer: OpaquePointer
  init?() {
    guard let pointer = ZSTD_createCCtx() else { return nil }
    self.pointer = pointer
  }
  deinit { ZSTD_freeCCtx(pointer) }
}

/// A decompression context with a bounded window; `@unchecked Sendable` as above.
private final class DecompressionContext: @unchecked Sendable {
  let pointer: OpaquePointer
  init?() {
    guard let pointer = ZSTD_createDCtx() else { return nil }
    // A frame may ask for a window of its own; 8 MiB is far beyond what any writer here uses.
    ZSTD_DCtx_setParameter(pointer, ZSTD_d_windowLogMax, 23)
    self.pointer = pointer
  }
  deinit { ZSTD_freeDCtx(pointer) }
}

private final class ZstdPool: Sendable {
  private let compressions = Lock<[CompressionContext]>([])
  private let decompressions = Lock<[DecompressionContext]>([])

  func takeCompression() -> CompressionContext? {
    compressions.withLock { $0.popLast() } ?? CompressionContext()
  }
  func takeDecompression() -> DecompressionContext? {
    decompressions.withLock { $0.popLast() } ?? DecompressionContext()
  }
  func put(_ context: CompressionContext) { compressions.withLock { $0.append(context) } }
  func put(_ context: DecompressionContext) { decompressions.withLock { $0.append(context) } }
}
