import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A bucket of a native histogram with its bounds.
package struct HistogramBucket: Sendable, Hashable {
  /// The lower bound.
  package var lower: Double
  /// The upper bound.
  package var upper: Double
  /// Whether an observation at the lower bound is in the bucket.
  package var includesLower: Bool
  /// Whether an observation at the upper bound is in the bucket.
  package var includesUpper: Bool
  /// How many observations.
  package var count: Double
}

extension NativeHistogram {
  /// All buckets from the least values up, empty ones included, the zero bucket among them if it holds anything.
  package var buckets: [HistogramBucket] {
    var result: [HistogramBucket] = []
    if usesCustomBuckets {
      let side = positive
      for position in side.indexes.indices {
        let (lower, upper) = bounds(ofBucket: side.indexes[position])
        result.append(
          HistogramBucket(
            lower: lower, upper: upper, includesLower: lower == -.infinity, includesUpper: true,
            count: side.counts[position]))
      }
      return result
    }
    let below = negative
    for position in below.indexes.indices.reversed() {
      let (lower, upper) = bounds(ofBucket: below.indexes[position])
      result.append(
        HistogramBucket(
          lower: -upper, upper: -lower, includesLower: true, includesUpper: false, count: below.counts[position]))
    }
    if zeroCount != 0 {
      result.append(
        HistogramBucket(
          lower: -zeroThreshold, upper: zeroThreshold, includesLower: true, includesUpper: true, count: zeroCount))
    }
    let above = positive
    for position in above.indexes.indices {
      let (lower, upper) = bounds(ofBucket: above.indexes[position])
      result.append(
        HistogramBucket(
          lower: lower, upper: upper, includesLower: false, includesUpper: true, count: above.counts[position]))
    }
    return result
  }

  /// Whether all of its counts are finite.
  var hasFiniteCounts: Bool {
    count.isFinite && zeroCount.isFinite && positiveBuckets.allSatisfy(\.isFinite)
      && negativeBuckets.allSatisfy(\.isFinite)
  }

  // MARK: Quantiles and fractions

  /// The buckets as estimates see them: a zero bucket that has observations on one side only ends at zero, and the first
  /// custom bucket begins at zero if it ends above.
  private var estimationBuckets: [HistogramBucket] {
    var result = buckets.filter { $0.count > 0 }
    for index in result.indices {
      let bucket = result[index]
      if usesCustomBuckets {
        if bucket.lower == -.infinity, bucket.upper > 0 { result[index].lower = 0 }
      } else if bucket.lower < 0, bucket.upper > 0 {
        if negativeBuckets.isEmpty, !positiveBuckets.isEmpty {
          result[index].lower = 0
        } else if positiveBuckets.isEmpty, !negativeBuckets.isEmpty {
          result[index].upper = 0
        }
      }
    }
    return result
  }

  private func interpolatesLinearly(_ bucket: HistogramBucket) -> Bool {
    usesCustomBuckets || (bucket.lower <= 0 && bucket.upper >= 0)
  }

  /// The estimated quantile.
  func quantile(_ quantile: Double) -> Double {
    if quantile.isNaN { return .nan }
    if quantile < 0 { return -.infinity }
    if quantile > 1 { return .infinity }
    guard count != 0, !count.isNaN else { return .nan }
    // Counted from the nearer end, so that a rank between two buckets falls to the same side as in Prometheus. Observations
    // of NaN are in no bucket, above all of them.
    let buckets = estimationBuckets
    let fromAbove = quantile >= 0.5 && !sum.isNaN
    let rank = (fromAbove ? 1 - quantile : quantile) * count
    var passed = 0.0
    for position in buckets.indices {
      let bucket = buckets[fromAbove ? buckets.count - 1 - position : position]
      passed += bucket.count
      // Rounding may leave the last bucket a little short.
      guard passed >= rank || (position == buckets.count - 1 && !sum.isNaN) else { continue }
      let share = max(0, min(1, (rank - (passed - bucket.count)) / bucket.count))
      return interpolate(bucket, share: fromAbove ? 1 - share : share)
    }
    return .nan
  }

  /// The value below which a share of a bucket's observations is taken to lie.
  private func interpolate(_ bucket: HistogramBucket, share: Double) -> Double {
    if usesCustomBuckets {
      if bucket.lower == -.infinity { return bucket.upper }
      if bucket.upper == .infinity { return bucket.lower }
    }
    if interpolatesLinearly(bucket) { return bucket.lower + (bucket.upper - bucket.lower) * share }
    let (low, high) = (log2(abs(bucket.lower)), log2(abs(bucket.upper)))
    if bucket.lower > 0 { return exp2(low + (high - low) * share) }
    return -exp2(high + (low - high) * (1 - share))
  }

  /// The estimated share of observations between two values.
  func fraction(from lower: Double, to upper: Double) -> Double {
    guard count != 0, !count.isNaN, !lower.isNaN, !upper.isNaN else { return .nan }
    guard lower < upper else { return 0 }
    return (rank(of: upper) - rank(of: lower)) / count
  }

  /// The estimated number of observations up to a value.
  private func rank(of value: Double) -> Double {
    var rank = 0.0
    for bucket in estimationBuckets {
      if value >= bucket.upper {
        rank += bucket.count
        continue
      }
      guard value > bucket.lower else { break }
      // Where a bucket has no end, its observations are taken to lie at the end that it has.
      if bucket.lower == -.infinity { rank += bucket.count }
      if bucket.upper == .infinity || bucket.lower == -.infinity { break }
      if interpolatesLinearly(bucket) {
        rank += bucket.count * (value - bucket.lower) / (bucket.upper - bucket.lower)
      } else {
        let (low, high) = (log2(abs(bucket.lower)), log2(abs(bucket.upper)))
        let position = log2(abs(value))
        rank +=
          bucket.count * (bucket.lower > 0 ? (position - low) / (high - low) : 1 - (position - high) / (low - high))
      }
      break
    }
    return rank
  }

  /// The estimated variance: every observation is taken to lie in the middle of its bucket.
  var variance: Double {
    let mean = sum / count
    var total = CompensatedSum()
    for bucket in buckets where bucket.count != 0 {
      let value: Double
      if usesCustomBuckets {
        if bucket.lower == -.infinity {
          value = bucket.upper > 0 ? bucket.upper / 2 : bucket.upper
        } else {
          value = bucket.upper == .infinity ? bucket.lower : (bucket.lower + bucket.upper) / 2
        }
      } else if bucket.lower <= 0, bucket.upper >= 0 {
        value = 0
      } else {
        value = (bucket.lower * bucket.upper).squareRoot() * (bucket.upper < 0 ? -1 : 1)
      }
      total.add(bucket.count * (value - mean) * (value - mean))
    }
    return total.result / count
  }
}
