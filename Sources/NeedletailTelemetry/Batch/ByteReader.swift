/// Bytes of one of our own formats that end too early or hold what cannot be.
package enum MalformedBytes: Error, Equatable, Sendable {
  case truncated
  case varintTooLong
  case invalid(StaticString)

  package static func == (left: MalformedBytes, right: MalformedBytes) -> Bool {
    switch (left, right) {
    case (.truncated, .truncated), (.varintTooLong, .varintTooLong): true
    case (.invalid(let one), .invalid(let other)): one.description == other.description
    default: false
    }
  }
}

/// Reads what `ByteWriter` wrote, checking every step: the bytes may come from a damaged disk or a bad peer.
///
/// It borrows the memory: use it only while the buffer that it was made from is alive.
package struct ByteReader {
  package let bytes: UnsafeRawBufferPointer
  package private(set) var offset = 0

  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  package var remaining: Int { bytes.count - offset }
  package var isAtEnd: Bool { offset == bytes.count }

  @inline(__always) package mutating func read<T: FixedWidthInteger>(_ type: T.Type) throws(MalformedBytes) -> T {
    guard remaining >= MemoryLayout<T>.size else { throw .truncated }
    let value = bytes.loadUnaligned(fromByteOffset: offset, as: T.self)
    offset += MemoryLayout<T>.size
    return T(littleEndian: value)
  }

  package mutating func readHash() throws(MalformedBytes) -> Hash128 {
    let low = try read(UInt64.self)
    return Hash128(high: try read(UInt64.self), low: low)
  }

  @inline(__always) package mutating func readVarint() throws(MalformedBytes) -> UInt64 {
    guard offset < bytes.count else { throw .truncated }
    let first = bytes[offset]
    if first < 0x80 {
      offset += 1
      return UInt64(first)
    }
    return try readLongVarint()
  }

  private mutating func readLongVarint() throws(MalformedBytes) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      guard offset < bytes.count else { throw .truncated }
      let byte = bytes[offset]
      offset += 1
      if shift == 63, byte > 1 { throw .varintTooLong }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
      if shift > 63 { throw .varintTooLong }
    }
  }

  package mutating func readSignedVarint() throws(MalformedBytes) -> Int64 {
    let raw = try readVarint()
    return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
  }

  /// `count` bytes, in place.
  package mutating func read(count: Int) throws(MalformedBytes) -> UnsafeRawBufferPointer {
    guard count >= 0, count <= remaining else { throw .truncated }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
  }

  /// A varint length, then that many bytes, in place.
  @inline(__always) package mutating func readPrefixed() throws(MalformedBytes) -> UnsafeRawBufferPointer {
    guard let count = Int(exactly: try readVarint()) else { throw .truncated }
    return try read(count: count)
  }

  /// A length-prefixed text; bytes that are not UTF-8 become U+FFFD.
  package mutating func readPrefixedString() throws(MalformedBytes) -> String {
    String(decoding: try readPrefixed(), as: UTF8.self)
  }
}
