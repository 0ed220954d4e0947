/// Points in time as people write them: RFC 3339 (also a date alone, and without a zone: UTC), unix seconds, `now`,
/// `now-1h30m`, `now+5m`, and a span of time alone, which means so long ago.
enum Instant {
  /// Unix nanoseconds; nil when the text is none of these.
  static func nanoseconds(_ text: String, now: Int64) -> Int64? {
    if text == "now" { return now }
    if text.hasPrefix("now-") || text.hasPrefix("now+") {
      guard let span = TimeSpan.nanoseconds(String(text.dropFirst(4))) else { return nil }
      return moved(now, by: text.hasPrefix("now-") ? -span : span)
    }
    if text.hasPrefix("-"), let span = TimeSpan.nanoseconds(String(text.dropFirst())) {
      return moved(now, by: -span)
    }
    if let seconds = unixSeconds(text) { return seconds }
    if let span = TimeSpan.nanoseconds(text) { return moved(now, by: -span) }
    return rfc3339(text)
  }

  private static func moved(_ instant: Int64, by span: Int64) -> Int64? {
    let (sum, overflow) = instant.addingReportingOverflow(span)
    return overflow ? nil : sum
  }

  /// Digits, with up to nine after the point; exact, where a floating-point number would lose nanoseconds.
  private static func unixSeconds(_ text: String) -> Int64? {
    guard TimeSpan.decimal(text) != nil else { return nil }
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard let seconds = Int64(parts[0].isEmpty ? "0" : String(parts[0])) else { return nil }
    let digits = parts.count > 1 ? String(parts[1].prefix(9)) : ""
    guard let fraction = Int64(digits + String(repeating: "0", count: 9 - digits.utf8.count)) else { return nil }
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? nil : moved(whole, by: fraction)
  }

  private static func rfc3339(_ text: String) -> Int64? {
    var rest = text[...]
    guard let year = number(&rest, 4), take("-", &rest), let month = number(&rest, 2), take("-", &rest),
      let day = number(&rest, 2), (1...12).contains(month), (1...days(in: month, year)).contains(day)
    else { return nil }
    var seconds = Int64(dayNumber(year, month, day)) * 86_400
    var fraction: Int64 = 0
    if !rest.isEmpty {
      guard take("T", &rest) || take("t", &rest) || take(" ", &rest), let hour = number(&rest, 2), take(":", &rest),
        let minute = number(&rest, 2), hour < 24, minute < 60
      else { return nil }
      var second = 0
      if take(":", &rest) {
        guard let value = number(&rest, 2), value <= 60 else { return nil }
        second = value
        if take(".", &rest) {
          let digits = rest.prefix { ("0"..."9").contains($0) }
          rest = rest.dropFirst(digits.count)
          let kept = digits.prefix(9)
          guard !kept.isEmpty, let value = Int64(kept + String(repeating: "0", count: 9 - kept.count)) else {
            return nil
          }
          fraction = value
        }
      }
      guard let offset = zone(&rest), rest.isEmpty else { return nil }
      seconds += Int64(hour * 3_600 + minute * 60 + second - offset)
    }
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? nil : moved(whole, by: fraction)
  }

  /// Seconds east of UTC.
  private static func zone(_ rest: inout Substring) -> Int? {
    if rest.isEmpty || take("Z", &rest) || take("z", &rest) { return 0 }
    let isEast = take("+", &rest)
    guard isEast || take("-", &rest), let hours = number(&rest, 2), take(":", &rest), let minutes = number(&rest, 2),
      hours < 24, minutes < 60
    else { return nil }
    return (hours * 3_600 + minutes * 60) * (isEast ? 1 : -1)
  }

  private static func take(_ character: Character, _ rest: inout Substring) -> Bool {
    guard rest.first == character else { return false }
    rest.removeFirst()
    return true
  }

  private static func number(_ rest: inout Substring, _ count: Int) -> Int? {
    let digits = rest.prefix(count)
    guard digits.utf8.count == count, digits.allSatisfy({ ("0"..."9").contains($0) }) else { return nil }
    rest = rest.dropFirst(count)
    return Int(digits)
  }

  private static func days(in month: Int, _ year: Int) -> Int {
    if month == 2 { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28 }
    return [4, 6, 9, 11].contains(month) ? 30 : 31
  }

  /// Days since 1970-01-01, by eras of 400 years that begin in March.
  private static func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}
