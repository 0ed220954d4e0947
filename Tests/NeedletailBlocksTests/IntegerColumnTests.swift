import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

/// Packed integers and timestamps come back to the bit, take the bytes that they should, and garbage never traps.
@Suite struct IntegerColumnTests {
  private static let extremes: [Int64] = [.min, .min + 1, -1, 0, 1, .max - 1, .max]

  /// Integers of a random shape, with and without some that do not fit to it.
  private func integers(_ random: inout SeededGenerator) -> [Int64] {
    let count = Int.random(in: 0...400, using: &random)
    let width = UInt64.random(in: 0...64, using: &random)
    let shift = UInt64.random(in: 0...70, using: &random)
    let form = Int.random(in: 0..<4, using: &random)
    let oddity = Int.random(in: 0..<3, using: &random)
    var value = Int64(bitPattern: random.next())
    var distance: Int64 = 0
    return (0..<count).map { index in
      if oddity > 0, Int.random(in: 0..<40, using: &random) == 0 {
        return oddity == 1 ? Self.extremes.randomElement(using: &random) ?? 0 : Int64(bitPattern: random.next())
      }
      let noise = Int64(bitPattern: width == 0 ? 0 : random.next() >> (64 - width))
      switch form {
      case 0: return noise << shift
      case 1: value = value &+ noise
      case 2:
        distance = distance &+ noise
        value = value &+ distance
      default: return value &+ 15_000 &* Int64(index) &+ noise
      }
      return value
    }
  }

  private func encode(_ times: [Int64]) -> [UInt8] {
    var bytes: [UInt8] = []
    times.withUnsafeBufferPointer { TimestampColumn.encode($0, to: &bytes) }
    return bytes
  }

  private func decode(_ bytes: [UInt8], countMax: Int = 1 << 20) throws -> [Int64] {
    try bytes.withUnsafeBytes { buffer in
      var reader = ByteReader(buffer)
      var times: [Int64] = []
      try TimestampColumn.decode(&reader, countMax: countMax, to: &times)
      try reader.expectEnd()
      return times
    }
  }

  @Test("Integers of every shape come back, alone and with bytes behind them")
  func integerColumns() throws {
    for seed in UInt64(0)..<2000 {
      var random = SeededGenerator(seed: seed)
      let values = integers(&random)
      let tail = [UInt8](repeating: 0xFF, count: Int.random(in: 0...12, using: &random))
      var bytes: [UInt8] = []
      values.withUnsafeBufferPointer { IntegerColumn.encode($0, to: &bytes) }
      #expect(bytes.count <= 40 + values.count * 82 / 10, "seed \(seed)")
      try (bytes + tail).withUnsafeBytes { buffer in
        var reader = ByteReader(buffer)
        let decoded = try IntegerColumn.decode(&reader, count: values.count)
        #expect(decoded == values && reader.remaining == tail.count, "seed \(seed)")
      }
    }
  }

  private func packed(_ values: [Int64]) -> [UInt8] {
    var bytes: [UInt8] = []
    values.withUnsafeBufferPointer { buffer in
      ColumnCursor.append(count: buffer.count, to: &bytes) {
        BitPacking.encode(buffer, to: &$0)
      }
    }
    return bytes
  }

  /// Decodes bytes in memory of their own, so that reading behind their end is seen by AddressSanitizer.
  private func unpacked(_ bytes: [UInt8], count: Int) throws -> [Int64] {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { memory.deallocate() }
    memory.copyBytes(from: bytes)
    let output = UnsafeMutableBufferPointer<Int64>.allocate(capacity: count)
    defer { output.deallocate() }
    output.initialize(repeating: 7)
    var reader = ByteReader(UnsafeRawBufferPointer(memory))
    try BitPacking.decode(&reader, into: output)
    try reader.expectEnd()
    return Array(output)
  }

  @Test("Groups of every width and every length come back")
  func groups() throws {
    for width in UInt64(0)...64 {
      var random = SeededGenerator(seed: width)
      for count in Array(0...130) + [255, 256, 257, 300] {
        let base = Int64(bitPattern: random.next())
        let values = (0..<count).map { _ in
          base &+ Int64(bitPattern: width == 0 ? 0 : random.next() >> (64 - width))
        }
        let bytes = packed(values)
        #expect(try unpacked(bytes, count: count) == values, "width \(width), \(count) values")
        #expect(bytes.count <= 12 + count * 82 / 10, "width \(width), \(count) values")
      }
    }
  }

  @Test("Every width with every shift comes back, and takes no bits for what all have at their lower end")
  func shifts() throws {
    for shift in UInt64(0)...63 {
      for width in UInt64(1)...(64 - shift) {
        var random = SeededGenerator(seed: shift << 8 | width)
        let count = Int.random(in: 64...128, using: &random)
        let values = (0..<count).map { _ in Int64(bitPattern: (random.next() >> (64 - width)) << shift) }
        let bytes = packed(values)
        #expect(try unpacked(bytes, count: count) == values, "width \(width), shift \(shift)")
        #expect(bytes.count <= 20 + (count * Int(width) + 7) / 8, "width \(width), shift \(shift)")
      }
    }
  }

