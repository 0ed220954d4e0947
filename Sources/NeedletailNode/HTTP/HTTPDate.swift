import HTTPTypes
import NeedletailEnvironment

/// The header `Date`, worked out once a second. Source: RFC 9110 section 5.6.7.
final class HTTPDate: Sendable {
  private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  private let clock: any WallClock
  private let last = Lock<(second: Int64, field: HTTPField)>((.min, HTTPField(name: .date, value: "")))

  init(clock: any WallClock) { self.clock = clock }

  var field: HTTPField {
    let second = Timestamp.floorDivide(clock.wallNanoseconds(), by: 1_000_000_000)
    return last.withLock { last in
      if last.second != second { last = (second, HTTPField(name: .date, value: Self.text(seconds: second))) }
      return last.field
    }
  }

  /// Writes seconds since 1970 as `Sun, 06 Nov 1994 08:49:37 GMT`.
  static func text(seconds: Int64) -> String {
    let iso = Timestamp.rfc3339(milliseconds: seconds * 1000)
    let day = Timestamp.floorDivide(seconds, by: 86_400)
    let weekday = days[Int(day - Timestamp.floorDivide(day, by: 7) * 7)]
    let parts = iso.split(whereSeparator: { "-T.".contains($0) })
    let month = Int(parts[1]).map { months[$0 - 1] } ?? ""
    return "\(weekday), \(parts[2]) \(month) \(parts[0]) \(parts[3]) GMT"
  }
}
