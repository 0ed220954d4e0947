// What counters, sizes and rounded gauges are: integers, or integers divided by one power of ten. Each value is checked
// by doing what the decoder does and comparing bits; those few that fail it (NaN, infinities, -0.0, more decimals than
// the others) are written as they are, and the value before takes their place among the integers.

import NeedletailTelemetry

/// Floats that are integers divided by a power of ten, with exceptions.
package enum DecimalColumn {
  /// Added to the exponent where integers reach 2^51, which are slower to turn into floats.
  private static let wide: UInt8 = 0x80
  /// Beyond this share of exceptions the column is given up.
  private static let exceptionShare = 8

  /// Writes the column: false, and nothing written, where too many values are no decimals.
  package static func encode(_ values: UnsafeBufferPointer<Double>, to cursor: inout ColumnCursor) -> Bool {
    guard let source = values.baseAddress, let exponent = DecimalScale.probe(source, count: values.count) else {
      return false
    }
    let count = values.count
    let exceptionsMax = count / exceptionShare
    let integers = cursor.scratch
    var scale = DecimalScale(exponent: exponent, exceptions: integers + count, exceptionsMax: exceptionsMax)
    scale.run(source, count: count, into: integers)
    // The probe has not seen all: what failed may have more decimals.
    if scale.exceptionCount > 0, let more = scale.exponentOfExceptions(source) {
      var other = DecimalScale(exponent: more, exceptions: integers + count, exceptionsMax: exceptionsMax)
      other.run(source, count: count, into: integers)
      if other.exceptionCount < scale.exceptionCount {
        scale = other
      } else {
        scale.run(source, count: count, into: integers)
      }
    }
    guard scale.exceptionCount <= exceptionsMax else { return false }
    cursor.write(byte: UInt8(truncatingIfNeeded: scale.exponent) | (scale.isWide ? wide : 0))
    cursor.writeVarint(UInt64(scale.exceptionCount))
    IntegerColumn.encode(UnsafeBufferPointer(start: integers, count: count), to: &cursor)
    if scale.exceptionCount > 0 { writeExceptions(source, scale, to: &cursor) }
    return true
  }

  private static func writeExceptions(
    _ values: UnsafePointer<Double>, _ scale: DecimalScale, to cursor: inout ColumnCursor
  ) {
    var next = 0
    for number in 0..<scale.exceptionCount {
      let index = Int(scale.exceptions[number])
      cursor.writeVarint(UInt64(index - next))
      cursor.write(values[index].bitPattern)
      next = index + 1
    }
  }

  /// Fills `output`, which may hold anything before, with as many values; the reader stands behind the column then.
  package static func decode(
    _ reader: inout ByteReader, into output: UnsafeMutableBufferPointer<Double>
  ) throws(MalformedBytes) {
    let head = try reader.read(UInt8.self)
    let exponent = Int(head & ~wide)
    guard exponent <= DecimalScale.exponentMax else { throw .invalid("unknown exponent") }
    // A place takes at least a byte, and the bits eight.
    let exceptionCount = try reader.readCount(elementBytes: 9)
    guard let target = output.baseAddress else { return }
    let memory = UnsafeMutableRawPointer(target)
    let count = output.count
    // The integers lie where the floats are to be, and become them in place.
    let integers = memory.bindMemory(to: Int64.self, capacity: count)
    defer { memory.bindMemory(to: Double.self, capacity: count) }
    try IntegerColumn.decode(&reader, into: UnsafeMutableBufferPointer(start: integers, count: count))
    if head & wide != 0 {
      DecimalScale.restoreWide(memory, count: count, exponent: exponent)
    } else {
      DecimalScale.restore(memory, count: count, exponent: exponent)
    }
    var next = 0
    for _ in 0..<exceptionCount {
      guard let gap = Int(exactly: try reader.readVarint()), gap < count - next else {
        throw .invalid("an exception outside of the column")
      }
      let bits = try reader.read(UInt64.self)
      memory.storeBytes(of: bits, toByteOffset: (next + gap) * 8, as: UInt64.self)
      next += gap + 1
    }
  }
}
