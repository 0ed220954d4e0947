/// Spans of time as people write them: `90s`, `1h30m`, `500ms`, `1.5h`, `7d`; a bare number counts seconds.
enum TimeSpan {
  private static let units: [(name: String, nanoseconds: Double)] = [
    ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12), ("d", 8.64e13),
    ("w", 6.048e14), ("y", 3.1536e16),
  ]

  /// Nanoseconds; nil when the text is no span of time or does not fit 64 bits.
  static func nanoseconds(_ text: String) -> Int64? {
    if let seconds = decimal(text) { return whole(seconds * 1e9) }
    var rest = text[...]
    var total = 0.0
    guard !rest.isEmpty else { return nil }
    while !rest.isEmpty {
      let number = rest.prefix { ("0"..."9").contains($0) || $0 == "." }
      rest = rest.dropFirst(number.count)
      let name = rest.prefix { !("0"..."9").contains($0) && $0 != "." }
      rest = rest.dropFirst(name.count)
      guard let value = decimal(String(number)), let unit = units.first(where: { $0.name == name }) else { return nil }
      total += value * unit.nanoseconds
    }
    return whole(total)
  }

  /// Digits with at most one point: narrower than `Double`, which also reads `nan`, `0x10` and `1e5`.
  static func decimal(_ text: String) -> Double? {
    let isPlain = text.allSatisfy { ("0"..."9").contains($0) || $0 == "." } && text.contains { $0 != "." }
    return isPlain ? Double(text) : nil
  }

  private static func whole(_ value: Double) -> Int64? { Int64(exactly: value.rounded()) }
}
