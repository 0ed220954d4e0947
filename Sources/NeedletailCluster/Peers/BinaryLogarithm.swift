/// Logarithms in whole numbers: a function of the C library may differ in the last bit from one machine to the next.
enum BinaryLogarithm {
  /// The logarithm of 2 of `value` plus one, rounded up; at least 1.
  static func ceiling(ofOneMoreThan value: Int) -> Int {
    max(1, Int.bitWidth - max(1, value).leadingZeroBitCount)
  }

  /// The logarithm of 2 of `value` in 1/2^40; 0 for 0.
  static func precise(_ value: UInt64) -> Int64 {
    guard value > 1 else { return 0 }
    let whole = UInt64.bitWidth - 1 - value.leadingZeroBitCount
    // The mantissa in 1...2, with 63 bits behind the point: each squaring tells the next bit of the logarithm.
    var mantissa = value << UInt64(value.leadingZeroBitCount)
    var result = Int64(whole)
    for _ in 0..<40 {
      let square = mantissa.multipliedFullWidth(by: mantissa)
      let isTwoOrMore = square.high >> 63 == 1
      mantissa = isTwoOrMore ? square.high : square.high << 1 | square.low >> 63
      result = result << 1 | (isTwoOrMore ? 1 : 0)
    }
    return result
  }
}
