/// Appends little-endian numbers and LEB128 varints to flat bytes: the one way in which our own formats are written.
@usableFromInline package struct ByteWriter: Sendable {
  @usableFromInline var written: [UInt8] = []

  package init(reserving count: Int = 0) { written.reserveCapacity(count) }

  /// What was written.
  @inlinable package var bytes: [UInt8] { written }
  @inlinable package var count: Int { written.count }

  @inlinable package mutating func append<T: FixedWidthInteger>(_ value: T) { written.appendInteger(value) }

  package mutating func append(_ hash: Hash128) {
    append(hash.low)
    append(hash.high)
  }

  @inlinable package mutating func append(_ raw: UnsafeRawBufferPointer) { written.append(contentsOf: raw) }

  @inlinable package mutating func append(_ raw: some Collection<UInt8>) { written.append(contentsOf: raw) }

  @inlinable package mutating func appendVarint(_ value: UInt64) { written.appendVarint(value) }

  /// A varint of the zigzag form, in which small negative numbers are short too.
  @inlinable package mutating func appendSignedVarint(_ value: Int64) {
    written.appendVarint(ZigZag.encode(value))
  }

  /// A length as varint, then the written.
  @inlinable package mutating func appendPrefixed(_ raw: UnsafeRawBufferPointer) {
    appendVarint(UInt64(raw.count))
    written.append(contentsOf: raw)
  }

  package mutating func appendPrefixed(_ text: String) {
    var text = text
    text.withUTF8 { appendPrefixed(UnsafeRawBufferPointer($0)) }
  }

  /// Pads with zeros to a multiple of `alignment` written.
  package mutating func align(to alignment: Int) {
    while written.count % alignment != 0 { written.append(0) }
  }

  /// Overwrites the number at `offset`, which must have been written before.
  package mutating func overwrite<T: FixedWidthInteger>(_ value: T, at offset: Int) {
    withUnsafeBytes(of: value.littleEndian) { source in
      for (index, byte) in source.enumerated() { written[offset + index] = byte }
    }
  }

  /// Drops all bytes from `count` on.
  package mutating func truncate(to count: Int) {
    if count < written.count { written.removeLast(written.count - count) }
  }

  /// Forgets what was written and keeps the room for it.
  package mutating func removeAll() { written.removeAll(keepingCapacity: true) }
}
