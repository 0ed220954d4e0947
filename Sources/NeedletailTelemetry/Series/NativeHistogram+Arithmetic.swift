// Sums, differences and multiples of native histograms, and what has to be made equal before: the resolution (the coarser
// one wins), the zero bucket (the wider one wins), and the bounds of custom buckets (those that both have stay).

extension NativeHistogram {
  /// Whether the buckets have bounds of their own instead of exponential ones.
  package var usesCustomBuckets: Bool { schema == Self.customBucketsSchema }
  /// The buckets above zero; all of them where they have bounds of their own.
  package var positive: HistogramSide { HistogramSide(positiveSpans, positiveBuckets) }
  /// The buckets below zero, by the size of their values.
  package var negative: HistogramSide { HistogramSide(negativeSpans, negativeBuckets) }

  mutating func setPositive(_ side: HistogramSide) {
    positiveSpans = side.spans
    positiveBuckets = side.counts
  }

  mutating func setNegative(_ side: HistogramSide) {
    negativeSpans = side.spans
    negativeBuckets = side.counts
  }

  /// Every count and the sum times a factor.
  package func scaled(by factor: Double) -> NativeHistogram {
    var result = self
    result.zeroCount *= factor
    result.count *= factor
    result.sum *= factor
    for index in result.positiveBuckets.indices { result.positiveBuckets[index] *= factor }
    for index in result.negativeBuckets.indices { result.negativeBuckets[index] *= factor }
    if factor < 0 { result.resetHint = .gauge }
    return result
  }

  /// Every count and the sum divided.
  ///
  /// Division by zero leaves no buckets, only infinite or undefined totals.
  package func divided(by divisor: Double) -> NativeHistogram {
    var result = self
    result.zeroCount /= divisor
    result.count /= divisor
    result.sum /= divisor
    if divisor == 0 {
      result.setPositive(HistogramSide())
      result.setNegative(HistogramSide())
      return result
    }
    for index in result.positiveBuckets.indices { result.positiveBuckets[index] /= divisor }
    for index in result.negativeBuckets.indices { result.negativeBuckets[index] /= divisor }
    if divisor < 0 { result.resetHint = .gauge }
    return result
  }

  /// A sum or difference, and what is to be said about it.
  package struct Combination {
    package var histogram: NativeHistogram
    /// Whether the bounds of custom buckets differed, and only the common ones were kept.
    package var reconciledBounds = false
    /// Whether one side says that it follows a counter reset and the other that it does not.
    package var collidingHints = false

    /// A histogram as it is, or one whose bounds were brought together.
    package init(histogram: NativeHistogram, reconciledBounds: Bool = false) {
      self.histogram = histogram
      self.reconciledBounds = reconciledBounds
    }
  }

  /// The sum with `factor` times the other; nil if one has custom buckets and the other has not.
  package func adding(_ other: NativeHistogram, factor: Double = 1) -> Combination? {
    guard usesCustomBuckets == other.usesCustomBuckets else { return nil }
    var (left, right) = (self, other)
    var reconciled = false
    if usesCustomBuckets {
      if left.customBounds != right.customBounds {
        reconciled = true
        let common = left.customBounds.filter { right.customBounds.contains($0) }
        left = left.reduced(toBounds: common)
        right = right.reduced(toBounds: common)
      }
    } else {
      Self.equalizeZeroBuckets(&left, &right)
      let schema = min(left.schema, right.schema)
      left = left.reduced(toSchema: schema)
      right = right.reduced(toSchema: schema)
    }
    var result = left
    result.zeroCount += right.zeroCount * factor
    result.count += right.count * factor
    result.sum += right.sum * factor
    result.setPositive(left.positive.adding(right.positive, factor: factor))
    result.setNegative(left.negative.adding(right.negative, factor: factor))
    var combination = Combination(histogram: result, reconciledBounds: reconciled)
    combination.collidingHints = combination.histogram.combineHints(self, other, isSum: factor > 0)
    return combination
  }

  /// Returns whether the hints contradict each other.
  private mutating func combineHints(_ left: NativeHistogram, _ right: NativeHistogram, isSum: Bool) -> Bool {
    switch (left.resetHint, right.resetHint) {
    case (.gauge, _), (_, .gauge): resetHint = .gauge
    case (.reset, .notReset), (.notReset, .reset):
      resetHint = isSum ? .unknown : .gauge
      return true
    case let (one, other) where one == other: resetHint = isSum ? one : .gauge
    default: resetHint = isSum ? .unknown : .gauge
    }
    return false
  }

