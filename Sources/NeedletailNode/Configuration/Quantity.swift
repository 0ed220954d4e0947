// How durations and sizes are written in settings and in request parameters.

/// A length of time as Prometheus writes it: `30d`, `1h30m`, `500ms`.
package struct TimeSpan: Hashable, Sendable, CustomStringConvertible {
  /// The length in milliseconds.
  package let milliseconds: Int64

  /// A length in milliseconds.
  package init(milliseconds: Int64) { self.milliseconds = milliseconds }

  /// A length in seconds; saturates.
  package init(seconds: Int64) {
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    milliseconds = overflow ? .max : product
  }

  private static let units: [(suffix: String, milliseconds: Int64)] = [
    ("y", 31_536_000_000), ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000),
    ("ms", 1),
  ]

  /// Reads one or more numbers with units, the greatest unit first; nil for anything else.
  package init?(_ text: some StringProtocol) {
    if text == "0" {
      self.init(milliseconds: 0)
      return
    }
    var rest = Substring(text)
    var total: Int64 = 0
    var previousUnit = -1
    guard !rest.isEmpty else { return nil }
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      guard let number = Int64(digits) else { return nil }
      rest = rest.dropFirst(digits.count)
      let letters = rest.prefix { $0.isASCII && $0.isLetter }
      rest = rest.dropFirst(letters.count)
      guard let unit = Self.units.firstIndex(where: { $0.suffix == letters }), unit > previousUnit else { return nil }
      previousUnit = unit
      let (product, overflow) = number.multipliedReportingOverflow(by: Self.units[unit].milliseconds)
      let (sum, sumOverflow) = total.addingReportingOverflow(product)
      guard !overflow, !sumOverflow else { return nil }
      total = sum
    }
    self.init(milliseconds: total)
  }

  /// The shortest exact spelling; years and weeks only where they divide the whole.
  package var description: String {
    guard milliseconds > 0 else { return "0s" }
    var rest = milliseconds
    var text = ""
    for unit in Self.units {
      let isCoarse = unit.suffix == "y" || unit.suffix == "w"
      guard rest >= unit.milliseconds, !isCoarse || rest % unit.milliseconds == 0 else { continue }
      text += "\(rest / unit.milliseconds)\(unit.suffix)"
      rest %= unit.milliseconds
    }
    return text
  }

  /// The length for Swift's own clocks.
  package var duration: Duration { .milliseconds(milliseconds) }
}

/// A number of bytes as people write it: `67108864`, `64MiB`, `32MB`.
enum ByteSize {
  private static let units: [(suffix: String, bytes: Int)] = [
    ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000),
    ("B", 1),
  ]

  static func parse(_ text: String) -> Int? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let suffix = text.dropFirst(digits.count)
    guard let number = Int(digits) else { return nil }
    if suffix.isEmpty { return number }
    guard let unit = units.first(where: { $0.suffix.lowercased() == suffix.lowercased() }) else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: unit.bytes)
    return overflow ? nil : product
  }

  static func text(_ bytes: Int) -> String {
    for unit in units.prefix(3).reversed() where bytes >= unit.bytes && bytes % unit.bytes == 0 {
      return "\(bytes / unit.bytes)\(unit.suffix)"
    }
    return String(bytes)
  }
}
