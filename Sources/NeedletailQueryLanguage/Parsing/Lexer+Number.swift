// Numbers and durations share their first digits, so they are read together: decimal with fraction and exponent,
// hexadecimal, octal with a leading zero, underscores between digits, and durations such as `1h30m`.

extension Lexer {
  /// Reads a number or a duration.
  mutating func number() throws(SyntaxError) -> Token {
    let start = position
    var end = start
    let isHexadecimal = byte(at: start) == UInt8(ascii: "0") && byte(at: start + 1) | 0x20 == UInt8(ascii: "x")
    while end < bytes.count {
      let byte = bytes[end]
      let isExponentSign =
        (byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")) && !isHexadecimal && end > start
        && bytes[end - 1] | 0x20 == UInt8(ascii: "e")
      guard byte.isIdentifierPart || byte == UInt8(ascii: ".") || isExponentSign else { break }
      end += 1
    }
    position = end
    let span = SourceSpan(start: start, end: end)
    let spelling = bytes[start..<end]
    if let value = NumberSpelling.number(spelling) { return Token(kind: .number, span: span, value: value) }
    if let milliseconds = NumberSpelling.duration(spelling) {
      return Token(kind: .duration, span: span, value: Double(milliseconds))
    }
    if let value = NumberSpelling.quantity(spelling) ?? NumberSpelling.magnitude(spelling) {
      return Token(kind: .quantity, span: span, value: value)
    }
    let found = String(decoding: spelling, as: UTF8.self)
    throw failure("bad number or duration syntax: \"\(found)\"", from: start, to: end)
  }
}

/// What the spellings of numbers and durations mean.
package enum NumberSpelling {
  private static let units: [(name: String, milliseconds: Int64)] = [
    ("y", 31_536_000_000), ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000),
    ("ms", 1),
  ]

  /// The value of a number's spelling, nil if it is not one.
  static func number(_ spelling: ArraySlice<UInt8>) -> Double? {
    var digits: [UInt8] = []
    var previous: UInt8 = 0
    for byte in spelling {
      if byte == UInt8(ascii: "_") {
        guard previous.hexDigit != nil else { return nil }
      } else {
        digits.append(byte)
      }
      previous = byte
    }
    guard previous != UInt8(ascii: "_"), let first = digits.first else { return nil }
    if digits.count > 2, first == UInt8(ascii: "0"), digits[1] | 0x20 == UInt8(ascii: "x") {
      var value = 0.0
      for byte in digits.dropFirst(2) {
        guard let digit = byte.hexDigit else { return nil }
        value = value * 16 + Double(digit)
      }
      return value
    }
    if digits.count > 1, first == UInt8(ascii: "0"),
      digits.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "7") })
    {
      return digits.reduce(0.0) { $0 * 8 + Double($1 - UInt8(ascii: "0")) }
    }
    // `Double` would also read "1p3", "nan(…)" and hexadecimal floats, which are not numbers here.
    for byte in digits {
      let isSign = byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
      guard byte.isDigit || byte == UInt8(ascii: ".") || byte | 0x20 == UInt8(ascii: "e") || isSign else { return nil }
    }
    var decimal = String(decoding: digits, as: UTF8.self)
    if decimal.hasSuffix(".") { decimal += "0" }
    return Double(decimal)
  }

  /// The milliseconds of a duration's spelling (`1h30m`): each unit at most once, from the largest down; nil if it is
  /// not one or does not fit.
  package static func duration(_ spelling: ArraySlice<UInt8>) -> Int64? {
    var total: Int64 = 0
    var nextUnit = 0
    var index = spelling.startIndex
    while index < spelling.endIndex {
      var count: Int64 = 0
      let firstDigit = index
      while index < spelling.endIndex, spelling[index].isDigit {
        let (tens, overflow) = count.multipliedReportingOverflow(by: 10)
        let (sum, carry) = tens.addingReportingOverflow(Int64(spelling[index] - UInt8(ascii: "0")))
        guard !overflow, !carry else { return nil }
        count = sum
        index += 1
      }
      guard index > firstDigit else { return nil }
      let unitStart = index
      while index < spelling.endIndex, !spelling[index].isDigit { index += 1 }
      let name = String(decoding: spelling[unitStart..<index], as: UTF8.self)
      guard let unit = units[nextUnit...].firstIndex(where: { $0.name == name }) else { return nil }
      nextUnit = unit + 1
      let (part, overflow) = count.multipliedReportingOverflow(by: units[unit].milliseconds)
      let (sum, carry) = total.addingReportingOverflow(part)
      guard !overflow, !carry else { return nil }
      total = sum
    }
    return spelling.isEmpty ? nil : total
  }

  private static let quantityUnits: [String: Double] = [
    "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600,
    "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "pb": 1e15,
    "kib": 1024, "mib": 1_048_576, "gib": 1_073_741_824, "tib": 1_099_511_627_776, "pib": 1_125_899_906_842_624,
  ]

  /// The seconds of `1.5s`, `250us`, `1h2.5m`, or the bytes of `10KB`; nil if it is neither.
  static func quantity(_ spelling: ArraySlice<UInt8>) -> Double? {
    var total = 0.0
    var index = spelling.startIndex
    while index < spelling.endIndex {
      let start = index
      while index < spelling.endIndex, spelling[index].isDigit || spelling[index] == UInt8(ascii: ".") { index += 1 }
      let unitStart = index
      while index < spelling.endIndex, spelling[index].isIdentifierStart { index += 1 }
      let unit = String(decoding: spelling[unitStart..<index], as: UTF8.self).lowercased()
      guard index > unitStart, let count = number(spelling[start..<unitStart]), let scale = quantityUnits[unit] else {
        return nil
      }
      total += count * scale
    }
    return total
  }

  private static let magnitudes: [String: Double] = [
    "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 1024, "Mi": 1_048_576, "Gi": 1_073_741_824,
    "Ti": 1_099_511_627_776,
  ]

  /// The number that `10K`, `1.5Gi` or `8MiB` is short for, as MetricsQL has them; nil if it is none.
  ///
  /// With a capital letter: `5m` are minutes.
  static func magnitude(_ spelling: ArraySlice<UInt8>) -> Double? {
    let digits = spelling.prefix { $0.isDigit || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") }
    var suffix = spelling[digits.endIndex...]
    if suffix.count > 1, suffix.last == UInt8(ascii: "B") { suffix = suffix.dropLast() }
    guard let scale = magnitudes[String(decoding: suffix, as: UTF8.self)], let count = number(digits) else {
      return nil
    }
    return count * scale
  }

  /// The shortest spelling of a duration in milliseconds: `1h30m`, `-5s`, `0s`.
  package static func spell(milliseconds: Int64) -> String {
    guard milliseconds != 0 else { return "0s" }
    var rest = milliseconds.magnitude
    var result = milliseconds < 0 ? "-" : ""
    // Years and weeks only when nothing is left over, as Prometheus prints them.
    for (name, size) in units {
      let size = UInt64(size)
      if name == "y" || name == "w", rest % size != 0 { continue }
      if rest >= size {
        result += "\(rest / size)\(name)"
        rest %= size
      }
    }
    return result
  }
}
