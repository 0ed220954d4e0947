// What counters, sizes and rounded gauges are: integers, or integers divided by one power of ten. Each value is checked
// by doing what the decoder does and comparing bits; those few that fail it (NaN, infinities, -0.0, more decimals than
// the others) are written as they are, and the value before takes their place among the integers.

import NeedletailTelemetry

/// Floats that are integers divided by a power of ten, with exceptions.
package enum DecimalColumn {
  /// The most decimal places; 10^22 is the last power that a Double holds exactly.
  package static let exponentMax = 12
  private static let powers: [Double] = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12]
  /// Added and subtracted it rounds whatever is below `scaledMax` to an integer.
  private static let rounding = 6_755_399_441_055_744.0
  private static let scaledMax = 2_251_799_813_685_248.0
  /// Where `Int64(value)` is defined.
  private static let integerMax = 9_223_372_036_854_775_808.0
  private static let probeCount = 32
  /// Beyond this share of exceptions the column is given up.
  private static let exceptionShare = 8

  /// Appends the column: false, and nothing appended, where too many values are no decimals.
  package static func encode(_ values: UnsafeBufferPointer<Double>, to output: inout [UInt8]) -> Bool {
    guard var exponent = probe(values) else { return false }
    return withUnsafeTemporaryAllocation(of: Int64.self, capacity: values.count) { integers in
      var exceptions = scale(values, exponent: exponent, into: integers)
      // The probe has not seen all: what failed may have more decimals.
      if exceptions > 0, let more = exponentOfFailed(values, exponent: exponent), more > exponent {
        let others = scale(values, exponent: more, into: integers)
        if others < exceptions {
          (exponent, exceptions) = (more, others)
        } else {
          exceptions = scale(values, exponent: exponent, into: integers)
        }
      }
      guard exceptions * exceptionShare <= values.count else { return false }
      output.append(UInt8(exponent))
      output.appendVarint(UInt64(exceptions))
      if exceptions > 0 { appendExceptions(values, exponent: exponent, to: &output) }
      IntegerColumn.encode(UnsafeBufferPointer(rebasing: integers[..<values.count]), to: &output)
      return true
    }
  }

  /// The integer that gives back the bits, if there is one.
  @inline(__always) private static func exact(_ value: Double, power: Double) -> Int64? {
    if power == 1 {
      // Also false for NaN: only what is in range may be converted.
      guard value >= -integerMax, value < integerMax else { return nil }
      let integer = Int64(value)
      return Double(integer).bitPattern == value.bitPattern ? integer : nil
    }
    let scaled = value * power
    guard scaled > -scaledMax, scaled < scaledMax else { return nil }
    let rounded = (scaled + rounding) - rounding
    return (rounded / power).bitPattern == value.bitPattern ? Int64(rounded) : nil
  }

  /// The exponent that a few values, spread over all, ask for; nil where too many have none.
  private static func probe(_ values: UnsafeBufferPointer<Double>) -> Int? {
    var exponent = 0
    var failures = 0
    for index in stride(from: 0, to: values.count, by: max(1, values.count / probeCount)) {
      let value = values[index]
      guard value.isFinite, exact(value, power: powers[exponent]) == nil else { continue }
      if let more = (exponent...exponentMax).first(where: { exact(value, power: powers[$0]) != nil }) {
        exponent = more
      } else {
        failures += 1
        if failures > 3 { return nil }
      }
    }
    return exponent
  }

  private static func exponentOfFailed(_ values: UnsafeBufferPointer<Double>, exponent: Int) -> Int? {
    var found: Int?
    for value in values where value.isFinite && exact(value, power: powers[exponent]) == nil {
      let from = found ?? exponent
      guard exact(value, power: powers[from]) == nil || found == nil else { continue }
      if let more = (from...exponentMax).first(where: { exact(value, power: powers[$0]) != nil }) { found = more }
    }
    return found
  }

  /// Writes the integers; the number of values that have none, where the integer before stands.
  private static func scale(
    _ values: UnsafeBufferPointer<Double>, exponent: Int, into integers: UnsafeMutableBufferPointer<Int64>
  ) -> Int {
    let power = powers[exponent]
    var exceptions = 0
    var previous: Int64 = 0
    var index = 0
    while index < values.count {
      if index + 8 <= values.count, scaleEight(values, at: index, power: power, into: integers) {
        index += 8
        previous = integers[index - 1]
        continue
      }
      let end = min(index + 8, values.count)
      while index < end {
        if let integer = exact(values[index], power: power) { previous = integer } else { exceptions += 1 }
        integers[index] = previous
        index += 1
      }
    }
    return exceptions
  }

  /// The same for eight values at once; false where one of them is no small decimal.
  @inline(__always) private static func scaleEight(
    _ values: UnsafeBufferPointer<Double>, at index: Int, power: Double,
    into integers: UnsafeMutableBufferPointer<Int64>
  ) -> Bool {
    let source = UnsafeRawBufferPointer(values)
    let offset = index * MemoryLayout<Double>.stride
    let eight = source.loadUnaligned(fromByteOffset: offset, as: SIMD8<Double>.self)
    let scaled = eight * power
    let raised = scaled + rounding
    let back = (raised - rounding) / power
    // In this range the raised value's lowest bits are the integer.
    let fits = (scaled .< scaledMax) .& (scaled .> -scaledMax)
    let same = unsafeBitCast(back, to: SIMD8<Int64>.self) .== unsafeBitCast(eight, to: SIMD8<Int64>.self)
    guard all(fits .& same) else { return false }
    let result = unsafeBitCast(raised, to: SIMD8<Int64>.self) &- Int64(bitPattern: rounding.bitPattern)
    UnsafeMutableRawBufferPointer(integers).storeBytes(of: result, toByteOffset: offset, as: SIMD8<Int64>.self)
    return true
  }

  private static func appendExceptions(
    _ values: UnsafeBufferPointer<Double>, exponent: Int, to output: inout [UInt8]
  ) {
    var next = 0
    for index in 0..<values.count where exact(values[index], power: powers[exponent]) == nil {
      output.appendVarint(UInt64(index - next))
      output.appendInteger(values[index].bitPattern)
      next = index + 1
    }
  }

  /// Appends `count` values; the reader stands behind the column then.
  package static func decode(
    _ reader: inout ByteReader, count: Int, to output: inout [Double]
  ) throws(MalformedBytes) {
    let exponent = Int(try reader.read(UInt8.self))
    guard exponent <= exponentMax else { throw .invalid("unknown exponent") }
    // A place takes at least a byte, and the bits eight.
    let exceptionCount = try reader.readCount(elementBytes: 9)
    var exceptions = reader
    for _ in 0..<exceptionCount {
      _ = try reader.readVarint()
      _ = try reader.read(UInt64.self)
    }
    guard count <= IntegerColumn.countMax(bytes: reader.remaining) else { throw .invalid("impossible count") }
    let start = output.count
    try ColumnMemory.withIntegers(count: count) { integers throws(MalformedBytes) in
      try IntegerColumn.decode(&reader, into: integers)
      let power = powers[exponent]
      ColumnMemory.append(count: count, to: &output) { target in
        if exponent == 0 {
          for index in 0..<integers.count { target[index] = Double(integers[index]) }
        } else {
          for index in 0..<integers.count { target[index] = Double(integers[index]) / power }
        }
      }
    }
    var next = 0
    for _ in 0..<exceptionCount {
      guard let gap = Int(exactly: try exceptions.readVarint()), gap < count - next else {
        throw .invalid("an exception outside of the column")
      }
      output[start + next + gap] = Double(bitPattern: try exceptions.read(UInt64.self))
      next += gap + 1
    }
  }
}
