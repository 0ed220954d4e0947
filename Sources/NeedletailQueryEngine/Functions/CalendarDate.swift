import NeedletailQueryLanguage

/// A point in time by the Gregorian calendar in UTC.
struct CalendarDate {
  let year: Int64
  let month: Int64
  let day: Int64
  let dayOfYear: Int64
  /// 0 is Sunday.
  let dayOfWeek: Int64
  let hour: Int64
  let minute: Int64

  /// The date of seconds since 1970; nil where they are not a number or too far away.
  init?(seconds: Double) {
    guard let whole = Int64(exactly: seconds.rounded(.towardZero)), whole.magnitude < 1 << 53 else { return nil }
    let days = whole.flooredQuotient(by: 86_400)
    let second = whole - days * 86_400
    hour = second / 3600
    minute = second % 3600 / 60
    dayOfWeek = (days + 4) - (days + 4).flooredQuotient(by: 7) * 7
    // Years are taken to begin in March, so that the leap day is their last; eras are 400 years.
    let shifted = days + 719_468
    let era = shifted.flooredQuotient(by: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayFromMarch = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayFromMarch + 2) / 153
    day = dayFromMarch - (153 * monthFromMarch + 2) / 5 + 1
    month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    var before = day
    for earlier in 1..<13 where earlier < month { before += Self.days(inMonth: Int64(earlier), of: year) }
    dayOfYear = before
  }

  private static func days(inMonth month: Int64, of year: Int64) -> Int64 {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
    default: 31
    }
  }

  /// What a function asks of the date.
  func value(_ function: Function) -> Double {
    switch function {
    case .year: Double(year)
    case .month: Double(month)
    case .dayOfMonth: Double(day)
    case .dayOfYear: Double(dayOfYear)
    case .dayOfWeek: Double(dayOfWeek)
    case .daysInMonth: Double(Self.days(inMonth: month, of: year))
    case .hour: Double(hour)
    default: Double(minute)
    }
  }
}
