/// Comma-separated values as RFC 4180 has them, safe to open in a spreadsheet.
enum CSV {
  enum Field: Equatable {
    case text(String)
    case number(Double)
    case integer(Int64)
  }

  static func line(_ fields: [Field]) -> String {
    fields.map(text).joined(separator: ",")
  }

  /// Text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay numbers.
  static func text(_ field: Field) -> String {
    switch field {
    case .number(let number): return PrometheusNumber.text(number)
    case .integer(let integer): return String(integer)
    case .text(let text):
      let risky = text.unicodeScalars.first.map { "=+-@\t\r".unicodeScalars.contains($0) } ?? false
      let safe = risky ? "'" + text : text
      guard safe.unicodeScalars.contains(where: { ",\"\n\r".unicodeScalars.contains($0) }) || risky else { return safe }
      return "\"" + safe.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
  }
}

/// Numbers as Prometheus writes them.
enum PrometheusNumber {
  static func text(_ number: Double) -> String {
    if number.isNaN { return "NaN" }
    if number.isInfinite { return number > 0 ? "+Inf" : "-Inf" }
    if number == 0 { return number.sign == .minus ? "-0" : "0" }
    if let whole = Int64(exactly: number), abs(number) < 1e15 { return String(whole) }
    return number.description
  }

  static func value(_ text: String) -> Double? {
    switch text {
    case "NaN": .nan
    case "+Inf", "Inf": .infinity
    case "-Inf": -.infinity
    default: Double(text)
    }
  }
}
