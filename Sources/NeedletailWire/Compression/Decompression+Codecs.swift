import CSnappy
import CZlib
import CZstd
import NeedletailEnvironment

extension Decompression {
  /// One snappy block: it declares its size, which is checked before memory is taken.
  static func snappyBody(
    _ bytes: UnsafeRawBufferPointer, limits: DecompressionLimits
  ) throws(DecompressionError) -> [UInt8] {
    let source = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
    var length = 0
    guard let source, snappy_uncompressed_length(source, bytes.count, &length) == SNAPPY_OK, length >= 0 else {
      throw .malformed(.snappy)
    }
    guard length <= limits.cap(input: bytes.count) else { throw limits.refusal(input: bytes.count) }
    guard length > 0 else {
      // Nothing may follow the promise of nothing.
      guard snappy_validate_compressed_buffer(source, bytes.count) == SNAPPY_OK else { throw .malformed(.snappy) }
      return []
    }
    let output = [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
      var written = length
      let target = UnsafeMutableRawPointer(buffer.baseAddress)?.assumingMemoryBound(to: CChar.self)
      count = snappy_uncompress(source, bytes.count, target, &written) == SNAPPY_OK ? written : 0
    }
    guard output.count == length else { throw .malformed(.snappy) }
    return output
  }

  /// Gzip members one after the other, a zlib stream, or (as some senders understand "deflate") a raw deflate stream.
  static func inflateBody(
    _ bytes: UnsafeRawBufferPointer, coding: ContentCoding, limits: DecompressionLimits
  ) throws(DecompressionError) -> [UInt8] {
    guard let base = bytes.baseAddress, let inputCount = UInt32(exactly: bytes.count) else { throw .malformed(coding) }
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    let hasZlibHeader = bytes.count >= 2 && bytes[0] & 0x0f == 8 && (Int(bytes[0]) << 8 | Int(bytes[1])) % 31 == 0
    let windowBits: Int32 = coding == .gzip ? 15 + 16 : (hasZlibHeader ? 15 : -15)
    guard inflateInit2_(stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw .exhausted
    }
    defer { inflateEnd(stream) }
    // zlib does not write through this pointer; its declaration merely lacks `const`.
    stream.pointee.next_in = UnsafeMutablePointer(mutating: base.assumingMemoryBound(to: UInt8.self))
    stream.pointee.avail_in = inputCount
    var output = CappedOutput(cap: limits.cap(input: bytes.count), expecting: bytes.count.multipliedClamped(by: 4))
    while true {
      var result = Z_OK
      output.fill { room in
        let size = UInt32(clamping: room.count)
        stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = size
        result = inflate(stream, Z_NO_FLUSH)
        return Int(size - stream.pointee.avail_out)
      }
      if output.isOver { throw limits.refusal(input: bytes.count) }
      if result == Z_STREAM_END {
        if stream.pointee.avail_in == 0 { return output.finish() }
        guard coding == .gzip, inflateReset(stream) == Z_OK else { throw .malformed(coding) }
        continue
      }
      guard result == Z_OK || (result == Z_BUF_ERROR && output.isFull) else { throw .malformed(coding) }
      if stream.pointee.avail_in == 0 && !output.isFull { throw .malformed(coding) }
    }
  }

  /// What zstd returns for a window above the limit: error codes, which zstd keeps stable, come back negated.
  private static let windowTooLarge = 0 &- 16

  /// Zstd frames one after the other, skippable ones included.
  static func zstdBody(
    _ bytes: UnsafeRawBufferPointer, limits: DecompressionLimits
  ) throws(DecompressionError) -> [UInt8] {
    let cap = limits.cap(input: bytes.count)
    let declared = ZSTD_getFrameContentSize(bytes.baseAddress, bytes.count)
    // The two greatest numbers mean "not declared" and "not a frame".
    let isDeclared = declared < UInt64.max - 1
    if isDeclared, declared > UInt64(cap) { throw limits.refusal(input: bytes.count) }
    guard !bytes.isEmpty else { throw .malformed(.zstd) }
    guard let context = ZstdContexts.shared.take() else { throw .exhausted }
    defer { ZstdContexts.shared.give(context) }
    var output = CappedOutput(
      cap: cap, expecting: isDeclared ? Int(clamping: declared) : bytes.count.multipliedClamped(by: 8))
    var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
    while true {
      var result = 0
      output.fill { room in
        var target = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
        result = ZSTD_decompressStream(context.stream, &target, &input)
        return target.pos
      }
      if ZSTD_isError(result) != 0 {
        throw result == windowTooLarge ? .windowTooLarge(limit: zstdWindowLogMax) : .malformed(.zstd)
      }
      if output.isOver { throw limits.refusal(input: bytes.count) }
      guard input.pos == input.size else { continue }
      if result == 0 { return output.finish() }
      if !output.isFull { throw .malformed(.zstd) }
    }
  }
}

extension Int {
  fileprivate func multipliedClamped(by factor: Int) -> Int {
    let (product, overflow) = multipliedReportingOverflow(by: factor)
    return overflow ? .max : product
  }
}

/// A zstd decompressor.
///
/// Sendable because one owner at a time holds it: `ZstdContexts` hands it out and takes it back.
private final class ZstdContext: @unchecked Sendable {
  let stream: OpaquePointer

  init?() {
    guard let stream = ZSTD_createDStream() else { return nil }
    self.stream = stream
  }

  /// Makes it ready for another body; false where zstd refuses.
  func reset() -> Bool {
    ZSTD_isError(ZSTD_DCtx_reset(stream, ZSTD_reset_session_and_parameters)) == 0
      && ZSTD_isError(
        ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, Int32(Decompression.zstdWindowLogMax))) == 0
  }

  deinit { ZSTD_freeDStream(stream) }
}

/// Keeps a few decompressors: making one costs as much as decompressing 4 KiB.
private final class ZstdContexts: Sendable {
  static let shared = ZstdContexts()
  private static let keptMax = 8
  private let free = Lock<[ZstdContext]>([])

  func take() -> ZstdContext? {
    guard let context = free.withLock({ $0.popLast() }) ?? ZstdContext(), context.reset() else { return nil }
    return context
  }

  func give(_ context: ZstdContext) {
    free.withLock { if $0.count < Self.keptMax { $0.append(context) } }
  }
}
