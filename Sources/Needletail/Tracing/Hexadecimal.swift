/// Hexadecimal digits of 64-bit identifiers.
enum Hexadecimal {
  /// The value of a digit, either case.
  static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// The digit of a value of 0 to 15.
  static func digit(_ value: UInt8, upper: Bool = false) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : (upper ? UInt8(ascii: "A") : UInt8(ascii: "a")) + value - 10
  }

  /// The number that up to 16 lower-case digits write; nil when another character is among them.
  static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
    var number: UInt64 = 0
    for digit in digits {
      guard let value = value(digit), !(UInt8(ascii: "A")...UInt8(ascii: "F")).contains(digit) else { return nil }
      number = number << 4 | UInt64(value)
    }
    return number
  }

  /// Appends 16 lower-case digits.
  static func append(_ number: UInt64, to bytes: inout [UInt8]) {
    for shift in stride(from: 60, through: 0, by: -4) {
      bytes.append(digit(UInt8(truncatingIfNeeded: number >> UInt64(shift)) & 15))
    }
  }
}
