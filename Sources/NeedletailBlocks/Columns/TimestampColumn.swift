// Timestamps that come in a rhythm. An exact one is a first time and a step, whatever the count; one with jitter is
// bit-packed after the best guess. Series of one scrape have the same bytes here, which zstd over the block finds. All
// arithmetic wraps, so any 64-bit values in any order come back as they went in.

import NeedletailTelemetry

/// A column of 64-bit timestamps.
package enum TimestampColumn {
  private enum Form: UInt8 {
    case steps = 1
    case packed = 2
  }

  /// Appends the encoded column to `output`: at most 8.2 bytes a value, and 50.
  package static func encode(_ values: UnsafeBufferPointer<Int64>, to output: inout [UInt8]) {
    let step = values.count > 1 ? values[1] &- values[0] : 0
    var different: Int64 = 0
    for index in 1..<max(1, values.count) { different |= (values[index] &- values[index - 1]) ^ step }
    output.append((different == 0 ? Form.steps : Form.packed).rawValue)
    output.appendVarint(UInt64(values.count))
    guard different == 0 else { return IntegerColumn.encode(values, to: &output) }
    output.appendVarint(ZigZag.encode(values.first ?? 0))
    output.appendVarint(ZigZag.encode(step))
  }

  /// Appends the column at the reader's place to `output`; the reader stands behind it then.
  ///
  /// `countMax` bounds what may be allocated: the size of an exact rhythm says nothing about its count. Where it throws,
  /// `output` is as before.
  package static func decode(
    _ reader: inout ByteReader, countMax: Int = 1 << 20, to output: inout [Int64]
  ) throws(MalformedBytes) {
    guard let form = Form(rawValue: try reader.read(UInt8.self)) else { throw .invalid("unknown form") }
    guard let count = Int(exactly: try reader.readVarint()), count <= countMax else {
      throw .invalid("impossible count")
    }
    switch form {
    case .steps:
      var value = try reader.readSignedVarint()
      let step = try reader.readSignedVarint()
      output.reserveCapacity(output.count + count)
      for _ in 0..<count {
        output.append(value)
        value = value &+ step
      }
    case .packed:
      output.append(contentsOf: try IntegerColumn.decode(&reader, count: count))
    }
  }
}
