import NeedletailTelemetry

/// Numbers as labels, spelt as Prometheus spells them: the shortest digits that read back as the same number, never with
/// an exponent.
enum GoNumber {
  static func text(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    let description = value.magnitude.description
    let sign = value.sign == .minus ? "-" : ""
    let parts = description.split(separator: "e")
    guard let mantissa = parts.first else { return description }
    let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    let sides = mantissa.split(separator: ".")
    let whole = sides.first.map(String.init) ?? "0"
    var fraction = sides.count > 1 ? String(sides[1]) : ""
    if fraction == "0" { fraction = "" }
    guard exponent != 0 else { return sign + whole + (fraction.isEmpty ? "" : "." + fraction) }
    if exponent > 0 {
      let shifted = fraction.prefix(exponent)
      let zeros = String(repeating: "0", count: exponent - shifted.count)
      let rest = fraction.dropFirst(exponent)
      return sign + whole + shifted + zeros + (rest.isEmpty ? "" : "." + rest)
    }
    return sign + "0." + String(repeating: "0", count: -exponent - 1) + whole + fraction
  }
}

extension NativeHistogram {
  /// One line of text: count, sum and every bucket with its bounds.
  package var text: String {
    var parts = ["count:\(GoNumber.text(count))", "sum:\(GoNumber.text(sum))"]
    for bucket in buckets where bucket.count != 0 {
      let open = bucket.includesLower ? "[" : "("
      let close = bucket.includesUpper ? "]" : ")"
      parts.append(
        "\(open)\(GoNumber.text(bucket.lower)),\(GoNumber.text(bucket.upper))\(close):\(GoNumber.text(bucket.count))")
    }
    return "{\(parts.joined(separator: ", "))}"
  }
}
