// Integers as they come from clocks and counters. What is bit-packed is what a simple guess leaves: nothing (noise
// around a level), the predecessor (walks, counters), the predecessor and its distance to its own (what grows evenly),
// or a straight line (clocks that tick with jitter). What the header holds stands before the first value, so that the
// decoder treats all values alike.

import NeedletailTelemetry

/// 64-bit integers, bit-packed after a guess; their number is told by the column that holds them.
package enum IntegerColumn {
  /// Appends the column: at most 8.2 bytes a value, and 40.
  package static func encode(_ values: UnsafeBufferPointer<Int64>, to output: inout [UInt8]) {
    ColumnCursor.append(count: values.count, to: &output) { encode(values, to: &$0) }
  }

  /// The same where there is room already.
  static func encode(_ values: UnsafeBufferPointer<Int64>, to cursor: inout ColumnCursor) {
    guard let source = values.baseAddress, !values.isEmpty else { return }
    let (guess, step) = IntegerGuess.choose(source, count: values.count)
    let start = guess.start(source, step: step)
    cursor.write(byte: guess.rawValue)
    if guess != .level { cursor.writeSignedVarint(start.value) }
    if guess == .deltaOfDelta || guess == .line { cursor.writeSignedVarint(start.step) }
    BitPacking.encode(count: values.count, to: &cursor) { first, size, group in
      // The values of which a guess knows too little are packed as the next one is.
      let skipped = first == 0 ? guess.known : 0
      let values = source + first
      switch guess {
      case .level: group.update(from: values, count: size)
      case .delta: writeSteps(values, skipping: skipped, count: size, into: group)
      case .deltaOfDelta:
        for index in skipped..<size {
          group[index] = values[index] &- values[index - 1] &- values[index - 1] &+ values[index - 2]
        }
      case .line:
        var expected = start.value &+ start.step &* Int64(first + 1)
        for index in 0..<size {
          group[index] = values[index] &- expected
          expected = expected &+ start.step
        }
      }
      for index in 0..<skipped { group[index] = group[skipped] }
    }
  }

  /// Each value less its predecessor, which there is but for the first `skipped`.
  @inline(__always) private static func writeSteps(
    _ values: UnsafePointer<Int64>, skipping skipped: Int, count: Int, into group: UnsafeMutablePointer<Int64>
  ) {
    var index = skipped
    while index < min(4, count) {
      group[index] = values[index] &- values[index &- 1]
      index &+= 1
    }
    let source = UnsafeRawPointer(values)
    let target = UnsafeMutableRawPointer(group)
    while index &+ 4 <= count {
      let row = source.loadUnaligned(fromByteOffset: index &* 8, as: SIMD4<Int64>.self)
      let before = source.loadUnaligned(fromByteOffset: index &* 8 &- 8, as: SIMD4<Int64>.self)
      target.storeBytes(of: row &- before, toByteOffset: index &* 8, as: SIMD4<Int64>.self)
      index &+= 4
    }
    while index < count {
      group[index] = values[index] &- values[index &- 1]
      index &+= 1
    }
  }

  /// The most values that `bytes` bytes can hold.
  package static func countMax(bytes: Int) -> Int { BitPacking.countMax(bytes: bytes) }

  /// The next `count` values; the reader stands behind the column then.
  ///
  /// A count that the bytes cannot hold is refused before anything is allocated.
  package static func decode(_ reader: inout ByteReader, count: Int) throws(MalformedBytes) -> [Int64] {
    guard count >= 0, count <= countMax(bytes: reader.remaining) else { throw .invalid("impossible count") }
    var values: [Int64] = []
    try values.append(addingCapacity: count) { span throws(MalformedBytes) in
      try span.withUnsafeMutableBufferPointer { buffer, initialized throws(MalformedBytes) in
        try decode(&reader, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
        initialized = count
      }
    }
    return values
  }

  /// Fills `output`, which may hold anything before, with as many values; the reader stands behind the column then.
  package static func decode(
    _ reader: inout ByteReader, into output: UnsafeMutableBufferPointer<Int64>
  ) throws(MalformedBytes) {
    guard let target = output.baseAddress, !output.isEmpty else { return }
    guard let guess = IntegerGuess(rawValue: try reader.read(UInt8.self)) else { throw .invalid("unknown guess") }
    var value = guess == .level ? 0 : try reader.readSignedVarint()
    var step = guess == .deltaOfDelta || guess == .line ? try reader.readSignedVarint() : 0
    switch guess {
    case .level: try BitPacking.decode(&reader, count: output.count, into: target) { _, _ in }
    case .delta:
      try BitPacking.decode(&reader, count: output.count, into: target) { group, count in
        for index in 0..<count {
          value = value &+ group[index]
          group[index] = value
        }
      }
    case .deltaOfDelta:
      try BitPacking.decode(&reader, count: output.count, into: target) { group, count in
        for index in 0..<count {
          step = step &+ group[index]
          value = value &+ step
          group[index] = value
        }
      }
    case .line:
      try BitPacking.decode(&reader, count: output.count, into: target) { group, count in
        for index in 0..<count {
          value = value &+ step
          group[index] = group[index] &+ value
        }
      }
    }
  }
}
