/// Writes samples as Prometheus does, `[SECONDS,"VALUE"]`, one behind the other.
///
/// It remembers what it wrote last: times of today that follow one another differ in their last digits.
struct PointText {
  /// So many bytes is the longest sample, a comma ahead of it among them.
  static let max = DigitCursor.fractionMax + NumberText.max + 6
  /// The seconds of which the text below has all digits but three: those from 2001 to 2286, which have ten.
  private static let usual: ClosedRange<UInt64> = 1_000_000_000...9_999_999_999

  /// The seconds of the last time without their last three digits, and a bracket ahead of that as text.
  private var thousands: UInt64 = 0
  private var text: UInt64 = 0

  /// Writes a sample at a time in ms.
  @inline(__always) mutating func write(_ time: Int64, _ value: Double, to cursor: inout DigitCursor) {
    let (seconds, fraction) = time.magnitude.quotientAndRemainder(dividingBy: 1000)
    if time > 0, Self.usual.contains(seconds) {
      let (thousands, rest) = seconds.quotientAndRemainder(dividingBy: 1000)
      if thousands != self.thousands { remember(thousands) }
      cursor.eight(text)
      cursor.three(rest)
    } else {
      cursor.character("[")
      if time < 0 { cursor.character("-") }
      cursor.whole(seconds)
    }
    if fraction != 0 {
      cursor.character(".")
      cursor.three(fraction)
    }
    cursor.character(",")
    cursor.character("\"")
    NumberText.write(value, to: &cursor)
    cursor.character("\"")
    cursor.character("]")
  }

  private mutating func remember(_ thousands: UInt64) {
    self.thousands = thousands
    text = UInt64(UInt8(ascii: "["))
    var rest = thousands
    for place in (1...7).reversed() {
      text |= (48 + rest % 10) << (8 * UInt64(place))
      rest /= 10
    }
  }
}
