// How OpenTelemetry's names become Prometheus': "UnderscoreEscapingWithSuffixes", the default of Prometheus' own OTLP
// receiver (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/), so that dashboards
// made for it keep working.

import NeedletailOTLP

/// Translates names of metrics, units and attributes.
enum MetricNaming {
  private static let units: [String: String] = [
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes", "m": "meters",
    "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius", "Hz": "hertz", "1": "",
    "%": "percent",
  ]

  private static let perUnits: [String: String] = [
    "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
  ]

  /// The family name of a metric: its words joined by `_`, then its unit, then `total` for a counter or `ratio` for a
  /// gauge of unit 1.
  ///
  /// A unit that is among the words is not added again; `per` and what follows it are added or left out together.
  /// Empty for a name without a word.
  static func family(name: String, unit: String, kind: OTLPMetricKind, isMonotonic: Bool) -> String {
    var words = Self.words(name)
    guard !words.isEmpty else { return "" }
    let (main, per) = unitParts(unit)
    let addsMain = !main.isEmpty && !words.contains(main)
    let addsPer = !per.isEmpty && !words.contains(per)
    if addsMain { words.append(main) }
    if addsPer { words += ["per", per] }
    if kind == .sum && isMonotonic { words = words.filter { $0 != "total" } + ["total"] }
    if kind == .gauge && unit == "1" { words = words.filter { $0 != "ratio" } + ["ratio"] }
    let joined = words.joined(separator: "_")
    guard let first = joined.utf8.first else { return "" }
    return isDigit(first) ? "_" + joined : joined
  }

  /// The unit as metadata shows it.
  static func unitText(_ unit: String) -> String {
    let (main, per) = unitParts(unit)
    return per.isEmpty ? main : main.isEmpty ? "per_" + per : main + "_per_" + per
  }

  /// What is before and after the slash, each as one piece of a name; empty where there is none.
  private static func unitParts(_ unit: String) -> (main: String, per: String) {
    let parts = unit.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(trimmed)
    // What stands in braces is an annotation, not a unit.
    func piece(_ index: Int, _ names: [String: String]) -> String {
      guard index < parts.count, !parts[index].contains("{") else { return "" }
      return words(names[parts[index]] ?? parts[index]).joined(separator: "_")
    }
    return (piece(0, units), piece(1, perUnits))
  }

  private static func trimmed(_ text: Substring) -> String {
    let start = text.drop { $0 == " " }
    return String(start.reversed().drop { $0 == " " }.reversed())
  }

  /// Runs of letters, digits and colons.
  private static func words(_ text: String) -> [String] {
    text.utf8.split { !isLetterOrDigit($0) && $0 != UInt8(ascii: ":") }.map { String(decoding: $0, as: UTF8.self) }
  }

  /// The label for an attribute: what is not a letter, digit or `_` becomes `_`; `key_` goes before a digit, `key`
  /// before a single `_`.
  static func label(_ name: String) -> String {
    var result: [UInt8] = []
    for scalar in name.unicodeScalars {
      let byte = UInt8(truncatingIfNeeded: scalar.value)
      result.append(scalar.isASCII && isLetterOrDigit(byte) ? byte : UInt8(ascii: "_"))
    }
    guard let first = result.first else { return "" }
    let text = String(decoding: result, as: UTF8.self)
    if isDigit(first) { return "key_" + text }
    if first == UInt8(ascii: "_"), !text.hasPrefix("__") { return "key" + text }
    return text
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }

  /// A bound or quantile as a label: shortest decimal digits without exponent, `+Inf` for infinity.
  static func number(_ value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "NaN" : (value < 0 ? "-Inf" : "+Inf") }
    var text = value.description
    let isNegative = text.hasPrefix("-")
    if isNegative { text.removeFirst() }
    let parts = text.split(separator: "e")
    let mantissa = parts[0].split(separator: ".")
    var digits = String(mantissa[0])
    var point = digits.count
    if mantissa.count > 1, mantissa[1] != "0" { digits += mantissa[1] }
    if parts.count > 1, let exponent = Int(parts[1]) { point += exponent }
    if point <= 0 {
      digits = "0." + String(repeating: "0", count: -point) + digits
    } else if point >= digits.count {
      digits += String(repeating: "0", count: point - digits.count)
    } else {
      digits.insert(".", at: digits.index(digits.startIndex, offsetBy: point))
    }
    return (isNegative ? "-" : "") + digits
  }
}
