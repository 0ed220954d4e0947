/// Bytes of one of our own formats that end too early or hold what cannot be.
@usableFromInline package enum MalformedBytes: Error, Equatable, Sendable {
  /// The bytes end before the value does.
  case truncated
  /// A varint has more than 64 bits.
  case varintTooLong
  /// Anything else that no writer produces.
  case invalid(StaticString)

  @inlinable package static func == (left: MalformedBytes, right: MalformedBytes) -> Bool {
    switch (left, right) {
    case (.truncated, .truncated), (.varintTooLong, .varintTooLong): true
    case (.invalid(let one), .invalid(let other)): one.description == other.description
    default: false
    }
  }
}

/// Reads what `ByteWriter` wrote, checking every step: the bytes may come from a damaged disk or a bad peer.
///
/// It borrows the memory: use it only while the buffer that it was made from is alive. Inlinable, because other rooms
/// read a number per sample or row with it.
@usableFromInline package struct ByteReader {
  @usableFromInline package let bytes: UnsafeRawBufferPointer
  @usableFromInline var position = 0

  /// A reader at the start of `bytes`.
  @inlinable package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// How many bytes were read.
  @inlinable package var offset: Int { position }
  /// How many bytes are left.
  @inlinable package var remaining: Int { bytes.count - position }
  @inlinable package var isAtEnd: Bool { position == bytes.count }

  /// An integer, least significant byte first.
  // Always: called as a generic it costs more than all else that a short column takes.
  @inlinable @inline(__always) package mutating func read<T: FixedWidthInteger>(
    _ type: T.Type = T.self
  ) throws(MalformedBytes) -> T {
    guard remaining >= MemoryLayout<T>.size else { throw .truncated }
    let value = bytes.loadUnaligned(fromByteOffset: position, as: T.self)
    position += MemoryLayout<T>.size
    return T(littleEndian: value)
  }

  package mutating func readHash() throws(MalformedBytes) -> Hash128 {
    let low = try read(UInt64.self)
    return Hash128(high: try read(UInt64.self), low: low)
  }

  /// A LEB128 varint.
  @inlinable package mutating func readVarint() throws(MalformedBytes) -> UInt64 {
    guard position < bytes.count else { throw .truncated }
    let first = bytes[position]
    if first < 0x80 {
      position += 1
      return UInt64(first)
    }
    return try readLongVarint()
  }

  @usableFromInline mutating func readLongVarint() throws(MalformedBytes) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      guard position < bytes.count else { throw .truncated }
      let byte = bytes[position]
      position += 1
      if shift == 63, byte > 1 { throw .varintTooLong }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
      if shift > 63 { throw .varintTooLong }
    }
  }

  /// A varint of the zigzag form.
  @inlinable package mutating func readSignedVarint() throws(MalformedBytes) -> Int64 {
    ZigZag.decode(try readVarint())
  }

  /// A varint that counts things of at least `elementBytes` bytes each, checked against what is left, so that it may be
  /// trusted with an allocation.
  @inlinable package mutating func readCount(elementBytes: Int = 1) throws(MalformedBytes) -> Int {
    guard let count = Int(exactly: try readVarint()), count <= remaining / max(1, elementBytes) else {
      throw .invalid("a count is impossible for the bytes that are there")
    }
    return count
  }

  /// `count` bytes, in place.
  @inlinable package mutating func read(count: Int) throws(MalformedBytes) -> UnsafeRawBufferPointer {
    guard count >= 0, count <= remaining else { throw .truncated }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
  }

  /// A varint length, then that many bytes, in place.
  @inlinable package mutating func readPrefixed() throws(MalformedBytes) -> UnsafeRawBufferPointer {
    guard let count = Int(exactly: try readVarint()) else { throw .truncated }
    return try read(count: count)
  }

  /// A length-prefixed text; bytes that are not UTF-8 become U+FFFD.
  package mutating func readPrefixedString() throws(MalformedBytes) -> String {
    String(decoding: try readPrefixed(), as: UTF8.self)
  }

  /// Throws where bytes are left.
  package func expectEnd() throws(MalformedBytes) {
    guard isAtEnd else { throw .invalid("bytes are left after the last value") }
  }
}
