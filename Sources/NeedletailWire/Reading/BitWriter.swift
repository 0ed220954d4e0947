/// Writes bits one behind the other, the highest of each number first, as Prometheus' chunks have them.
struct BitWriter {
  private(set) var bytes: [UInt8]
  /// How many bits of the last byte are free.
  private var free = 0

  /// A writer behind bytes that are there.
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Replaces a byte that was written.
  mutating func replace(_ byte: UInt8, at index: Int) { bytes[index] = byte }

  /// Writes the lowest `count` bits of a number, at most 64.
  mutating func write(_ value: UInt64, bits count: Int) {
    guard count > 0 else { return }
    var rest = value << UInt64(64 - count)
    var left = count
    if free > 0 {
      bytes[bytes.count - 1] |= UInt8(truncatingIfNeeded: rest >> UInt64(64 - free))
      if left < free {
        free -= left
        return
      }
      rest <<= UInt64(free)
      left -= free
      free = 0
    }
    while left > 0 {
      bytes.append(UInt8(truncatingIfNeeded: rest >> 56))
      rest <<= 8
      left -= 8
    }
    free = -left
  }

  mutating func write(bit: Bool) { write(bit ? 1 : 0, bits: 1) }

  /// Writes a base-128 varint.
  mutating func writeVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      write(rest & 0x7f | 0x80, bits: 8)
      rest >>= 7
    }
    write(rest, bits: 8)
  }

  /// Writes a base-128 varint of a signed number, zigzag.
  mutating func writeSignedVarint(_ value: Int64) { writeVarint(UInt64(bitPattern: (value << 1) ^ (value >> 63))) }

  /// Whether a number is one of `count` bits that stand for -2^(count-1)+1 ... 2^(count-1).
  static func fits(_ value: Int64, bits count: Int) -> Bool {
    let half = Int64(1) << Int64(count - 1)
    return value > -half && value <= half
  }

  /// The sizes of varbit numbers by the number of ones in front of them.
  private static let varbitSizes = [3, 6, 9, 12, 18, 25, 56]

  /// Writes a signed number in as many bits as it needs, of some sizes.
  mutating func writeVarbit(_ value: Int64) {
    guard value != 0 else { return write(bit: false) }
    let size = Self.varbitSizes.firstIndex { Self.fits(value, bits: $0) }
    writeVarbit(UInt64(bitPattern: value), size)
  }

  /// Writes an unsigned number likewise.
  mutating func writeVarbit(unsigned value: UInt64) {
    guard value != 0 else { return write(bit: false) }
    writeVarbit(value, Self.varbitSizes.firstIndex { value.leadingZeroBitCount >= 64 - $0 })
  }

  private mutating func writeVarbit(_ bits: UInt64, _ size: Int?) {
    guard let size else {
      write(0xff, bits: 8)
      return write(bits, bits: 64)
    }
    // As many ones as the number of the size and one more, then a zero.
    write((1 << UInt64(size + 2)) - 2, bits: size + 2)
    write(bits, bits: Self.varbitSizes[size])
  }
}

/// The value before the one that is written, of which only the bits that differ are: Gorilla's encoding of floats.
struct XORValue {
  private var bits: UInt64
  private var leading = 0
  /// How many bits differed when these were told last; 0 for never.
  private var length = 0

  /// The first value, which was written in full.
  init(_ value: Double) { bits = value.bitPattern }

  /// Writes the next value.
  mutating func write(_ value: Double, to writer: inout BitWriter) {
    let difference = value.bitPattern ^ bits
    bits = value.bitPattern
    guard difference != 0 else { return writer.write(bit: false) }
    writer.write(bit: true)
    let zeros = min(31, difference.leadingZeroBitCount)
    let trailing = difference.trailingZeroBitCount
    let knownTrailing = 64 - leading - length
    if length > 0, zeros >= leading, trailing >= knownTrailing {
      writer.write(bit: false)
      return writer.write(difference >> UInt64(knownTrailing), bits: length)
    }
    leading = zeros
    length = 64 - zeros - trailing
    writer.write(bit: true)
    writer.write(UInt64(leading), bits: 5)
    // 64 does not fit, and 0 is never needed.
    writer.write(UInt64(length & 63), bits: 6)
    writer.write(difference >> UInt64(trailing), bits: length)
  }
}
