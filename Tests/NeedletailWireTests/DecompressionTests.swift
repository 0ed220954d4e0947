import CSnappy
import CZlib
import CZstd
import NeedletailEnvironment
import Testing

@testable import NeedletailWire

@Suite struct DecompressionTests {
  static func compress(_ bytes: [UInt8], _ coding: ContentCoding) -> [UInt8] {
    switch coding {
    case .identity: return bytes
    case .zstd:
      var output = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
      output.removeLast(output.count - ZSTD_compress(&output, output.count, bytes, bytes.count, 1))
      return output
    case .snappy:
      var count = snappy_max_compressed_length(bytes.count)
      var output = [CChar](repeating: 0, count: count)
      _ = bytes.withUnsafeBytes {
        snappy_compress($0.assumingMemoryBound(to: CChar.self).baseAddress, $0.count, &output, &count)
      }
      return output.prefix(count).map { UInt8(bitPattern: $0) }
    case .gzip, .deflate:
      var stream = z_stream()
      deflateInit2_(
        &stream, 6, Z_DEFLATED, coding == .gzip ? 31 : 15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size))
      var input = bytes
      var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))) + 64)
      let written = input.withUnsafeMutableBufferPointer { input in
        output.withUnsafeMutableBufferPointer { output in
          stream.next_in = input.baseAddress
          stream.avail_in = UInt32(input.count)
          stream.next_out = output.baseAddress
          stream.avail_out = UInt32(output.count)
          deflate(&stream, Z_FINISH)
          return Int(stream.total_out)
        }
      }
      deflateEnd(&stream)
      return Array(output.prefix(written))
    }
  }

  private func decompress(
    _ bytes: [UInt8], _ coding: ContentCoding, _ limits: DecompressionLimits = .otlp
  ) throws -> [UInt8] {
    try bytes.withUnsafeBytes { try Decompression.decompress($0, coding: coding, limits: limits) }
  }

  @Test("every coding gives back what was compressed", arguments: ContentCoding.allCases)
  func roundTrip(coding: ContentCoding) throws {
    var generator = SeededGenerator(seed: 9)
    for count in [0, 1, 100, 5000, 300_000] {
      let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next() & 15) }
      #expect(try decompress(Self.compress(bytes, coding), coding) == bytes)
    }
  }

  @Test("concatenated members and frames are one body", arguments: [ContentCoding.gzip, .zstd])
  func concatenated(coding: ContentCoding) throws {
    let parts = [Array("one".utf8), Array(repeating: UInt8(7), count: 9000), Array("three".utf8)]
    #expect(try decompress(parts.flatMap { Self.compress($0, coding) }, coding) == parts.flatMap { $0 })
  }

  @Test("a bomb is refused, alone and in pieces", arguments: [ContentCoding.gzip, .deflate, .zstd])
  func bombs(coding: ContentCoding) {
    let zeros = [UInt8](repeating: 0, count: 3 << 20)
    let bomb = Self.compress(zeros, coding)
    #expect(throws: DecompressionError.suspiciousRatio(limit: 200)) { try decompress(bomb, coding) }
    #expect(throws: DecompressionError.tooLarge(limit: 1000)) {
      try decompress(bomb, coding, DecompressionLimits(outputMax: 1000))
    }
    if coding != .deflate {
      #expect(throws: DecompressionError.self) { try decompress((0..<20).flatMap { _ in bomb }, coding) }
    }
  }

  @Test("a declared size above the limit is refused before memory is taken") func declared() {
    // A snappy block that declares 4 GiB - 1, and a zstd frame header that declares 2^62 bytes.
    #expect(throws: DecompressionError.suspiciousRatio(limit: 200)) {
      try decompress([0xff, 0xff, 0xff, 0xff, 0x0f, 0x00], .snappy)
    }
    let frame: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40, 1, 0, 0]
    #expect(throws: DecompressionError.suspiciousRatio(limit: 200)) { try decompress(frame, .zstd) }
    // A frame without declared size whose window is 2^27.
    let window: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 1, 0, 0]
    #expect(throws: DecompressionError.windowTooLarge(limit: 23)) { try decompress(window, .zstd) }
  }

  @Test("a snappy block that declares nothing holds nothing") func nothing() throws {
    #expect(try decompress([0], .snappy).isEmpty)
    for rest in [[0], [0x04, 0x61], [0x88, 0x47, 0x55]] as [[UInt8]] {
      #expect(throws: DecompressionError.malformed(.snappy)) { try decompress([0] + rest, .snappy) }
    }
  }

  @Test("cut and damaged bodies are refused or stay within the limit", arguments: ContentCoding.allCases.dropFirst())
  func damaged(coding: ContentCoding) {
    var generator = SeededGenerator(seed: 3)
    let whole = Self.compress((0..<20_000).map { UInt8(truncatingIfNeeded: $0 / 7) }, coding)
    for _ in 0..<500 {
      let cut = Array(whole.prefix(Int(generator.next() % UInt64(whole.count))))
      #expect(throws: DecompressionError.self) { try decompress(cut, coding) }
      var changed = whole
      for _ in 0..<3 {
        changed[Int(generator.next() % UInt64(whole.count))] = UInt8(truncatingIfNeeded: generator.next())
      }
      let output = (try? decompress(changed, coding)) ?? []
      #expect(output.count <= DecompressionLimits.otlp.cap(input: whole.count))
    }
  }
}