  /// The same observations at a coarser resolution.
  package func reduced(toSchema target: Int8) -> NativeHistogram {
    guard !usesCustomBuckets, target < schema else { return self }
    var result = self
    result.schema = target
    result.setPositive(positive.coarsened(by: schema - target))
    result.setNegative(negative.coarsened(by: schema - target))
    return result
  }

  /// The same observations in fewer custom buckets; the new bounds must be among the old ones.
  func reduced(toBounds bounds: [Double]) -> NativeHistogram {
    guard bounds != customBounds else { return self }
    var result = self
    var side = HistogramSide()
    let old = positive
    var target = 0
    for position in old.indexes.indices {
      let index = Int(old.indexes[position])
      if index < customBounds.count {
        while target < bounds.count, bounds[target] < customBounds[index] { target += 1 }
      } else {
        target = bounds.count
      }
      side.append(Int32(truncatingIfNeeded: target), old.counts[position])
    }
    result.customBounds = bounds
    result.setPositive(side)
    return result
  }

  /// Widens the narrower zero bucket until both are equally wide.
  ///
  /// Widening may reach into a bucket that holds something; then the zero bucket takes it whole, which may widen the
  /// other side again.
  private static func equalizeZeroBuckets(_ left: inout NativeHistogram, _ right: inout NativeHistogram) {
    for _ in 0..<64 where left.zeroThreshold != right.zeroThreshold {
      if left.zeroThreshold < right.zeroThreshold {
        left.widenZeroBucket(to: right.zeroThreshold)
      } else {
        right.widenZeroBucket(to: left.zeroThreshold)
      }
    }
  }

  private mutating func widenZeroBucket(to threshold: Double) {
    var widened = threshold
    for side in [positive, negative] {
      for position in side.indexes.indices {
        let (lower, upper) = bounds(ofBucket: side.indexes[position])
        if lower >= widened { break }
        if upper > widened, side.counts[position] != 0 { widened = upper }
      }
    }
    func absorb(_ side: inout HistogramSide) {
      guard let last = side.indexes.last(where: { bounds(ofBucket: $0).upper <= widened }) else { return }
      zeroCount += side.removeThrough(last)
    }
    var (positiveSide, negativeSide) = (positive, negative)
    absorb(&positiveSide)
    absorb(&negativeSide)
    zeroThreshold = widened
    setPositive(positiveSide)
    setNegative(negativeSide)
  }

  /// Whether a counter was reset between the previous histogram and this one.
  package func isReset(after previous: NativeHistogram) -> Bool {
    switch resetHint {
    case .reset: return true
    case .notReset, .gauge: return false
    case .unknown: break
    }
    guard usesCustomBuckets == previous.usesCustomBuckets, count >= previous.count else { return true }
    var (before, now) = (previous, self)
    if usesCustomBuckets {
      if customBounds != previous.customBounds {
        let common = customBounds.filter { previous.customBounds.contains($0) }
        now = now.reduced(toBounds: common)
        before = before.reduced(toBounds: common)
      }
    } else {
      guard schema <= previous.schema, zeroThreshold >= previous.zeroThreshold else { return true }
      if before.zeroThreshold < zeroThreshold {
        before.widenZeroBucket(to: zeroThreshold)
        if before.zeroThreshold != zeroThreshold { return true }
      }
      guard now.zeroCount >= before.zeroCount else { return true }
      before = before.reduced(toSchema: schema)
    }
    return now.positive.isBelow(before.positive) || now.negative.isBelow(before.negative)
  }

  /// Equality of what was observed: empty buckets and hints do not count.
  package func observesSame(as other: NativeHistogram) -> Bool {
    var (leftPositive, rightPositive) = (positive, other.positive)
    var (leftNegative, rightNegative) = (negative, other.negative)
    leftPositive.removeEmpty()
    rightPositive.removeEmpty()
    leftNegative.removeEmpty()
    rightNegative.removeEmpty()
    return schema == other.schema && count == other.count && (sum == other.sum || (sum.isNaN && other.sum.isNaN))
      && zeroThreshold == other.zeroThreshold && zeroCount == other.zeroCount && customBounds == other.customBounds
      && leftPositive == rightPositive && leftNegative == rightNegative
  }

  /// The same histogram without empty buckets.
  package var compacted: NativeHistogram {
    var result = self
    var (positiveSide, negativeSide) = (positive, negative)
    positiveSide.removeEmpty()
    negativeSide.removeEmpty()
    result.setPositive(positiveSide)
    result.setNegative(negativeSide)
    return result
  }
}

extension HistogramSide {
  /// Whether any bucket of the other side holds more than this one's.
  func isBelow(_ other: HistogramSide) -> Bool {
    other.indexes.indices.contains { count(at: other.indexes[$0]) < other.counts[$0] }
  }
}
