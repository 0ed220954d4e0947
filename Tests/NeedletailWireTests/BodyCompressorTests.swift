import NeedletailEnvironment
import Testing

@testable import NeedletailWire

@Suite("Bodies that are compressed")
struct BodyCompressorTests {
  private func coding(_ coding: BodyCompressor.Coding) -> ContentCoding { coding == .gzip ? .gzip : .zstd }

  private func bytes(_ count: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    let isRandom = generator.next() % 3 == 0
    return (0..<count).map { isRandom ? UInt8(truncatingIfNeeded: generator.next()) : UInt8($0 / 7 % 10) + 48 }
  }

  @Test(
    "come back as they were, however they are cut into pieces", arguments: BodyCompressor.Coding.allCases,
    0..<8 as Range<UInt64>)
  func roundTrip(coding: BodyCompressor.Coding, seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let body = bytes([0, 1, 1000, 200_000][Int(seed % 4)], &generator)
    let compressor = try #require(BodyCompressor(coding))
    var output: [UInt8] = []
    var rest = body[...]
    while !rest.isEmpty {
      let piece = Array(rest.prefix(Int.random(in: 1...70_000, using: &generator)))
      #expect(piece.withUnsafeBytes { compressor.compress($0, isLast: false, into: &output) })
      rest = rest.dropFirst(piece.count)
    }
    let end = UnsafeRawBufferPointer(start: nil, count: 0)
    #expect(compressor.compress(end, isLast: true, into: &output))
    let limits = DecompressionLimits(outputMax: 1 << 20, ratioMax: 1 << 20)
    let back = try output.withUnsafeBytes {
      try Decompression.decompress($0, coding: self.coding(coding), limits: limits)
    }
    #expect(back == body)
  }

  @Test("a snappy block comes back as it was, and one of nothing is a block too")
  func snappy() throws {
    var generator = SeededGenerator(seed: 3)
    for count in [0, 1, 70_000] {
      let body = bytes(count, &generator)
      let block = try #require(BodyCompressor.snappy(body))
      let back = try block.withUnsafeBytes {
        try Decompression.decompress($0, coding: .snappy, limits: DecompressionLimits(outputMax: 1 << 20))
      }
      #expect(back == body)
    }
  }
}
