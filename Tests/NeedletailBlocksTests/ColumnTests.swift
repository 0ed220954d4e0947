import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

/// Columns come back to the bit, and garbage never traps.
@Suite struct ColumnTests {
  private static let specials: [Double] = [
    0, -0.0, .nan, .signalingNaN, Double(bitPattern: 0x7FF0_0000_0000_0002), Double(bitPattern: 0xFFF8_0000_0000_1234),
    .infinity, -.infinity, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .leastNormalMagnitude,
    .greatestFiniteMagnitude, 9_007_199_254_740_994, -9_007_199_254_740_992, 0.1, 1e300, 42.5,
  ]

  private func doubles(_ seed: UInt64) -> [Double] {
    var random = SeededGenerator(seed: seed)
    let count = Int.random(in: 0...200, using: &random)
    var walk = Double(Int.random(in: -1000...1000, using: &random))
    let form = Int.random(in: 0..<7, using: &random)
    return (0..<count).map { _ in
      switch form {
      case 0: return 42.5
      case 1: return Double(Int.random(in: -5...5, using: &random)) * 4096
      case 2:
        walk += Double(Int.random(in: -99...99, using: &random))
        return walk / 100
      case 3: return Double(bitPattern: random.next())
      case 4: return Double.random(in: -1...1, using: &random)
      case 5: return Self.specials[Int.random(in: 0..<Self.specials.count, using: &random)]
      default: return Bool.random(using: &random) ? walk : Self.specials[2]
      }
    }
  }

  /// As many values as fill several groups, with a few of another kind among them.
  private func longDoubles(_ seed: UInt64) -> [Double] {
    var random = SeededGenerator(seed: seed)
    let places = [1.0, 10, 100, 1e5, 1e12, 1024, 3][Int.random(in: 0..<7, using: &random)]
    let rarity = [8, 30, 1000][Int.random(in: 0..<3, using: &random)]
    let unit = [1, 4096, -1][Int.random(in: 0..<3, using: &random)]
    var walk = Int.random(in: -1_000_000...1_000_000, using: &random)
    return (0..<Int.random(in: 100...1200, using: &random)).map { _ in
      walk += Int.random(in: 0...50, using: &random) * unit
      guard Int.random(in: 0..<rarity, using: &random) == 0 else { return Double(walk) / places }
      return Bool.random(using: &random)
        ? Self.specials[Int.random(in: 0..<Self.specials.count, using: &random)] : Double(bitPattern: random.next())
    }
  }

  private func encode(_ values: [Double]) -> [UInt8] {
    var bytes: [UInt8] = []
    values.withUnsafeBufferPointer { DoubleColumn.encode($0, to: &bytes) }
    return bytes
  }

  @Test("Long columns with stale markers, infinities and odd values among the others come back with the same bits")
  func longFloats() throws {
    for seed in UInt64(0)..<500 {
      let values = longDoubles(seed)
      let bytes = encode(values)
      #expect(try decodeDoubles(bytes).map(\.bitPattern) == values.map(\.bitPattern), "seed \(seed)")
      #expect(bytes.count <= 60 + values.count * 82 / 10, "seed \(seed)")
    }
  }

