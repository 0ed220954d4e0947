/// Appends little-endian numbers and LEB128 varints to flat bytes: the one way in which our own formats are written.
package struct ByteWriter: Sendable {
  package private(set) var bytes: [UInt8]

  package init(reserving count: Int = 0) {
    bytes = []
    bytes.reserveCapacity(count)
  }

  package var count: Int { bytes.count }

  @inline(__always) package mutating func append<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  package mutating func append(_ hash: Hash128) {
    append(hash.low)
    append(hash.high)
  }

  package mutating func append(_ raw: UnsafeRawBufferPointer) { bytes.append(contentsOf: raw) }

  package mutating func append(_ raw: some Collection<UInt8>) { bytes.append(contentsOf: raw) }

  package mutating func appendVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// A varint of the zigzag form, in which small negative numbers are short too.
  package mutating func appendSignedVarint(_ value: Int64) {
    appendVarint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  /// A length as varint, then the bytes.
  package mutating func appendPrefixed(_ raw: UnsafeRawBufferPointer) {
    appendVarint(UInt64(raw.count))
    bytes.append(contentsOf: raw)
  }

  package mutating func appendPrefixed(_ text: String) {
    var text = text
    text.withUTF8 { appendPrefixed(UnsafeRawBufferPointer($0)) }
  }

  /// Pads with zeros to a multiple of `alignment` bytes.
  package mutating func align(to alignment: Int) {
    while bytes.count % alignment != 0 { bytes.append(0) }
  }

  /// Overwrites the number at `offset`, which must have been written before.
  package mutating func overwrite<T: FixedWidthInteger>(_ value: T, at offset: Int) {
    withUnsafeBytes(of: value.littleEndian) { source in
      for (index, byte) in source.enumerated() { bytes[offset + index] = byte }
    }
  }

  /// Drops all bytes from `count` on.
  package mutating func truncate(to count: Int) {
    if count < bytes.count { bytes.removeLast(bytes.count - count) }
  }

  /// Forgets what was written and keeps the room for it.
  package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }
}
