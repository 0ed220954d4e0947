extension [UInt8] {
  /// Appends a number as protobuf's varint.
  mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    append(UInt8(truncatingIfNeeded: rest))
  }

  /// Appends a field of bytes; its number is below 16.
  mutating func append(field number: UInt8, _ payload: ArraySlice<UInt8>) {
    append(number << 3 | 2)
    append(varint: UInt64(payload.count))
    append(contentsOf: payload)
  }

  /// Appends a field of a double; its number is below 16.
  mutating func append(number: UInt8, _ value: Double) {
    append(number << 3 | 1)
    Swift.withUnsafeBytes(of: value.bitPattern.littleEndian) { append(contentsOf: $0) }
  }
}
