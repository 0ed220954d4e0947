// The smallest tools that all formats here share: little-endian integers and varints into an array, and out of a
// buffer with every length checked first.

/// Bytes from disk that contradict themselves.
package enum CodecError: Error, Equatable, Sendable {
  /// The bytes end before the value does.
  case truncated
  /// A varint has more than 64 bits.
  case overlong
  /// A length or count is impossible for the bytes that are there.
  case length
  /// The codec or its version is unknown.
  case unknownCodec
  /// Bytes are left after the last value.
  case trailing
  /// Anything else that no writer produces.
  case content
}

extension [UInt8] {
  /// Appends an integer, least significant byte first.
  @inlinable
  package mutating func appendInteger<Integer: FixedWidthInteger>(_ value: Integer) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  /// Appends a LEB128 varint of 1 to 10 bytes.
  @inlinable
  package mutating func appendVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    append(UInt8(truncatingIfNeeded: rest))
  }

  /// Appends a text as its length and its UTF-8 bytes.
  package mutating func appendText(_ text: String) {
    appendVarint(UInt64(text.utf8.count))
    append(contentsOf: text.utf8)
  }
}

/// Reads values from a buffer that it does not own, front to back.
package struct ByteReader {
  @usableFromInline let bytes: UnsafeRawBufferPointer
  /// How many bytes were read.
  package private(set) var position = 0

  /// A reader at the start of `bytes`, which must outlive it.
  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// How many bytes are left.
  package var remaining: Int { bytes.count - position }

  /// An integer, least significant byte first.
  package mutating func integer<Integer: FixedWidthInteger>(
    _ type: Integer.Type = Integer.self
  ) throws(CodecError) -> Integer {
    let size = MemoryLayout<Integer>.size
    guard remaining >= size else { throw .truncated }
    defer { position += size }
    return Integer(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Integer.self))
  }

  /// A LEB128 varint.
  package mutating func varint() throws(CodecError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if shift == 63, byte > 1 { throw .overlong }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
      if shift > 63 { throw .overlong }
    }
    throw .truncated
  }

  /// A varint that counts things of at least `elementBytes` bytes each, so that it can be checked before allocation.
  package mutating func count(elementBytes: Int = 1) throws(CodecError) -> Int {
    guard let count = Int(exactly: try varint()) else { throw .length }
    guard count <= remaining / max(1, elementBytes) else { throw .length }
    return count
  }

  /// The next `count` bytes, in place.
  package mutating func slice(_ count: Int) throws(CodecError) -> UnsafeRawBufferPointer {
    guard count >= 0, count <= remaining else { throw .truncated }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  /// A text as `appendText` writes it.
  package mutating func text() throws(CodecError) -> String {
    String(decoding: try slice(try count()), as: UTF8.self)
  }

  /// Throws when bytes are left.
  package func end() throws(CodecError) {
    if remaining != 0 { throw .trailing }
  }
}
