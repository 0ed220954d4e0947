// Floats of which nothing is known. Their bits grow as they do, so that as integers they have neighbours, steps and
// levels like others, and what is packed is the distance to those: fewer bits than differ. The sign is turned to the
// lowest place first, so that values around zero do not pay for it; where all have the same, the shift drops it.

import NeedletailTelemetry

/// Floats as integers in the order of their bits: 5 to 8 bytes for full mantissas, exact for all.
package enum BitsColumn {
  private static let topBit: UInt64 = 1 << 63

  /// Writes the column: at most 8.2 bytes a value, and 40.
  package static func encode(_ values: UnsafeBufferPointer<Double>, to cursor: inout ColumnCursor) {
    let integers = cursor.scratch
    for index in 0..<values.count {
      let bits = values[index].bitPattern
      integers[index] = Int64(bitPattern: (bits &<< 1 | bits &>> 63) ^ topBit)
    }
    IntegerColumn.encode(UnsafeBufferPointer(start: integers, count: values.count), to: &cursor)
  }

  /// Fills `output`, which may hold anything before, with as many values; the reader stands behind the column then.
  package static func decode(
    _ reader: inout ByteReader, into output: UnsafeMutableBufferPointer<Double>
  ) throws(MalformedBytes) {
    guard let target = output.baseAddress else { return }
    let memory = UnsafeMutableRawPointer(target)
    // The integers lie where the floats are to be, and become them in place.
    let integers = memory.bindMemory(to: Int64.self, capacity: output.count)
    defer { memory.bindMemory(to: Double.self, capacity: output.count) }
    try IntegerColumn.decode(&reader, into: UnsafeMutableBufferPointer(start: integers, count: output.count))
    for index in 0..<output.count {
      let bits = memory.loadUnaligned(fromByteOffset: index &* 8, as: UInt64.self) ^ topBit
      memory.storeBytes(of: bits &>> 1 | bits &<< 63, toByteOffset: index &* 8, as: UInt64.self)
    }
  }
}
