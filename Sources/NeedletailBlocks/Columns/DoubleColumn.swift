// 64-bit floats, lossless to the bit. A block is stored in the first of these forms that is exact and, of those, the
// smallest:
//
// - constant: all values have the same bits;
// - decimal: every value is an integer divided by one power of ten (what counters, sizes and rounded gauges are); the
//   integers are stored as differences, or as differences of differences, as varints;
// - xor: each value's bits xor its predecessor's, without the leading zero bytes.
//
// Exact means that the decoder's own arithmetic gives the same bits. NaN, infinities and -0.0 fail that test, so a
// block that holds one goes to xor as a whole.

import NeedletailTelemetry

/// A column of 64-bit floats.
///
/// Append-only format version 1.
package enum DoubleColumn {
  private enum Form: UInt8 {
    case constant = 1
    case delta = 2
    case deltaOfDelta = 3
    case xor = 4
  }

  /// The most decimal places that are tried; 10^22 is the last power that a Double holds exactly.
  private static let exponentMax = 12
  private static let powers: [Double] = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12]
  /// Beyond 2^53 not every integer is a Double.
  private static let integerMax = 9_007_199_254_740_992.0

  /// Appends the encoded column to `output`: at most 9 bytes a value.
  package static func encode(_ values: UnsafeBufferPointer<Double>, to output: inout [UInt8]) {
    let start = output.count
    let first = values.first?.bitPattern ?? 0
    if values.allSatisfy({ $0.bitPattern == first }) {
      output.append(Form.constant.rawValue)
      output.appendVarint(UInt64(values.count))
      output.appendInteger(first)
      return
    }
    if let (exponent, integers) = decimals(values) {
      let isSmooth = cost(integers, order: 2) < cost(integers, order: 1)
      output.append((isSmooth ? Form.deltaOfDelta : Form.delta).rawValue)
      output.appendVarint(UInt64(values.count))
      output.append(UInt8(exponent))
      var previous: Int64 = 0
      var distance: Int64 = 0
      for integer in integers {
        let next = integer &- previous
        output.appendVarint(ZigZag.encode(isSmooth ? next &- distance : next))
        distance = next
        previous = integer
      }
      if output.count - start <= values.count * 7 { return }
      output.removeLast(output.count - start)
    }
    encodeXor(values, to: &output)
  }

  /// The integers that the values are, times a power of ten; nil when they are not.
  private static func decimals(_ values: UnsafeBufferPointer<Double>) -> (exponent: Int, integers: [Int64])? {
    let probe = UnsafeBufferPointer(rebasing: values.prefix(16))
    guard var exponent = (0...exponentMax).first(where: { exact(probe, exponent: $0) != nil }) else { return nil }
    while exponent <= exponentMax {
      if let integers = exact(values, exponent: exponent) { return (exponent, integers) }
      exponent += 1
    }
    return nil
  }

  private static func exact(_ values: UnsafeBufferPointer<Double>, exponent: Int) -> [Int64]? {
    let power = powers[exponent]
    var integers: [Int64] = []
    integers.reserveCapacity(values.count)
    for value in values {
      let scaled = (value * power).rounded(.toNearestOrEven)
      // Also false for NaN: only what is in range may be converted.
      guard scaled > -integerMax, scaled < integerMax else { return nil }
      let integer = Int64(scaled)
      guard (Double(integer) / power).bitPattern == value.bitPattern else { return nil }
      integers.append(integer)
    }
    return integers
  }

  /// Bits that differences of an order need, over all values.
  private static func cost(_ integers: [Int64], order: Int) -> Int {
    var bits = 0
    var previous: Int64 = 0
    var distance: Int64 = 0
    for integer in integers {
      let next = integer &- previous
      let coded = ZigZag.encode(order == 2 ? next &- distance : next)
      bits += (63 - (coded | 1).leadingZeroBitCount) / 7
      distance = next
      previous = integer
    }
    return bits
  }

  /// One byte of lengths for two values, then their bytes without leading zero bytes.
  private static func encodeXor(_ values: UnsafeBufferPointer<Double>, to output: inout [UInt8]) {
    output.append(Form.xor.rawValue)
    output.appendVarint(UInt64(values.count))
    var previous: UInt64 = 0
    var index = 0
    while index < values.count {
      let lengths = output.count
      output.append(0)
      for half in 0..<min(2, values.count - index) {
        let bits = values[index + half].bitPattern
        let changed = bits ^ previous
        previous = bits
        let length = 8 - changed.leadingZeroBitCount / 8
        output[lengths] |= UInt8(length) << UInt8(4 * half)
        withUnsafeBytes(of: changed.littleEndian) { output.append(contentsOf: $0.prefix(length)) }
      }
      index += 2
    }
  }

  /// Appends the column at the reader's place to `output`; the reader stands behind it then.
  ///
  /// `countMax` bounds what a constant block, whose size says nothing about its count, may allocate.
  package static func decode(
    _ reader: inout ByteReader, countMax: Int = 1 << 20, to output: inout [Double]
  ) throws(MalformedBytes) {
    guard let form = Form(rawValue: try reader.read(UInt8.self)) else { throw .invalid("unknown form") }
    guard let count = Int(exactly: try reader.readVarint()), count <= countMax else {
      throw .invalid("impossible count")
    }
    switch form {
    case .constant:
      let value = Double(bitPattern: try reader.read(UInt64.self))
      output.append(contentsOf: repeatElement(value, count: count))
    case .delta, .deltaOfDelta:
      let exponent = Int(try reader.read(UInt8.self))
      guard exponent <= exponentMax, count <= reader.remaining else { throw .invalid("impossible count") }
      let power = powers[exponent]
      output.reserveCapacity(output.count + count)
      var previous: Int64 = 0
      var distance: Int64 = 0
      for _ in 0..<count {
        let coded = try reader.readSignedVarint()
        distance = form == .deltaOfDelta ? distance &+ coded : coded
        previous = previous &+ distance
        output.append(Double(previous) / power)
      }
    case .xor:
      guard count <= 2 * reader.remaining else { throw .invalid("impossible count") }
      try decodeXor(&reader, count: count, to: &output)
    }
  }

  private static func decodeXor(
    _ reader: inout ByteReader, count: Int, to output: inout [Double]
  ) throws(MalformedBytes) {
    output.reserveCapacity(output.count + count)
    var previous: UInt64 = 0
    var index = 0
    while index < count {
      let lengths = try reader.read(UInt8.self)
      for half in 0..<min(2, count - index) {
        let length = Int(lengths >> UInt8(4 * half)) & 15
        guard length <= 8 else { throw .invalid("a float of more than 8 bytes") }
        var changed: UInt64 = 0
        for (place, byte) in try reader.read(count: length).enumerated() {
          changed |= UInt64(byte) << UInt64(8 * place)
        }
        previous ^= changed
        output.append(Double(bitPattern: previous))
      }
      index += 2
    }
  }
}