  @Test("A value far off, above or below, is patched at every place, and costs no more than itself")
  func patches() throws {
    for width in UInt64(0)...40 {
      var random = SeededGenerator(seed: width)
      let far =
        [Int64(1) << Int64(width + 12), -(1 << Int64(width + 12)), .max, .min].randomElement(using: &random) ?? 0
      for count in [40, 112, 127, 128] {
        let values = (0..<count).map { _ in Int64(bitPattern: width == 0 ? 0 : random.next() >> (64 - width)) }
        let plain = packed(values).count
        for place in stride(from: Int(width) % 5, to: count, by: 5) {
          var odd = values
          odd[place] = far
          odd[(place + 50) % count] = far &- 3
          let bytes = packed(odd)
          #expect(try unpacked(bytes, count: count) == odd, "width \(width), \(count), place \(place)")
          #expect(bytes.count <= plain + 30, "width \(width), \(count), place \(place), far \(far)")
        }
      }
    }
  }

  @Test("Groups that mix extremes and small values come back")
  func mixtures() throws {
    for seed in UInt64(0)..<3000 {
      var random = SeededGenerator(seed: seed)
      let rarity = [1, 2, 10, 60][Int.random(in: 0..<4, using: &random)]
      let values = (0..<Int.random(in: 1...140, using: &random)).map { _ in
        Int.random(in: 0..<rarity, using: &random) == 0
          ? Self.extremes.randomElement(using: &random) ?? 0 : Int64.random(in: -4...4, using: &random)
      }
      let bytes = packed(values)
      #expect(try unpacked(bytes, count: values.count) == values, "seed \(seed)")
      #expect(bytes.count <= 24 + values.count * 82 / 10, "seed \(seed)")
    }
  }

  @Test("Groups that end early, are mutated or random give values or an error")
  func damagedGroups() {
    for seed in UInt64(0)..<4000 {
      var random = SeededGenerator(seed: seed)
      let values = integers(&random)
      var bytes = packed(values)
      switch seed % 3 {
      case 0: bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
      case 1: bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      default: break
      }
      for _ in 0..<2 where !bytes.isEmpty {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8(truncatingIfNeeded: random.next())
      }
      let decoded = try? unpacked(bytes, count: values.count)
      #expect(decoded == nil || decoded?.count == values.count, "seed \(seed)")
    }
  }

  @Test("Timestamps of any size and order come back")
  func timestamps() throws {
    for seed in UInt64(0)..<1000 {
      var random = SeededGenerator(seed: seed)
      let times = integers(&random)
      #expect(try decode(encode(times)) == times, "seed \(seed)")
    }
    for step in Self.extremes {
      for first in Self.extremes {
        let times = (0..<300).map { first &+ step &* Int64($0) }
        let bytes = encode(times)
        #expect(try decode(bytes) == times)
        #expect(bytes.count <= 23)
      }
    }
  }

  @Test("Scrapes with jitter take bits, not bytes, and a gap or a value far off costs only itself")
  func timestampSizes() throws {
    var random = SeededGenerator(seed: 5)
    var times = (0..<1024).map { 1_700_000_000_000 + Int64($0) * 15_000 + Int64.random(in: -8...7, using: &random) }
    let smooth = encode(times).count
    #expect(smooth < 1024 * 6 / 10)
    for index in 500..<1024 { times[index] += 3_600_000 }
    #expect(try decode(encode(times)) == times)
    #expect(encode(times).count < smooth * 5 / 4)
    times[100] = .min
    times[900] = .max
    #expect(try decode(encode(times)) == times)
    #expect(encode(times).count < smooth * 3 / 2)
  }

  @Test("Damaged timestamps give values or an error, and never more values than are allowed")
  func garbage() {
    for seed in UInt64(0)..<5000 {
      var random = SeededGenerator(seed: seed)
      var bytes = encode(integers(&random))
      switch Int.random(in: 0..<3, using: &random) {
      case 0: bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
      case 1: bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      default: break
      }
      for _ in 0..<3 where !bytes.isEmpty {
        bytes[Int.random(in: 0..<min(bytes.count, 30), using: &random)] = UInt8(truncatingIfNeeded: random.next())
      }
      if let times = try? decode(bytes, countMax: 500) { #expect(times.count <= 500, "seed \(seed)") }
    }
  }

  @Test("A count that the bytes do not pay for is refused")
  func counts() {
    let max = 1 << 20
    #expect(throws: MalformedBytes.invalid("impossible count")) {
      _ = try decode([1, 0xFF, 0xFF, 0x7F, 0, 0], countMax: max)
    }
    #expect(throws: MalformedBytes.invalid("impossible count")) { _ = try decode([3, 9, 0, 0, 0], countMax: 8) }
    // One value: level, then a head that cannot be, the base, and what would be packed or patched.
    #expect(throws: MalformedBytes.invalid("an impossible shift")) { _ = try decode([3, 1, 0, 65, 64, 0]) }
    #expect(throws: MalformedBytes.invalid("too many patches")) { _ = try decode([3, 1, 0, 128, 0, 2, 0, 0, 0, 0]) }
    #expect(throws: MalformedBytes.invalid("a patch outside of its group")) {
      _ = try decode([3, 1, 0, 128, 0, 1, 1, 1])
    }
    #expect(throws: MalformedBytes.invalid("unknown form")) { _ = try decode([2, 1, 0, 0, 0]) }
    #expect(throws: MalformedBytes.invalid("unknown guess")) { _ = try decode([3, 1, 4, 0, 0]) }
    #expect(throws: MalformedBytes.truncated) { _ = try decode([3, 100, 0, 5, 0]) }
    // Each group takes two bytes, so that three do not hold as many.
    #expect(throws: MalformedBytes.invalid("impossible count")) { _ = try decode([3, 0xFF, 0x7F, 0, 0, 0]) }
  }
}
