extension UnsignedInteger where Self: FixedWidthInteger {
  /// Lower-case hexadecimal digits of all the bits, leading zeros included: 16 of them for 64 bits.
  package var hexadecimal: String {
    let digits = String(self, radix: 16)
    return String(repeating: "0", count: Self.bitWidth / 4 - digits.count) + digits
  }
}
