// Timestamps that come in a rhythm: the change of the distance between neighbours is almost always zero, or small. Each
// value costs one byte then, and zstd over the block makes long runs of equal bytes cost next to nothing. All
// arithmetic wraps, so any 64-bit values in any order come back as they went in.

import NeedletailTelemetry

/// A column of 64-bit timestamps: delta of delta, zigzag, varint.
///
/// Append-only format version 1.
package enum TimestampColumn {
  static let version: UInt8 = 1

  /// Appends the encoded column to `output`: at most 10 bytes a value.
  package static func encode(_ values: UnsafeBufferPointer<Int64>, to output: inout [UInt8]) {
    output.append(version)
    output.appendVarint(UInt64(values.count))
    var previous: Int64 = 0
    var distance: Int64 = 0
    for value in values {
      let next = value &- previous
      output.appendVarint(ZigZag.encode(next &- distance))
      distance = next
      previous = value
    }
  }

  /// Appends the column at the reader's place to `output`; the reader stands behind it then.
  package static func decode(_ reader: inout ByteReader, to output: inout [Int64]) throws(MalformedBytes) {
    guard try reader.read(UInt8.self) == version else { throw .invalid("unknown form") }
    let count = try reader.readCount()
    output.reserveCapacity(output.count + count)
    var previous: Int64 = 0
    var distance: Int64 = 0
    for _ in 0..<count {
      distance = distance &+ (try reader.readSignedVarint())
      previous = previous &+ distance
      output.append(previous)
    }
  }
}
