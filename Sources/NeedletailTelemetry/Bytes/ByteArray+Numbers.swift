// The only code that writes our numbers: `ByteWriter` and whoever fills a plain array go through it.

extension [UInt8] {
  /// Appends an integer, least significant byte first.
  @inlinable package mutating func appendInteger<Integer: FixedWidthInteger>(_ value: Integer) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  /// Appends a LEB128 varint of 1 to 10 bytes.
  @inlinable package mutating func appendVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    append(UInt8(truncatingIfNeeded: rest))
  }
}

/// Signed integers as unsigned ones of which the small are small on both sides of zero.
@usableFromInline package enum ZigZag {
  @inlinable package static func encode(_ value: Int64) -> UInt64 {
    UInt64(bitPattern: (value << 1) ^ (value >> 63))
  }

  @inlinable package static func decode(_ value: UInt64) -> Int64 {
    Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }
}
