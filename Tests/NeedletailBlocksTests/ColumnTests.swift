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

  /// The bytes that `write` writes for as many values.
  private func column(_ values: [Double], _ write: (UnsafeBufferPointer<Double>, inout ColumnCursor) -> Void) -> [UInt8]
  {
    var bytes: [UInt8] = []
    values.withUnsafeBufferPointer { buffer in
      ColumnCursor.append(count: buffer.count, to: &bytes) { write(buffer, &$0) }
    }
    return bytes
  }

  /// As many values as `read` makes of all the bytes.
  private func values(
    _ bytes: [UInt8], count: Int,
    _ read: (inout ByteReader, UnsafeMutableBufferPointer<Double>) throws -> Void
  ) throws -> [UInt64] {
    try bytes.withUnsafeBytes { buffer in
      var reader = ByteReader(buffer)
      var values = [Double](repeating: .nan, count: count)
      try values.withUnsafeMutableBufferPointer { try read(&reader, $0) }
      try reader.expectEnd()
      return values.map(\.bitPattern)
    }
  }

  @Test("Each form is exact for the values that it is not made for, or refuses them")
  func everyForm() throws {
    for seed in UInt64(0)..<500 {
      let values = seed % 2 == 0 ? doubles(seed) : longDoubles(seed)
      let bits = column(values) { BitsColumn.encode($0, to: &$1) }
      let fromBits = try self.values(bits, count: values.count) { try BitsColumn.decode(&$0, into: $1) }
      #expect(fromBits == values.map(\.bitPattern), "seed \(seed)")
      var isDecimal = true
      let decimal = column(values) { isDecimal = DecimalColumn.encode($0, to: &$1) }
      guard isDecimal else {
        #expect(decimal.isEmpty, "seed \(seed)")
        continue
      }
      let fromDecimal = try self.values(decimal, count: values.count) { try DecimalColumn.decode(&$0, into: $1) }
      #expect(fromDecimal == values.map(\.bitPattern), "seed \(seed)")
    }
  }

  @Test("An exception of every kind at every place comes back, with its neighbours")
  func everyPlaceOfAnException() throws {
    for (number, count) in [1, 2, 3, 16, 17, 33, 127, 128, 129, 145].enumerated() {
      for place in 0..<count {
        var values = (0..<count).map { Double($0 * 37 + number) / 100 }
        values[place] = Self.specials[(place + number) % Self.specials.count]
        #expect(try decodeDoubles(encode(values)).map(\.bitPattern) == values.map(\.bitPattern), "\(place) of \(count)")
        if place + 3 < count { values[place + 3] = Self.specials[place % Self.specials.count] }
        #expect(try decodeDoubles(encode(values)).map(\.bitPattern) == values.map(\.bitPattern), "\(place) of \(count)")
      }
    }
  }

  @Test("Whole numbers around the powers of two come back, also those that are too large for the fast ways")
  func largeIntegers() throws {
    for power in 0...63 {
      for scale in [1.0, 3, 10, 1000] {
        let center = Double(sign: .plus, exponent: power, significand: 1)
        let values =
          (-70..<70).map { (center + Double($0)) / scale } + [-center / scale, center.nextUp, -center.nextDown]
        #expect(
          try decodeDoubles(encode(values)).map(\.bitPattern) == values.map(\.bitPattern), "2^\(power) / \(scale)")
      }
    }
  }

  @Test("Decimals of every exponent come back, also where only a few values have all the places")
  func everyExponent() throws {
    for places in 0...14 {
      var random = SeededGenerator(seed: UInt64(places))
      var power = 1.0
      for _ in 0..<places { power *= 10 }
      for rarity in [1, 7, 50] {
        let values = (0..<300).map { _ in
          let value = Double(Int.random(in: -99_999...99_999, using: &random))
          return Int.random(in: 0..<rarity, using: &random) == 0 ? value / power : (value / power * 10).rounded() / 10
        }
        #expect(try decodeDoubles(encode(values)).map(\.bitPattern) == values.map(\.bitPattern), "\(places), \(rarity)")
      }
    }
  }

  @Test("A column is decoded into memory of the caller, and refused where there is too little of it")
  func callersMemory() throws {
    for values in [[42.5, 42.5, 42.5], (0..<500).map { Double($0 * $0) }, doubles(3), longDoubles(4)] {
      let bytes = encode(values)
      for room in [values.count, values.count + 9] {
        var memory = [Double](repeating: 7, count: room)
        let count = try bytes.withUnsafeBytes { buffer in
          var reader = ByteReader(buffer)
          #expect(try DoubleColumn.count(reader, countMax: values.count) == values.count)
          return try memory.withUnsafeMutableBufferPointer { try DoubleColumn.decode(&reader, into: $0) }
        }
        #expect(count == values.count)
        #expect(memory.map(\.bitPattern) == (values + [Double](repeating: 7, count: room - count)).map(\.bitPattern))
      }
      var short = [Double](repeating: 7, count: max(0, values.count - 1))
      bytes.withUnsafeBytes { buffer in
        var reader = ByteReader(buffer)
        #expect(throws: MalformedBytes.invalid("impossible count")) {
          try short.withUnsafeMutableBufferPointer { _ = try DoubleColumn.decode(&reader, into: $0) }
        }
      }
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
        let isWhole = (try? DoubleColumn.decode(&reader, countMax: 2000, to: &values)) != nil
        #expect(isWhole || values.isEmpty)
        reader = ByteReader(buffer)
        try? TimestampColumn.decode(&reader, countMax: 1000, to: &times)
        #expect(values.count <= 2000 && times.count <= 1000)
        #expect((try? Zstd.decompress(buffer, maxBytes: 1 << 20)) == nil)
      }
    }
  }

  @Test("A column that ends early is refused at every length, and leaves what was decoded before")
  func truncated() {
    for seed in UInt64(0)..<20 {
      let values = seed % 2 == 0 ? longDoubles(seed) : (0..<300).map { Double($0 * Int(seed)) / 100 }
      let bytes = encode(values)
      for length in 0..<bytes.count {
        // In memory of its own, so that reading behind the end is seen by AddressSanitizer.
        let part = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
        defer { part.deallocate() }
        part.copyBytes(from: bytes[..<length])
        var reader = ByteReader(UnsafeRawBufferPointer(part))
        var decoded = [1.5]
        let isWhole = (try? DoubleColumn.decode(&reader, countMax: 2000, to: &decoded)) != nil
        #expect(!isWhole && decoded == [1.5], "seed \(seed), \(length) of \(bytes.count) bytes")
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
