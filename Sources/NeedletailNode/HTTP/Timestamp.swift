// Times as clients send them: seconds since 1970 with a fraction, nanoseconds (Loki), or RFC 3339.

enum Timestamp {
  /// Reads seconds as a decimal number, or RFC 3339; milliseconds since 1970, nil for anything else or out of range.
  static func milliseconds(_ text: String) -> Int64? {
    if let seconds = Double(text), seconds.isFinite { return scaled(seconds, by: 1000) }
    return nanoseconds(rfc3339: text).map { floorDivide($0, by: 1_000_000) }
  }

  /// Reads Loki's forms: an integer of more than ten digits is nanoseconds, else seconds, or RFC 3339.
  static func nanoseconds(_ text: String) -> Int64? {
    if let whole = Int64(text) {
      guard text.utf8.count <= 10 else { return whole }
      let (product, overflow) = whole.multipliedReportingOverflow(by: 1_000_000_000)
      return overflow ? nil : product
    }
    if let seconds = Double(text), seconds.isFinite { return scaled(seconds, by: 1e9) }
    return nanoseconds(rfc3339: text)
  }

  /// Reads a step or timeout: seconds as a decimal number, or a duration such as `5m`; milliseconds.
  static func span(_ text: String) -> Int64? {
    if let seconds = Double(text), seconds.isFinite { return scaled(seconds, by: 1000) }
    return TimeSpan(text)?.milliseconds
  }

  /// Reads a duration as Go writes it (`1.5s`, `200ms`, `10us`); nanoseconds.
  static func nanoseconds(goDuration text: String) -> Int64? {
    let units: [(String, Double)] = [
      ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9), ("d", 86_400e9),
    ]
    var rest = Substring(text)
    var total = 0.0
    guard !rest.isEmpty else { return nil }
    while !rest.isEmpty {
      let digits = rest.prefix { ($0.isASCII && $0.isNumber) || $0 == "." }
      guard let number = Double(digits) else { return nil }
      rest = rest.dropFirst(digits.count)
      let letters = rest.prefix { $0.isLetter }
      rest = rest.dropFirst(letters.count)
      guard let unit = units.first(where: { $0.0 == letters }) else { return nil }
      total += number * unit.1
    }
    return scaled(total, by: 1)
  }

  static func scaled(_ value: Double, by factor: Double) -> Int64? {
    let product = (value * factor).rounded()
    return abs(product) < 9.2e18 ? Int64(exactly: product) : nil
  }

  static func floorDivide(_ value: Int64, by divisor: Int64) -> Int64 {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }

  /// Reads `2026-11-22T21:00:00.123Z` or with an offset `+01:00`; years 1678 to 2261.
  static func nanoseconds(rfc3339 text: String) -> Int64? {
    let bytes = Array(text.utf8)
    guard bytes.count >= 20, bytes[4] == 0x2d, bytes[7] == 0x2d, bytes[13] == 0x3a, bytes[16] == 0x3a,
      [0x54, 0x74, 0x20].contains(bytes[10]),
      let year = number(bytes[0..<4]), let month = number(bytes[5..<7]), let day = number(bytes[8..<10]),
      let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]), let second = number(bytes[17..<19]),
      (1678...2261).contains(year), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60,
      second < 61
    else { return nil }
    var index = 19
    var fraction: Int64 = 0
    if bytes[index] == 0x2e {
      index += 1
      let digits = bytes[index...].prefix { (0x30...0x39).contains($0) }
      guard (1...9).contains(digits.count), let number = number(digits) else { return nil }
      fraction = number
      for _ in digits.count..<9 { fraction *= 10 }
      index += digits.count
    }
    guard let offset = offsetSeconds(bytes[index...]) else { return nil }
    let seconds = daysSince1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? nil : product + fraction
  }

  private static func offsetSeconds(_ text: ArraySlice<UInt8>) -> Int64? {
    let bytes = Array(text)
    if bytes == [0x5a] || bytes == [0x7a] { return 0 }
    guard bytes.count == 6, bytes[0] == 0x2b || bytes[0] == 0x2d, bytes[3] == 0x3a, let hours = number(bytes[1..<3]),
      let minutes = number(bytes[4..<6]), hours < 24, minutes < 60
    else { return nil }
    return (bytes[0] == 0x2d ? -1 : 1) * (hours * 3600 + minutes * 60)
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
    var value: Int64 = 0
    for digit in digits {
      guard (0x30...0x39).contains(digit) else { return nil }
      value = value * 10 + Int64(digit - 0x30)
    }
    return value
  }

  /// Writes milliseconds since 1970 as `2026-11-22T21:00:00.123Z`.
  static func rfc3339(milliseconds: Int64) -> String {
    let seconds = floorDivide(milliseconds, by: 1000)
    let days = floorDivide(seconds, by: 86_400)
    let secondOfDay = seconds - days * 86_400
    let (year, month, day) = date(daysSince1970: days)
    func padded(_ number: Int64, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    let minutes = "\(padded(secondOfDay / 3600, 2)):\(padded(secondOfDay / 60 % 60, 2))"
    return "\(date)T\(minutes):\(padded(secondOfDay % 60, 2)).\(padded(milliseconds - seconds * 1000, 3))Z"
  }

  private static func date(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = floorDivide(shifted, by: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }

  /// Days from 1970-01-01 in the Gregorian calendar (the era-based algorithm).
  private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }
}
