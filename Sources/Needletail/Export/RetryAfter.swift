/// Reads the `Retry-After` header (RFC 9110, section 10.2.3).
enum RetryAfter {
  /// The time to wait: seconds, or until a date; nil when it is neither or lies in the past.
  ///
  /// - Parameter now: the present, in seconds since the Unix epoch.
  static func duration(_ header: String, now: Int64) -> Duration? {
    let text = header.trimmingSpaces
    if let seconds = UInt32(text) { return .seconds(Int64(seconds)) }
    guard let date = seconds(ofDate: text), date > now else { return nil }
    return .seconds(date - now)
  }

  /// The seconds since the Unix epoch of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`: the one form that may be sent.
  private static func seconds(ofDate text: String) -> Int64? {
    let parts = text.split(separator: " ")
    guard parts.count == 6, parts[0].utf8.last == UInt8(ascii: ","), parts[5] == "GMT",
      let day = Int64(parts[1]), (1...31).contains(day),
      let month = months.firstIndex(of: String(parts[2])),
      let year = Int64(parts[3]), (1970...9999).contains(year)
    else { return nil }
    let time = parts[4].split(separator: ":").compactMap { Int64($0) }
    guard time.count == 3, (0...23).contains(time[0]), (0...59).contains(time[1]), (0...60).contains(time[2]) else {
      return nil
    }
    // Years begin in March, so that the leap day is a year's last; 719,468 days lie between 0000-03-01 and 1970-01-01.
    let isLateMonth = month >= 2
    let marchYear = isLateMonth ? year : year - 1
    let marchMonth = Int64(isLateMonth ? month - 2 : month + 10)
    let days =
      marchYear * 365 + marchYear / 4 - marchYear / 100 + marchYear / 400 + (153 * marchMonth + 2) / 5 + day - 1
    return (days - 719_468) * 86_400 + time[0] * 3_600 + time[1] * 60 + time[2]
  }

  private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}
