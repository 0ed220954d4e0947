import NeedletailTelemetry

/// A column of small unsigned integers, such as the lengths of texts that lie behind each other: one varint each.
///
/// Append-only format version 1.
package enum IntegerColumn {
  static let version: UInt8 = 1

  /// Appends the encoded column to `output`: at most 10 bytes a value.
  package static func encode(_ values: UnsafeBufferPointer<UInt64>, to output: inout [UInt8]) {
    output.append(version)
    output.appendVarint(UInt64(values.count))
    for value in values { output.appendVarint(value) }
  }

  /// Appends the column at the reader's place to `output`; the reader stands behind it then.
  package static func decode(_ reader: inout ByteReader, to output: inout [UInt64]) throws(MalformedBytes) {
    guard try reader.read(UInt8.self) == version else { throw .invalid("unknown form") }
    let count = try reader.readCount()
    output.reserveCapacity(output.count + count)
    for _ in 0..<count { output.append(try reader.readVarint()) }
  }
}

/// A column of byte strings: their lengths, then all their bytes.
///
/// Append-only format version 1.
package enum BytesColumn {
  static let version: UInt8 = 1

  /// Appends the column of the pieces of `bytes` that end at `ends` to `output`.
  ///
  /// `ends` must rise up to `bytes.count`.
  package static func encode(_ bytes: UnsafeRawBufferPointer, ends: [Int], to output: inout [UInt8]) {
    output.append(version)
    output.appendVarint(UInt64(ends.count))
    var start = 0
    for end in ends {
      output.appendVarint(UInt64(max(0, end - start)))
      start = end
    }
    output.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[..<start]))
  }

  /// Reads the column at the reader's place: where its bytes lie (in the reader's memory), and the ends of the pieces.
  package static func decode(
    _ reader: inout ByteReader
  ) throws(MalformedBytes) -> (bytes: UnsafeRawBufferPointer, ends: [Int]) {
    guard try reader.read(UInt8.self) == version else { throw .invalid("unknown form") }
    let count = try reader.readCount()
    var ends: [Int] = []
    ends.reserveCapacity(count)
    var total = 0
    for _ in 0..<count {
      guard let length = Int(exactly: try reader.readVarint()), length <= reader.remaining else {
        throw .invalid("impossible count")
      }
      // Both are bounded by the buffer's size, so their sum cannot overflow; what it may exceed is what is left.
      total += length
      guard total <= reader.remaining + ends.count * 10 else { throw .invalid("impossible count") }
      ends.append(total)
    }
    return (try reader.read(count: total), ends)
  }
}
