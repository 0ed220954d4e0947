// Ranges, and functions over them.

extension ExpressionGenerator {
  /// A range vector.
  ///
  /// The ranges of subqueries have a fraction of a second that no resolution has: whether a step right at the start of a range is
  /// part of it has changed between versions.
  mutating func range(_ depth: Int) -> Piece {
    guard depth > 0, chance(25) else {
      let (metric, text) = selector()
      return Piece(
        text: "\(text)[\(length())]\(shift())", traits: metric.traits, labels: metric.labels.map(\.name))
    }
    let inner = vector(depth - 1)
    let range = pick(["1m250ms", "2m250ms", "5m250ms", "10m250ms"])
    let resolution = pick(["", "10s", "30s", "45s", "1m"])
    return Piece(
      text: "(\(inner.text))[\(range):\(resolution)]\(shift())", traits: inner.traits, labels: inner.labels)
  }

  /// A function over a range.
  mutating func rangeCall(_ depth: Int) -> Piece {
    if isCurrent(8) {
      let (function, edges) = (pick(["rate", "increase", "delta"]), pick([" anchored", " smoothed"]))
      return Piece(text: "\(function)(\(selector().text)[\(length())]\(edges)\(shift()))", traits: [])
    }
    let range = self.range(depth)
    let traits = range.traits
    func result(_ function: String, _ traits: ExpressionTraits) -> Piece {
      Piece(text: "\(function)(\(range.text))", traits: traits, labels: range.labels)
    }
    if isCurrent(25) {
      return result(pick(["first_over_time", "mad_over_time", "ts_of_max_over_time", "ts_of_last_over_time"]), [])
    }
    let isExact = allows(range, .exact)
    switch int(0...15) {
    case 0: return result("count_over_time", .counts)
    case 1: return result("present_over_time", .counts)
    case 2: return result(pick(["min_over_time", "max_over_time", "last_over_time"]), traits.subtracting(.distinct))
    case 3 where isExact || allows(range, .positive): return result("sum_over_time", traits.subtracting(.distinct))
    case 4 where allows(range, .positive): return result("avg_over_time", .positive)
    case 5 where isExact: return result(pick(["changes", "resets"]), .counts)
    case 6 where isExact: return result("delta", .exact)
    case 7 where isExact: return result("idelta", traits.intersection([.exact, .summable]))
    case 8 where isExact: return result(pick(["stddev_over_time", "stdvar_over_time"]), .positive)
    case 9 where isExact: return result("deriv", [])
    // The window of 2.42's `predict_linear` moves with the steps, whatever `@` says.
    case 10 where isExact && (language == .current || !range.text.contains("@")):
      let seconds = pick(["60", "-30", "0.5", "3600"])
      return Piece(text: "predict_linear(\(range.text), \(seconds))", traits: [], labels: range.labels)
    case 11 where isExact:
      let quantile = pick(["0", "0.25", "0.5", "0.9", "1", "-1", "2", "NaN", "scalar(vector(0.3))"])
      return Piece(
        text: "quantile_over_time(\(quantile), \(range.text))", traits: traits.intersection(.exact),
        labels: range.labels)
    case 12 where isExact:
      return Piece(
        text: "double_exponential_smoothing(\(range.text), \(pick(["0.5", "0.1"])), \(pick(["0.3", "0.9"])))",
        traits: [],
        labels: range.labels)
    case 13: return Piece(text: "absent_over_time(\(range.text))", traits: .counts)
    default:
      guard isExact else { return result("last_over_time", traits.subtracting(.distinct)) }
      // A subquery may have gaps, and how far a counter that begins in a window is extended has changed between versions.
      let function =
        range.text.hasPrefix("(") && language == .shared ? "irate" : pick(["rate", "increase", "rate", "irate"])
      return result(function, traits.intersection([.exact, .positive]))
    }
  }

  /// A number of a native histogram, of what was observed since it began or lately.
  mutating func nativeHistogram() -> Piece {
    let metric = pick(vocabulary.histograms)
    let selector = metric.name + matchers(metric)
    let function = pick(["histogram_count", "histogram_sum"])
    let labels = metric.labels.map(\.name)
    switch int(0...3) {
    case 0: return Piece(text: "\(function)(\(selector)\(shift()))", traits: .counts, labels: labels)
    case 1:
      let bounds = pick(["-Inf, Inf", "2, 1", "NaN, 1", "1, 1"])
      return Piece(text: "histogram_fraction(\(bounds), \(selector))", traits: [], labels: labels)
    case 2:
      let rate = "\(pick(["rate", "increase"]))(\(selector)[\(length())]\(shift()))"
      return Piece(text: "\(function)(\(rate))", traits: .positive, labels: labels)
    default:
      let rate = "rate(\(selector)[\(length())])"
      return Piece(text: "\(function)(sum by (job) (\(rate)))", traits: .positive, labels: ["job"])
    }
  }

  /// A quantile of a classic histogram.
  mutating func histogramQuantile() -> Piece {
    let metric = pick(vocabulary.buckets)
    let selector = metric.name + matchers(metric)
    let kept = pick([["job"], ["instance"], ["job", "instance"], []])
    let quantile = pick(["0.37", "0.5", "0.9", "0.99", "0", "1", "-1", "2", "NaN"])
    let buckets =
      switch int(0...2) {
      case 0: selector
      case 1: "rate(\(selector)[\(length())])"
      default: "sum by (\((kept + ["le"]).joined(separator: ", "))) (rate(\(selector)[\(length())]))"
      }
    return Piece(text: "histogram_quantile(\(quantile), \(buckets))", traits: [], labels: kept)
  }
}
