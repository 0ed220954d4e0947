/// Numbers as people read them: about three significant digits and a unit.
package enum Quantity {
  package enum Unit: Equatable, Sendable {
    case none, seconds, bytes, perSecond, percent
  }

  /// `12.3ms`, `1.20k/s`, `4.50MiB`, `99.1%`; `-` for what is not a number.
  package static func text(_ value: Double, _ unit: Unit = .none) -> String {
    guard value.isFinite else { return value.isNaN ? "-" : value > 0 ? "+Inf" : "-Inf" }
    switch unit {
    case .none: return scaled(value, [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")])
    case .perSecond: return text(value) + "/s"
    case .percent: return significant(value) + "%"
    case .bytes:
      return scaled(value, [(0x1p50, "PiB"), (0x1p40, "TiB"), (0x1p30, "GiB"), (0x1p20, "MiB"), (1024, "KiB")], "B")
    case .seconds: return duration(seconds: value)
    }
  }

  /// A span of time with the unit that fits it: `850ns`, `1.25ms`, `3.20s`, `4m05s`, `2h10m`.
  package static func duration(seconds value: Double) -> String {
    let size = abs(value)
    if value == 0 { return "0s" }
    if size < 1e-6 { return significant(value * 1e9) + "ns" }
    if size < 1e-3 { return significant(value * 1e6) + "µs" }
    if size < 1 { return significant(value * 1e3) + "ms" }
    if size < 60 { return significant(value) + "s" }
    guard let whole = Int(exactly: size.rounded()), whole < 1_000_000_000 else { return significant(value) + "s" }
    let sign = value < 0 ? "-" : ""
    if whole < 3_600 { return "\(sign)\(whole / 60)m\(padded(whole % 60))s" }
    if whole < 86_400 { return "\(sign)\(whole / 3_600)h\(padded(whole % 3_600 / 60))m" }
    return "\(sign)\(whole / 86_400)d\(padded(whole % 86_400 / 3_600))h"
  }

  /// `value` with `decimals` digits after the point, rounded half away from zero.
  package static func fixed(_ value: Double, decimals: Int) -> String {
    let places = min(9, max(0, decimals))
    let factor = (0..<places).reduce(1) { product, _ in product * 10 }
    guard value.isFinite, abs(value) < 1e9,
      let whole = Int(exactly: (abs(value) * Double(factor)).rounded())
    else { return value.description }
    let sign = value < 0 && whole != 0 ? "-" : ""
    guard places > 0 else { return "\(sign)\(whole)" }
    let fraction = String(whole % factor)
    return "\(sign)\(whole / factor)." + String(repeating: "0", count: places - fraction.utf8.count) + fraction
  }

  /// `value` rounded to `digits` significant digits, but for whole numbers, which stay as they are.
  package static func rounded(_ value: Double, digits: Int = 6) -> Double {
    let size = abs(value)
    guard value.isFinite, size >= 1e-300, size != size.rounded(), (1...15).contains(digits) else { return value }
    var factor = 1.0
    var least = 1.0
    for _ in 1..<digits { least *= 10 }
    while size * factor < least { factor *= 10 }
    return (value * factor).rounded() / factor
  }

  private static func scaled(_ value: Double, _ steps: [(Double, String)], _ unit: String = "") -> String {
    for (step, name) in steps where abs(value) >= step { return significant(value / step) + name }
    return significant(value) + unit
  }

  private static func significant(_ value: Double) -> String {
    let size = abs(value)
    if size >= 1e9 || (size < 1e-4 && size > 0) { return rounded(value, digits: 3).description }
    if size == size.rounded() && size < 1_000 { return fixed(value, decimals: 0) }
    return fixed(value, decimals: size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.01 ? 3 : 5)
  }

  private static func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
