// Floats of which nothing is known. Neighbours share sign, exponent and the first bits of the mantissa: of each value's
// bits xor its predecessor's those are zero. The sign is turned to the lowest place first, so that values around zero
// do not pay for it.

import NeedletailTelemetry

/// Floats as bit-packed differences of their bits: 7 to 8 bytes for full mantissas, exact for all.
package enum XorColumn {
  /// Appends the column: at most 8.2 bytes a value, and 40.
  package static func encode(_ values: UnsafeBufferPointer<UInt64>, to output: inout [UInt8]) {
    guard let first = values.first else { return }
    output.appendInteger(first)
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: values.count) { changes in
      var previous = turned(first)
      var all: UInt64 = 0
      for index in 1..<values.count {
        let bits = turned(values[index])
        changes[index] = Int64(bitPattern: bits ^ previous)
        all |= bits ^ previous
        previous = bits
      }
      let shift = all == 0 ? 0 : UInt64(all.trailingZeroBitCount)
      output.append(UInt8(shift))
      if shift > 0 {
        for index in 1..<values.count {
          changes[index] = Int64(bitPattern: UInt64(bitPattern: changes[index]) &>> shift)
        }
      }
      BitPacking.encode(UnsafeBufferPointer(rebasing: changes[1...]), to: &output)
    }
  }

  @inline(__always) private static func turned(_ bits: UInt64) -> UInt64 { bits << 1 | bits >> 63 }
  @inline(__always) private static func turnedBack(_ bits: UInt64) -> UInt64 { bits >> 1 | bits << 63 }

  /// Appends `count` values; the reader stands behind the column then.
  package static func decode(
    _ reader: inout ByteReader, count: Int, to output: inout [Double]
  ) throws(MalformedBytes) {
    guard count > 0 else { return }
    var previous = turned(try reader.read(UInt64.self))
    let shift = UInt64(try reader.read(UInt8.self))
    guard shift < 64, count - 1 <= BitPacking.countMax(bytes: reader.remaining) else {
      throw .invalid("impossible count")
    }
    try ColumnMemory.withIntegers(count: count - 1) { changes throws(MalformedBytes) in
      try BitPacking.decode(&reader, into: changes)
      ColumnMemory.append(count: count, to: &output) { target in
        target[0] = Double(bitPattern: turnedBack(previous))
        for index in 0..<changes.count {
          previous ^= UInt64(bitPattern: changes[index]) &<< shift
          target[index + 1] = Double(bitPattern: turnedBack(previous))
        }
      }
    }
  }
}
