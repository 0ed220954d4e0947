// Quantiles of classic histograms: cumulative counts by upper bound.

/// The buckets of a classic histogram at one step.
struct ClassicHistogram {
  struct Bucket {
    var upper: Double
    var count: Double
  }

  /// What had to be repaired.
  struct Repair {
    var wasNotMonotonic = false
  }

  private(set) var buckets: [Bucket]
  private(set) var repair = Repair()

  /// Takes buckets sorted by their bounds, adds up those with the same bound, and makes counts grow: from one bucket to the next they may
  /// fall only by a rounding error, and larger falls are raised and reported.
  init(_ sorted: [Bucket]) {
    buckets = []
    for bucket in sorted {
      if let last = buckets.last, last.upper == bucket.upper {
        buckets[buckets.count - 1].count += bucket.count
      } else {
        buckets.append(bucket)
      }
    }
    guard var previous = buckets.first?.count else { return }
    for index in buckets.indices.dropFirst() {
      let current = buckets[index].count
      if current == previous { continue }
      if Self.isAlmostEqual(current, previous) {
        buckets[index].count = previous
        continue
      }
      if current < previous {
        buckets[index].count = previous
        repair.wasNotMonotonic = true
        continue
      }
      previous = current
    }
  }

  private static func isAlmostEqual(_ left: Double, _ right: Double) -> Bool {
    let tolerance = 1e-12
    let difference = abs(left - right)
    let size = abs(left) + abs(right)
    if left == 0 || right == 0 || size < .leastNormalMagnitude {
      return difference < tolerance * .leastNormalMagnitude
    }
    return difference / min(size, .greatestFiniteMagnitude) < tolerance
  }

  var total: Double { buckets.last?.count ?? 0 }

  /// The estimated quantile; NaN without a bucket up to infinity or without another one.
  func quantile(_ quantile: Double) -> Double {
    if quantile.isNaN { return .nan }
    if quantile < 0 { return -.infinity }
    if quantile > 1 { return .infinity }
    guard buckets.count >= 2, buckets.last?.upper == .infinity else { return .nan }
    guard total != 0, !total.isNaN else { return .nan }
    var rank = quantile * total
    let index = buckets.dropLast().firstIndex { $0.count >= rank } ?? buckets.count - 1
    if index == buckets.count - 1 { return buckets[index - 1].upper }
    if index == 0, buckets[0].upper <= 0 { return buckets[0].upper }
    let lower = index > 0 ? buckets[index - 1].upper : 0
    var count = buckets[index].count
    if index > 0 {
      count -= buckets[index - 1].count
      rank -= buckets[index - 1].count
    }
    return lower + (buckets[index].upper - lower) * (rank / count)
  }

  /// The estimated share of observations between two values.
  func fraction(from lower: Double, to upper: Double) -> Double {
    guard buckets.count >= 1, buckets.last?.upper == .infinity, total != 0, !total.isNaN else { return .nan }
    guard !lower.isNaN, !upper.isNaN else { return .nan }
    guard lower < upper else { return 0 }
    return (rank(of: upper) - rank(of: lower)) / total
  }

  private func rank(of value: Double) -> Double {
    var below = 0.0
    for (index, bucket) in buckets.enumerated() {
      if value >= bucket.upper {
        below = bucket.count
        continue
      }
      let lower = index > 0 ? buckets[index - 1].upper : (bucket.upper > 0 ? 0 : -.infinity)
      guard value > lower, bucket.upper.isFinite else { return below }
      // The first bucket has no lower end: its observations are taken to lie at its upper one.
      guard lower.isFinite else { return bucket.count }
      return below + (bucket.count - below) * (value - lower) / (bucket.upper - lower)
    }
    return below
  }
}
