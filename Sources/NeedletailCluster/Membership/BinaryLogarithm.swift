/// Logarithms in whole numbers: a function of the C library may differ in the last bit from one machine to the next.
enum BinaryLogarithm {
  /// The logarithm of 2 of `value` plus one, rounded up; at least 1.
  static func ceiling(ofOneMoreThan value: Int) -> Int {
    max(1, Int.bitWidth - max(1, value).leadingZeroBitCount)
  }

  /// The logarithm of 2 of `value` in 1/65,536; 0 for what is below 1.
  static func fixed(_ value: UInt32) -> Int64 {
    guard value > 1 else { return 0 }
    let whole = UInt32.bitWidth - 1 - value.leadingZeroBitCount
    // The mantissa in 1...2, with 31 bits behind the point: each squaring tells the next bit of the logarithm.
    var mantissa = UInt64(value) << UInt64(31 - whole)
    var result = Int64(whole)
    for _ in 0..<16 {
      mantissa = (mantissa * mantissa) >> 31
      result <<= 1
      if mantissa >= 1 << 32 {
        mantissa >>= 1
        result |= 1
      }
    }
    return result
  }
}
