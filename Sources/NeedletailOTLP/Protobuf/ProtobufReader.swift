// Reads the protobuf wire format in place (https://protobuf.dev/programming-guides/encoding/).
//
// Raw pointers and typed throws, because this is where every sample enters: a `RawSpan` costs a third more and
// generated types thirty times as much. Every length is checked against the enclosing message before it is used.

/// Why bytes are not the message that they should be.
@usableFromInline package enum ProtobufError: Error, Hashable, Sendable {
  /// A field ends after its message.
  case truncated
  /// A varint of more than 64 bits.
  case varintTooLong
  /// Field number 0, or a wire type that does not exist.
  case invalidTag
  /// A group: deprecated since proto2, and a way to nest without bound.
  case group
  /// Messages nest deeper than the reader goes.
  case nestedTooDeep

  /// What is wrong, for the sender to read.
  package var explanation: String {
    switch self {
    case .truncated: "protobuf: a field ends after its message"
    case .varintTooLong: "protobuf: a varint is longer than 64 bits"
    case .invalidTag: "protobuf: invalid field number or wire type"
    case .group: "protobuf: groups are not supported"
    case .nestedTooDeep: "protobuf: messages nest too deep"
    }
  }
}

/// The tag of a field: its number and wire type in one number, so that a reader switches once.
@usableFromInline package typealias ProtobufTag = UInt64

/// An object that never moves nor goes away: its address stands in where an empty buffer has none.
@usableFromInline final class Anchor: Sendable {
  @usableFromInline static let shared = Anchor()
}

/// Reads the fields of one message.
///
/// It borrows the memory: use it, and the slices that it gives, only while the buffer that it was made from is alive.
@usableFromInline package struct ProtobufReader {
  @usableFromInline var position: UnsafePointer<UInt8>
  @usableFromInline let end: UnsafePointer<UInt8>

  /// A reader of the fields in `bytes`.
  @inlinable package init(_ bytes: UnsafeRawBufferPointer) {
    // An empty buffer may have no address; its reader never dereferences one, so that any will do.
    let base = (bytes.baseAddress ?? UnsafeRawPointer(Unmanaged.passUnretained(Anchor.shared).toOpaque()))
      .assumingMemoryBound(to: UInt8.self)
    position = base
    end = base + bytes.count
  }

  /// Whether all fields were read.
  @inlinable package var isAtEnd: Bool { position == end }

  /// Bytes that were not read yet.
  @inlinable package var remaining: Int { end - position }

  /// Where the next byte lies.
  @inlinable package var address: UnsafeRawPointer { UnsafeRawPointer(position) }

  /// The next field's tag; nil at the end of the message.
  @inlinable @inline(__always)
  package mutating func nextTag() throws(ProtobufError) -> ProtobufTag? {
    if position == end { return nil }
    let tag = try readVarint()
    guard tag >= 8, tag <= 0xffff_ffff else { throw .invalidTag }
    return tag
  }

  /// A base-128 varint.
  @inlinable @inline(__always)
  package mutating func readVarint() throws(ProtobufError) -> UInt64 {
    guard position < end else { throw .truncated }
    let byte = position.pointee
    if byte < 0x80 {
      position += 1
      return UInt64(byte)
    }
    return try readLongVarint()
  }

  @usableFromInline @inline(never)
  mutating func readLongVarint() throws(ProtobufError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < end {
      let byte = position.pointee
      position += 1
      if shift == 63, byte > 1 { throw .varintTooLong }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw .truncated
  }

  /// A zigzag varint, as sint32 and sint64 are written.
  @inlinable package mutating func readZigzag() throws(ProtobufError) -> Int64 {
    let raw = try readVarint()
    return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
  }

  /// Eight little-endian bytes.
  @inlinable @inline(__always)
  package mutating func readFixed64() throws(ProtobufError) -> UInt64 {
    guard remaining >= 8 else { throw .truncated }
    let value = UnsafeRawPointer(position).loadUnaligned(as: UInt64.self)
    position += 8
    return UInt64(littleEndian: value)
  }

  /// Four little-endian bytes.
  @inlinable @inline(__always)
  package mutating func readFixed32() throws(ProtobufError) -> UInt32 {
    guard remaining >= 4 else { throw .truncated }
    let value = UnsafeRawPointer(position).loadUnaligned(as: UInt32.self)
    position += 4
    return UInt32(littleEndian: value)
  }

  /// A varint length and that many bytes, in place: text, bytes, a message or packed numbers.
  @inlinable @inline(__always)
  package mutating func readBytes() throws(ProtobufError) -> UnsafeRawBufferPointer {
    let count = try readVarint()
    guard count <= UInt64(remaining) else { throw .truncated }
    let length = Int(truncatingIfNeeded: count)
    let bytes = UnsafeRawBufferPointer(start: position, count: length)
    position += length
    return bytes
  }

  /// Passes over the value of a field that the caller does not know.
  @inlinable package mutating func skip(_ tag: ProtobufTag) throws(ProtobufError) {
    switch tag & 7 {
    case 0: _ = try readVarint()
    case 1: _ = try readFixed64()
    case 2: _ = try readBytes()
    case 5: _ = try readFixed32()
    case 3, 4: throw .group
    default: throw .invalidTag
    }
  }
}
