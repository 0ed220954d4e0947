// Integers as they come from clocks and counters. What is bit-packed is what a simple guess leaves: nothing (noise
// around a level), the predecessor (walks, counters), the predecessor and its distance to its own (what grows evenly),
// or a straight line (clocks that tick with jitter). Trailing zero bits that all share are dropped before.

import NeedletailTelemetry

/// 64-bit integers, bit-packed after a guess; their number is told by the column that holds them.
package enum IntegerColumn {
  /// What is left to be packed.
  package enum Guess: UInt8, CaseIterable, Sendable {
    /// The value itself.
    case level = 0
    /// Value less predecessor.
    case delta = 1
    /// Distance to the predecessor less the predecessor's.
    case deltaOfDelta = 2
    /// Value less what it is on a line through the first, with the median step.
    case line = 3
  }

  private static let sampleWindow = 32
  private static let sampleWindows = 4
  private static let stepReach = 64
  private static let stepSamples = 8

  /// Appends the column: at most 8.2 bytes a value, and 40.
  package static func encode(_ values: UnsafeBufferPointer<Int64>, to output: inout [UInt8]) {
    guard let first = values.first else { return }
    var all: Int64 = 0
    for value in values { all |= value }
    let shift = all == 0 ? 0 : all.trailingZeroBitCount
    let step = medianStep(values)
    let guess = choose(values, step: step)
    let start = first >> Int64(shift)
    output.append(guess.rawValue)
    output.append(UInt8(shift))
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: values.count) { rest in
      switch guess {
      case .level:
        for index in 0..<values.count { rest[index] = values[index] &>> Int64(shift) }
      case .line:
        let step = step &>> Int64(shift)
        output.appendVarint(ZigZag.encode(start))
        output.appendVarint(ZigZag.encode(step))
        var expected = start
        for index in 0..<values.count {
          rest[index] = (values[index] &>> Int64(shift)) &- expected
          expected = expected &+ step
        }
      case .delta, .deltaOfDelta:
        output.appendVarint(ZigZag.encode(start))
        var previous = start
        for index in 0..<values.count {
          let value = values[index] &>> Int64(shift)
          rest[index] = value &- previous
          previous = value
        }
      }
      var skipped = guess == .level ? 0 : 1
      if guess == .deltaOfDelta, values.count > 1 {
        output.appendVarint(ZigZag.encode(rest[1]))
        for index in stride(from: values.count - 1, to: 1, by: -1) { rest[index] = rest[index] &- rest[index - 1] }
        skipped = 2
      }
      BitPacking.encode(UnsafeBufferPointer(rebasing: rest[min(skipped, values.count)...]), to: &output)
    }
  }

  /// The median of a few steps, each the mean over many values, so that jitter does not bend the line.
  private static func medianStep(_ values: UnsafeBufferPointer<Int64>) -> Int64 {
    guard values.count > 2 else { return 0 }
    let reach = min(stepReach, values.count / 2)
    let distance = max(1, (values.count - reach) / stepSamples)
    var steps: [Int64] = []
    steps.reserveCapacity(stepSamples + 1)
    for index in stride(from: 0, to: values.count - reach, by: distance) where steps.count <= stepSamples {
      steps.append((values[index + reach] &- values[index] &+ Int64(reach / 2)) / Int64(reach))
    }
    steps.sort()
    return steps[steps.count / 2]
  }

  /// The guess that leaves the fewest bits in a few windows of the values; of equals the one that decodes fastest.
  private static func choose(_ values: UnsafeBufferPointer<Int64>, step: Int64) -> Guess {
    guard values.count > 3 else { return .level }
    var costs = (level: 0, delta: 0, second: 0, line: 0)
    let distance = max(sampleWindow, values.count / sampleWindows)
    for start in stride(from: 0, to: values.count - 3, by: distance) {
      let center = min(start + sampleWindow / 2, values.count - 1)
      let middle = values[center]
      for index in (start + 2)..<min(start + sampleWindow, values.count) {
        let value = values[index]
        let delta = value &- values[index - 1]
        costs.level += bits(value &- middle)
        costs.delta += bits(delta &- step)
        costs.second += bits(delta &- (values[index - 1] &- values[index - 2]))
        costs.line += bits(value &- middle &- step &* Int64(index - center))
      }
    }
    let least = min(costs.level, costs.delta, costs.second, costs.line)
    if costs.level == least { return .level }
    if costs.delta == least { return .delta }
    return costs.line == least ? .line : .deltaOfDelta
  }

  private static func bits(_ value: Int64) -> Int { 64 - ZigZag.encode(value).leadingZeroBitCount }

  /// The most values that `bytes` bytes can hold: two stand before the groups, which cannot be without their head.
  package static func countMax(bytes: Int) -> Int {
    let packed = BitPacking.countMax(bytes: bytes)
    return packed > Int.max - 2 ? packed : packed + 2
  }

  /// The next `count` values; the reader stands behind the column then.
  ///
  /// A count that the bytes cannot hold is refused before anything is allocated.
  package static func decode(_ reader: inout ByteReader, count: Int) throws(MalformedBytes) -> [Int64] {
    guard count >= 0, count <= countMax(bytes: reader.remaining) else { throw .invalid("impossible count") }
    var failure: MalformedBytes?
    let values = [Int64](unsafeUninitializedCapacity: count) { buffer, initialized in
      let output = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
      do throws(MalformedBytes) {
        try decode(&reader, into: output)
        initialized = count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return values
  }

  /// Fills `output` with as many values; the reader stands behind the column then.
  package static func decode(
    _ reader: inout ByteReader, into output: UnsafeMutableBufferPointer<Int64>
  ) throws(MalformedBytes) {
    guard !output.isEmpty else { return }
    guard let guess = Guess(rawValue: try reader.read(UInt8.self)) else { throw .invalid("unknown guess") }
    let shift = try reader.read(UInt8.self)
    guard shift < 64 else { throw .invalid("an impossible shift") }
    let scale = Int64(bitPattern: 1 << UInt64(shift))
    if guess == .level {
      try BitPacking.decode(&reader, into: output)
      if shift > 0 { for index in 0..<output.count { output[index] = output[index] &* scale } }
      return
    }
    var value = (try reader.readSignedVarint()) &* scale
    var step: Int64 = 0
    var known = 1
    if guess == .line || (guess == .deltaOfDelta && output.count > 1) {
      step = (try reader.readSignedVarint()) &* scale
    }
    output[0] = value
    if guess == .deltaOfDelta, output.count > 1 {
      value = value &+ step
      output[1] = value
      known = 2
    }
    let rest = UnsafeMutableBufferPointer(rebasing: output[known...])
    try BitPacking.decode(&reader, into: rest)
    switch guess {
    case .level: break
    case .delta:
      for index in 0..<rest.count {
        value = value &+ rest[index] &* scale
        rest[index] = value
      }
    case .deltaOfDelta:
      for index in 0..<rest.count {
        step = step &+ rest[index] &* scale
        value = value &+ step
        rest[index] = value
      }
    case .line:
      for index in 0..<rest.count {
        value = value &+ step
        rest[index] = value &+ rest[index] &* scale
      }
    }
  }
}
