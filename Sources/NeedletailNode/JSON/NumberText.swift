// Numbers as Prometheus' HTTP API prints them: the shortest digits that read back as the same number, in plain
// notation from 1e-6 up to 1e21 and in exponential notation outside, `NaN`, `+Inf`, `-Inf`.

enum NumberText {
  /// So many bytes is the longest number: a sign, and a point or an exponent beside 17 digits and up to six zeros.
  static let max = 32

  /// Appends a number without quotes.
  static func append(_ value: Double, to bytes: inout [UInt8]) {
    DigitCursor.append(upTo: max, to: &bytes) { write(value, to: &$0) }
  }

  /// Writes a number without quotes, at most `max` bytes.
  static func write(_ value: Double, to cursor: inout DigitCursor) {
    guard value.isFinite else {
      return cursor.text(value.isNaN ? "NaN" : value < 0 ? "-Inf" : "+Inf")
    }
    let magnitude = value.magnitude
    if value.sign == .minus { cursor.character("-") }
    if magnitude >= 1e-3 || value == 0, magnitude < 1e12, cursor.decimal(magnitude) { return }
    if magnitude >= 1e-4, magnitude < 1e15, magnitude != magnitude.rounded(.towardZero) {
      // The standard library has the same digits in the same notation here.
      return cursor.description(of: magnitude)
    }
    if magnitude < 1e15, let whole = UInt64(exactly: magnitude) { return cursor.whole(whole) }
    let (digits, exponent) = decimal(magnitude)
    var bytes: [UInt8] = []
    if magnitude < 1e-6 || magnitude >= 1e21 {
      appendExponential(digits, exponent, to: &bytes)
    } else {
      appendPlain(digits, exponent, to: &bytes)
    }
    bytes.withUnsafeBytes { cursor.text($0) }
  }

  /// Appends a whole number.
  static func append(_ value: UInt64, to bytes: inout [UInt8]) {
    DigitCursor.append(upTo: DigitCursor.wholeMax, to: &bytes) { $0.whole(value) }
  }

  static func text(_ value: Double) -> String {
    var bytes: [UInt8] = []
    append(value, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The shortest significant digits, and the place of the decimal point: the number is 0.DIGITS * 10^exponent.
  private static func decimal(_ value: Double) -> (digits: [UInt8], exponent: Int) {
    var digits: [UInt8] = []
    var pointPlace: Int?
    var written = 0
    var exponent: Int = 0
    var text = value.description.utf8[...]
    if let mark = text.firstIndex(of: UInt8(ascii: "e")) {
      exponent = Int(Substring(text[text.index(after: mark)...])) ?? 0
      text = text[..<mark]
    }
    for byte in text {
      if byte == UInt8(ascii: ".") {
        pointPlace = written
      } else {
        digits.append(byte)
        written += 1
      }
    }
    var place = (pointPlace ?? written) + exponent
    let leadingZeros = digits.prefix { $0 == UInt8(ascii: "0") }.count
    digits.removeFirst(leadingZeros)
    place -= leadingZeros
    while digits.last == UInt8(ascii: "0") { digits.removeLast() }
    return (digits, place)
  }

  private static func appendPlain(_ digits: [UInt8], _ place: Int, to bytes: inout [UInt8]) {
    let zero = UInt8(ascii: "0")
    if place <= 0 {
      bytes.append(contentsOf: [zero, UInt8(ascii: ".")])
      bytes.append(contentsOf: repeatElement(zero, count: -place))
      bytes.append(contentsOf: digits)
    } else if place >= digits.count {
      bytes.append(contentsOf: digits)
      bytes.append(contentsOf: repeatElement(zero, count: place - digits.count))
    } else {
      bytes.append(contentsOf: digits[..<place])
      bytes.append(UInt8(ascii: "."))
      bytes.append(contentsOf: digits[place...])
    }
  }

  private static func appendExponential(_ digits: [UInt8], _ place: Int, to bytes: inout [UInt8]) {
    bytes.append(contentsOf: digits.prefix(1))
    if digits.count > 1 {
      bytes.append(UInt8(ascii: "."))
      bytes.append(contentsOf: digits.dropFirst())
    }
    let exponent = place - 1
    bytes.append(contentsOf: [UInt8(ascii: "e"), exponent < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+")])
    if exponent.magnitude < 10 { bytes.append(UInt8(ascii: "0")) }
    bytes.append(contentsOf: String(exponent.magnitude).utf8)
  }
}