  @Test("Each form is exact for the values that it is not made for, or refuses them")
  func everyForm() throws {
    for seed in UInt64(0)..<500 {
      let values = seed % 2 == 0 ? doubles(seed) : longDoubles(seed)
      var xor: [UInt8] = []
      var decimal: [UInt8] = []
      values.withUnsafeBufferPointer { buffer in
        buffer.withMemoryRebound(to: UInt64.self) { XorColumn.encode($0, to: &xor) }
        if !DecimalColumn.encode(buffer, to: &decimal) { #expect(decimal.isEmpty) }
      }
      var fromXor = [1.5]
      var fromDecimal = [1.5]
      try xor.withUnsafeBytes { bytes in
        var reader = ByteReader(bytes)
        try XorColumn.decode(&reader, count: values.count, to: &fromXor)
        try reader.expectEnd()
      }
      #expect(fromXor.map(\.bitPattern) == ([1.5] + values).map(\.bitPattern), "seed \(seed)")
      guard !decimal.isEmpty else { continue }
      try decimal.withUnsafeBytes { bytes in
        var reader = ByteReader(bytes)
        try DecimalColumn.decode(&reader, count: values.count, to: &fromDecimal)
        try reader.expectEnd()
      }
      #expect(fromDecimal.map(\.bitPattern) == ([1.5] + values).map(\.bitPattern), "seed \(seed)")
    }
  }

  @Test("A stale marker and a few odd values do not make a column large")
  func exceptionSizes() throws {
    var random = SeededGenerator(seed: 3)
    var level = 5000
    var values: [Double] = []
    for _ in 0..<1000 {
      level += Int.random(in: -30...30, using: &random)
      values.append(Double(level) / 100)
    }
    let plain = encode(values).count
    values[300] = Self.specials[4]
    values[301] = -0.0
    values[700] = 0.1 + 0.2
    values[999] = .infinity
    let bytes = encode(values)
    #expect(try decodeDoubles(bytes).map(\.bitPattern) == values.map(\.bitPattern))
    #expect(bytes.count < plain + 110)
  }

  private func decodeDoubles(_ bytes: [UInt8]) throws -> [Double] {
    try bytes.withUnsafeBytes { buffer in
      var reader = ByteReader(buffer)
      var values: [Double] = []
      try DoubleColumn.decode(&reader, to: &values)
      try reader.expectEnd()
      return values
    }
  }

  @Test("Floats of every kind come back with the same bits")
  func floats() throws {
    for seed in UInt64(0)..<1000 {
      let values = doubles(seed)
      var bytes: [UInt8] = [1, 2]
      values.withUnsafeBufferPointer { DoubleColumn.encode($0, to: &bytes) }
      let decoded = try decodeDoubles(Array(bytes.dropFirst(2)))
      #expect(decoded.map(\.bitPattern) == values.map(\.bitPattern), "seed \(seed)")
      #expect(bytes.count <= 32 + values.count * 9, "seed \(seed)")
    }
  }

  @Test("Counters and rounded gauges take about a byte a value")
  func sizes() throws {
    var random = SeededGenerator(seed: 1)
    var total = 0.0
    let counter = (0..<1000).map { _ in
      total += Double(Int.random(in: 0...60, using: &random))
      return total
    }
    var level = 5000
    let gauge = (0..<1000).map { _ in
      level += Int.random(in: -30...30, using: &random)
      return Double(level) / 100
    }
    for values in [counter, gauge] {
      var bytes: [UInt8] = []
      values.withUnsafeBufferPointer { DoubleColumn.encode($0, to: &bytes) }
      #expect(bytes.count < 1100)
    }
  }

  @Test("Random and mutated bytes give values or an error, never a trap and never more memory than they pay for")
  func garbage() throws {
    for seed in UInt64(0)..<3000 {
      var random = SeededGenerator(seed: seed)
      var bytes: [UInt8] = []
      if Bool.random(using: &random) {
        bytes = encode(seed % 3 == 0 ? longDoubles(seed) : doubles(seed))
        if seed % 5 == 0 { bytes.removeLast(bytes.count / 3) }
        for _ in 0..<3 {
          bytes[Int.random(in: 0..<min(40, bytes.count), using: &random)] = .random(in: 0...255, using: &random)
        }
      } else {
        let count = Int.random(in: 0...40, using: &random)
        bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        if !bytes.isEmpty { bytes[0] = UInt8.random(in: 0...5, using: &random) }
      }
      bytes.withUnsafeBytes { buffer in
        var values: [Double] = []
        var times: [Int64] = []
        var reader = ByteReader(buffer)
        try? DoubleColumn.decode(&reader, countMax: 2000, to: &values)
        reader = ByteReader(buffer)
        try? TimestampColumn.decode(&reader, countMax: 1000, to: &times)
        #expect(values.count <= 2000 && times.count <= 1000)
        #expect((try? Zstd.decompress(buffer, maxBytes: 1 << 20)) == nil)
      }
    }
  }

  @Test("A frame that declares too much, or nothing, or is followed by another is refused before it costs memory")
  func bombs() throws {
    var frame: [UInt8] = []
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    try zeros.withUnsafeBytes { try Zstd.compress($0, appendingTo: &frame) }
    #expect(frame.count < 1000)
    func decompress(_ bytes: [UInt8], maxBytes: Int) throws -> [UInt8] {
      try bytes.withUnsafeBytes { try Zstd.decompress($0, maxBytes: maxBytes) }
    }
    #expect(throws: ZstdError.tooLarge(declared: 1 << 20, max: 1000)) { _ = try decompress(frame, maxBytes: 1000) }
    #expect(try decompress(frame, maxBytes: 1 << 20) == zeros)
    #expect(throws: ZstdError.damaged) { _ = try decompress(frame + frame, maxBytes: 1 << 20) }
    // A frame header with no content size (descriptor 0, window byte), then a last raw block.
    let undeclared: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x58, 0x09, 0x00, 0x00, 0x41]
    #expect(throws: ZstdError.noDeclaredSize) { _ = try decompress(undeclared, maxBytes: 1 << 20) }
  }
}
