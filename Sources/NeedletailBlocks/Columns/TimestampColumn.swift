// Timestamps that come in a rhythm. An exact one is a first time and a step, whatever the count; one with jitter is
// bit-packed after the best guess. Series of one scrape have the same bytes here, which zstd over the block finds. All
// arithmetic wraps, so any 64-bit values in any order come back as they went in.

import NeedletailTelemetry

/// A column of 64-bit timestamps.
package enum TimestampColumn {
  private enum Form: UInt8 {
    case steps = 1
    case packed = 3
  }

  private static let stretch = 32

  /// Appends the encoded column to `output`: at most 8.2 bytes a value, and 50.
  package static func encode(_ values: UnsafeBufferPointer<Int64>, to output: inout [UInt8]) {
    let step = values.count > 1 ? values[1] &- values[0] : 0
    let isExact = hasStep(values, step)
    ColumnCursor.append(count: isExact ? 0 : values.count, to: &output) { cursor in
      cursor.write(byte: (isExact ? Form.steps : Form.packed).rawValue)
      cursor.writeVarint(UInt64(values.count))
      guard isExact else { return IntegerColumn.encode(values, to: &cursor) }
      cursor.writeSignedVarint(values.first ?? 0)
      cursor.writeSignedVarint(step)
    }
  }

  private static func hasStep(_ values: UnsafeBufferPointer<Int64>, _ step: Int64) -> Bool {
    var start = 1
    while start < values.count {
      let end = min(start + stretch, values.count)
      var different: Int64 = 0
      for index in start..<end { different |= (values[index] &- values[index - 1]) ^ step }
      if different != 0 { return false }
      start = end
    }
    return true
  }

  /// How many values the column at the reader's place has, of which there may be `countMax`; the reader stays there.
  ///
  /// It is to be known before memory for them is asked for: the size of an exact rhythm says nothing about it.
  package static func count(_ reader: ByteReader, countMax: Int) throws(MalformedBytes) -> Int {
    var reader = reader
    return try head(&reader, countMax: countMax).count
  }

  private static func head(
    _ reader: inout ByteReader, countMax: Int
  ) throws(MalformedBytes) -> (form: Form, count: Int) {
    guard let form = Form(rawValue: try reader.read(UInt8.self)) else { throw .invalid("unknown form") }
    guard let count = Int(exactly: try reader.readVarint()), count <= countMax else {
      throw .invalid("impossible count")
    }
    guard form == .steps || count <= IntegerColumn.countMax(bytes: reader.remaining) else {
      throw .invalid("impossible count")
    }
    return (form, count)
  }

  /// Writes the column at the reader's place to the start of `output`, which may hold anything before, and returns how
  /// many values it has; the reader stands behind the column then.
  ///
  /// A column with more values than `output` has room for is refused. Where it throws, `output` holds anything.
  package static func decode(
    _ reader: inout ByteReader, into output: UnsafeMutableBufferPointer<Int64>
  ) throws(MalformedBytes) -> Int {
    let (form, count) = try head(&reader, countMax: output.count)
    let target = UnsafeMutableBufferPointer(rebasing: output[..<count])
    switch form {
    case .steps:
      let first = try reader.readSignedVarint()
      let step = try reader.readSignedVarint()
      for index in 0..<count { target[index] = first &+ step &* Int64(truncatingIfNeeded: index) }
    case .packed:
      try IntegerColumn.decode(&reader, into: target)
    }
    return count
  }

  /// Appends the column at the reader's place to `output`; the reader stands behind it then.
  ///
  /// `countMax` bounds what may be allocated, as the bytes do where they are packed. Where it throws, `output` is as before.
  package static func decode(
    _ reader: inout ByteReader, countMax: Int = 1 << 20, to output: inout [Int64]
  ) throws(MalformedBytes) {
    let count = try count(reader, countMax: countMax)
    try output.append(addingCapacity: count) { span throws(MalformedBytes) in
      try span.withUnsafeMutableBufferPointer { buffer, initialized throws(MalformedBytes) in
        let free = UnsafeMutableBufferPointer(rebasing: buffer[initialized..<(initialized + count)])
        initialized += try decode(&reader, into: free)
      }
    }
  }
}
