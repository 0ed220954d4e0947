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

  @Test("Groups of every width and length come back")
  func groups() throws {
    for width in UInt64(0)...64 {
      for count in [0, 1, 2, 3, 127, 128, 129, 300] {
        var random = SeededGenerator(seed: width)
        let values = (0..<count).map { _ in Int64(bitPattern: width == 0 ? 0 : random.next() >> (64 - width)) }
        var bytes: [UInt8] = []
        values.withUnsafeBufferPointer { BitPacking.encode($0, to: &bytes) }
        try bytes.withUnsafeBytes { buffer in
          var reader = ByteReader(buffer)
          var decoded = [Int64](repeating: 7, count: count)
          try decoded.withUnsafeMutableBufferPointer { try BitPacking.decode(&reader, into: $0) }
          try reader.expectEnd()
          #expect(decoded == values, "width \(width), \(count) values")
        }
      }
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
    #expect(throws: MalformedBytes.invalid("impossible count")) {
      _ = try decode([1, 0xFF, 0xFF, 0x7F, 0, 0])
    }
    #expect(throws: MalformedBytes.invalid("impossible count")) { _ = try decode([2, 0xFF, 0x7F, 0, 0, 0]) }
    #expect(throws: MalformedBytes.invalid("an impossible width")) { _ = try decode([2, 1, 0, 0, 60, 0]) }
    #expect(throws: MalformedBytes.invalid("a patch outside of its group")) {
      _ = try decode([2, 1, 0, 0, 128, 0, 1, 1, 1])
    }
  }
}
