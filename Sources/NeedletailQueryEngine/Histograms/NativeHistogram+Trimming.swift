import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

// `h </ 2` and `h >/ 2`: what of a histogram lies below or above a value. Count and sum become those of what is kept, as
// estimated: within a bucket that the value cuts, observations are taken to lie as quantiles take them to, and each kept
// piece has the sum that its middle tells.

extension NativeHistogram {
  /// What of it lies below the limit, or above it; itself where that is all of it.
  func trimmed(at limit: Double, keepsBelow: Bool) -> NativeHistogram {
    var trimming = Trimming(limit: limit, keepsBelow: keepsBelow, isCustom: usesCustomBuckets)
    var result = self
    let (above, below) = (positive, negative)
    var (hasPositive, hasNegative) = (false, false)
    for position in above.counts.indices where above.counts[position] != 0 {
      hasPositive = true
      let (lower, upper) = bounds(ofBucket: above.indexes[position])
      result.positiveBuckets[position] = trimming.trim(above.counts[position], lower, upper, sign: 1)
    }
    for position in below.counts.indices where below.counts[position] != 0 {
      hasNegative = true
      let (lower, upper) = bounds(ofBucket: below.indexes[position])
      result.negativeBuckets[position] = trimming.trim(below.counts[position], -upper, -lower, sign: -1)
    }
    if zeroCount > 0 {
      // Observations on one side only are all the zero bucket is taken to have.
      let lower = hasPositive && !hasNegative ? 0 : -zeroThreshold
      let upper = hasNegative && !hasPositive ? 0 : zeroThreshold
      result.zeroCount = trimming.trimZero(zeroCount, lower, upper)
    }
    guard trimming.isTrimmed else { return self }
    (result.count, result.sum) = (trimming.count, trimming.sum)
    return result.compacted
  }
}

/// What is kept of a histogram's buckets, added up.
private struct Trimming {
  let limit: Double
  let keepsBelow: Bool
  let isCustom: Bool
  var count = 0.0
  var sum = 0.0
  var isTrimmed = false

  init(limit: Double, keepsBelow: Bool, isCustom: Bool) {
    (self.limit, self.keepsBelow, self.isCustom) = (limit, keepsBelow, isCustom)
  }

  private mutating func keep(_ kept: Double, of whole: Double, middle: Double) -> Double {
    count += kept
    sum += middle * kept
    if kept != whole { isTrimmed = true }
    return kept
  }

  /// What is kept of a bucket with these bounds; `sign` is the side of zero that it lies on.
  mutating func trim(_ whole: Double, _ lower: Double, _ upper: Double, sign: Double) -> Double {
    if keepsBelow ? upper <= limit : lower >= limit {
      return keep(whole, of: whole, middle: middle(lower, upper, sign))
    }
    guard keepsBelow ? lower < limit : upper > limit else {
      isTrimmed = true
      return 0
    }
    if lower == -.infinity || upper == .infinity {
      let (kept, middle) = openBucket(whole, lower, upper)
      return keep(kept, of: whole, middle: middle)
    }
    let under = limit <= lower ? 0 : limit >= upper ? whole : whole * share(lower, upper)
    return keepsBelow
      ? keep(under, of: whole, middle: middle(lower, limit, sign))
      : keep(whole - under, of: whole, middle: middle(limit, upper, sign))
  }

  /// The zero bucket's observations are spread evenly.
  mutating func trimZero(_ whole: Double, _ lower: Double, _ upper: Double) -> Double {
    let from = keepsBelow ? lower : max(lower, limit)
    let to = keepsBelow ? min(upper, limit) : upper
    guard from < to else {
      let isAll = keepsBelow ? limit >= upper : limit <= lower
      return keep(isAll ? whole : 0, of: whole, middle: isAll ? (lower + upper) / 2 : 0)
    }
    let isAll = from == lower && to == upper
    return keep(isAll ? whole : whole * (to - from) / (upper - lower), of: whole, middle: (from + to) / 2)
  }

  /// A bucket without an end that the limit lies in: how its observations lie is not known, so mostly none are kept.
  private func openBucket(_ whole: Double, _ lower: Double, _ upper: Double) -> (kept: Double, middle: Double) {
    func finite(_ value: Double) -> Double { value.isInfinite ? 0 : value }
    guard lower == -.infinity else {
      return !keepsBelow && limit >= lower ? (whole, limit) : (0, finite(lower))
    }
    // One that ends above zero is taken to begin there.
    let beginsAtZero = upper > 0 && upper != .infinity
    if keepsBelow {
      if limit >= upper { return (whole, 0) }
      if limit > 0, beginsAtZero { return (whole * limit / upper, limit / 2) }
      return upper <= 0 ? (whole, limit) : (0, finite(upper))
    }
    if limit <= lower { return (whole, 0) }
    if limit >= 0, upper > limit, beginsAtZero { return (whole * (1 - limit / upper), (limit + upper) / 2) }
    return (0, finite(upper))
  }

  /// The share of a bucket below the limit.
  private func share(_ lower: Double, _ upper: Double) -> Double {
    if isCustom || (lower <= 0 && upper >= 0) { return (limit - lower) / (upper - lower) }
    let (low, high, at) = (log2(lower.magnitude), log2(upper.magnitude), log2(limit.magnitude))
    return lower > 0 ? (at - low) / (high - low) : 1 - (at - high) / (low - high)
  }

  /// The value that stands for the observations between two.
  private func middle(_ lower: Double, _ upper: Double, _ sign: Double) -> Double {
    if lower.isInfinite {
      if upper.isInfinite { return 0 }
      return upper > 0 ? upper / 2 : upper
    }
    if upper.isInfinite { return lower }
    return isCustom ? (lower + upper) / 2 : sign * (lower * upper).magnitude.squareRoot()
  }
}
