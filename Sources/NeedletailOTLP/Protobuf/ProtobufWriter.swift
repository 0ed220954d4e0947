// Writes the protobuf wire format into one flat, growable byte array.
//
// A message inside a message needs its length before its bytes. The writer leaves one byte for it, writes the body, and
// moves the body only when its length needs a longer varint: attributes, which are nearly all messages of OTLP, are
// shorter than 128 bytes and never move. So nothing is sized beforehand, nothing is allocated for a message, and
// the encoding stays canonical (shortest varints).

/// A growable buffer of protobuf wire format (https://protobuf.dev/programming-guides/encoding/).
///
/// Fields are written in the order of the calls. Nothing here omits a default value: a caller that wants proto3's
/// implicit presence leaves the call out.
package struct ProtobufWriter: Sendable {
  /// Everything written so far.
  package private(set) var bytes: [UInt8]

  /// An empty writer.
  ///
  /// - Parameter capacity: bytes to reserve.
  package init(capacity: Int = 0) {
    bytes = []
    if capacity > 0 { bytes.reserveCapacity(capacity) }
  }

  /// The number of bytes written.
  package var count: Int { bytes.count }

  /// Whether nothing was written.
  package var isEmpty: Bool { bytes.isEmpty }

  // MARK: Without a tag

  /// Writes a base-128 varint: 1 to 10 bytes.
  @inline(__always)
  package mutating func varint(_ value: UInt64) {
    if value < 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: value))
    } else {
      longVarint(value)
    }
  }

  @inline(never)
  private mutating func longVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// Appends bytes that are wire format already.
  package mutating func raw(_ encoded: [UInt8]) { bytes.append(contentsOf: encoded) }

  // MARK: Fields

  /// Writes a field of type uint32, uint64, bool or enum; also int32 and int64 that are not negative.
  package mutating func field(_ number: UInt32, varint value: UInt64) {
    tag(number, wireType: 0)
    varint(value)
  }

  /// Writes a field of type int64 (two's complement: a negative number takes 10 bytes).
  package mutating func field(_ number: UInt32, int64 value: Int64) {
    field(number, varint: UInt64(bitPattern: value))
  }

  /// Writes a field of type sint32 or sint64 (zigzag).
  package mutating func field(_ number: UInt32, zigzag value: Int64) {
    field(number, varint: UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  /// Writes a field of type bool.
  package mutating func field(_ number: UInt32, bool value: Bool) {
    field(number, varint: value ? 1 : 0)
  }

  /// Writes a field of type fixed64, or sfixed64 by its bit pattern.
  package mutating func field(_ number: UInt32, fixed64 value: UInt64) {
    tag(number, wireType: 1)
    littleEndian(value)
  }

  /// Writes a field of type double, bit for bit.
  package mutating func field(_ number: UInt32, double value: Double) {
    field(number, fixed64: value.bitPattern)
  }

  /// Writes a field of type fixed32.
  package mutating func field(_ number: UInt32, fixed32 value: UInt32) {
    tag(number, wireType: 5)
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Writes a field of type string.
  package mutating func field(_ number: UInt32, string value: String) {
    tag(number, wireType: 2)
    varint(UInt64(value.utf8.count))
    bytes.append(contentsOf: value.utf8)
  }

  /// Writes a field of type string from text known at compile time.
  package mutating func field(_ number: UInt32, string value: StaticString) {
    tag(number, wireType: 2)
    value.withUTF8Buffer { text in
      varint(UInt64(text.count))
      bytes.append(contentsOf: text)
    }
  }

  /// Writes a field of type bytes, or a message that is encoded already.
  package mutating func field(_ number: UInt32, bytes value: [UInt8]) {
    tag(number, wireType: 2)
    varint(UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  /// Writes a field of type bytes: one big-endian 64-bit identifier.
  package mutating func field(_ number: UInt32, bigEndian value: UInt64) {
    tag(number, wireType: 2)
    varint(8)
    withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
  }

  /// Writes a field of type bytes: one big-endian 128-bit identifier.
  package mutating func field(_ number: UInt32, bigEndian high: UInt64, _ low: UInt64) {
    tag(number, wireType: 2)
    varint(16)
    withUnsafeBytes(of: high.bigEndian) { bytes.append(contentsOf: $0) }
    withUnsafeBytes(of: low.bigEndian) { bytes.append(contentsOf: $0) }
  }

  /// Writes a packed repeated field of type fixed64.
  package mutating func field(_ number: UInt32, packedFixed64 values: [UInt64]) {
    tag(number, wireType: 2)
    varint(UInt64(values.count) * 8)
    for value in values { littleEndian(value) }
  }

  /// Writes a packed repeated field of type double.
  package mutating func field(_ number: UInt32, packedDouble values: [Double]) {
    tag(number, wireType: 2)
    varint(UInt64(values.count) * 8)
    for value in values { littleEndian(value.bitPattern) }
  }

  /// Writes a message field whose fields `body` writes.
  ///
  /// - Complexity: O(1) beyond the body when it is shorter than 128 bytes, else O(body).
  @inline(__always)
  package mutating func field(_ number: UInt32, message body: (inout ProtobufWriter) -> Void) {
    tag(number, wireType: 2)
    bytes.append(0)
    let start = bytes.count
    body(&self)
    let length = bytes.count - start
    if length < 0x80 {
      bytes[start - 1] = UInt8(truncatingIfNeeded: length)
    } else {
      widenLength(at: start - 1, to: UInt64(length))
    }
  }

  /// The number of bytes that the varint of a value takes.
  package static func varintSize(_ value: UInt64) -> Int {
    // 7 bits a byte; zero still takes one byte.
    max(1, (64 - value.leadingZeroBitCount + 6) / 7)
  }

  // MARK: Parts of fields

  @inline(never)
  private mutating func widenLength(at index: Int, to length: UInt64) {
    var prefix = ProtobufWriter()
    prefix.varint(length)
    bytes.replaceSubrange(index...index, with: prefix.bytes)
  }

  @inline(__always)
  private mutating func tag(_ number: UInt32, wireType: UInt64) {
    varint(UInt64(number) << 3 | wireType)
  }

  @inline(__always)
  private mutating func littleEndian(_ value: UInt64) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
}
