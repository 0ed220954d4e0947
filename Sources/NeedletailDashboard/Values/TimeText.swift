#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Instants as text.
package enum TimeText {
  package enum Zone: Sendable {
    case utc
    /// That of the machine (`TZ`).
    case local
  }

  private struct Parts {
    var year: Int
    var month: Int
    var day: Int
    var hour: Int
    var minute: Int
    var second: Int
    var millisecond: Int
    var offsetMinutes: Int
  }

  /// `15:04:05.123`.
  package static func clock(nanoseconds: Int64, _ zone: Zone) -> String {
    let parts = parts(nanoseconds, zone)
    return "\(two(parts.hour)):\(two(parts.minute)):\(two(parts.second)).\(three(parts.millisecond))"
  }

  /// `15:04:05.123`, with the date before it where that is not the date of `now`: `2026-11-22 15:04:05.123`.
  package static func clock(nanoseconds: Int64, _ zone: Zone, now: Int64) -> String {
    let date = full(nanoseconds: nanoseconds, zone).prefix { $0 != "T" }
    let clock = clock(nanoseconds: nanoseconds, zone)
    return date == full(nanoseconds: now, zone).prefix { $0 != "T" } ? clock : "\(date) \(clock)"
  }

  /// `15:04:05` for an instant in unix seconds.
  package static func clock(seconds: Double, _ zone: Zone) -> String {
    String(clock(nanoseconds: nanoseconds(ofSeconds: seconds), zone).dropLast(4))
  }

  /// RFC 3339 with milliseconds: `2026-11-22T15:04:05.123Z`.
  package static func full(nanoseconds: Int64, _ zone: Zone) -> String {
    let parts = parts(nanoseconds, zone)
    let year = String(parts.year)
    let date =
      String(repeating: "0", count: max(0, 4 - year.utf8.count)) + "\(year)-\(two(parts.month))-\(two(parts.day))"
    let size = abs(parts.offsetMinutes)
    let sign = parts.offsetMinutes < 0 ? "-" : "+"
    let suffix = parts.offsetMinutes == 0 ? "Z" : "\(sign)\(two(size / 60)):\(two(size % 60))"
    return "\(date)T\(clock(nanoseconds: nanoseconds, zone))\(suffix)"
  }

  /// Unix seconds to nanoseconds, held at the ends of what 64 bits can say (the years 1677 and 2262).
  package static func nanoseconds(ofSeconds seconds: Double) -> Int64 {
    guard seconds.isFinite else { return 0 }
    return Int64(exactly: (seconds * 1e9).rounded()) ?? (seconds < 0 ? .min : .max)
  }

  private static func parts(_ nanoseconds: Int64, _ zone: Zone) -> Parts {
    let (quotient, remainder) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    var seconds = Int(remainder < 0 ? quotient - 1 : quotient)
    let fraction = Int(remainder < 0 ? remainder + 1_000_000_000 : remainder)
    let offset = zone == .local ? localOffset(atSeconds: seconds) : 0
    seconds += offset
    let day = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
    let inDay = seconds - day * 86_400
    let date = civil(day)
    return Parts(
      year: date.year, month: date.month, day: date.day, hour: inDay / 3_600, minute: inDay / 60 % 60,
      second: inDay % 60, millisecond: fraction / 1_000_000, offsetMinutes: offset / 60)
  }

  private static func localOffset(atSeconds seconds: Int) -> Int {
    var time = time_t(seconds)
    var broken = tm()
    return localtime_r(&time, &broken) == nil ? 0 : Int(broken.tm_gmtoff)
  }

  /// The Gregorian date of a day counted from 1970-01-01, by eras of 400 years that begin in March.
  private static func civil(_ day: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let ofEra = shifted - era * 146_097
    let yearOfEra = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
    let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * ofYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (
      yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, ofYear - (153 * shiftedMonth + 2) / 5 + 1
    )
  }

  private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

  private static func three(_ number: Int) -> String {
    number < 10 ? "00\(number)" : number < 100 ? "0\(number)" : "\(number)"
  }
}
