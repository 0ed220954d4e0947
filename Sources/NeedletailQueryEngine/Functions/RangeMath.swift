#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

// The arithmetic of range functions over the numbers of one window. All of it works on spans of flat columns.

/// A sum that keeps what rounding would lose (Neumaier's variant of Kahan's).
struct CompensatedSum {
  private(set) var sum = 0.0
  private(set) var compensation = 0.0

  init() {}

  /// Goes on from where another sum stood.
  @inline(__always)
  init(sum: Double, compensation: Double) {
    self.sum = sum
    self.compensation = compensation
  }

  @inline(__always)
  mutating func add(_ value: Double) {
    let next = sum + value
    if next.isInfinite {
      compensation = 0
    } else if abs(sum) >= abs(value) {
      compensation += (sum - next) + value
    } else {
      compensation += (value - next) + sum
    }
    sum = next
  }

  var result: Double { sum.isInfinite ? sum : sum + compensation }
}

/// Numbers of a window: times in milliseconds, values.
enum RangeMath {
  static func sum(_ values: Span<Double>) -> Double {
    var sum = CompensatedSum()
    for index in values.indices { sum.add(values[index]) }
    return sum.result
  }

  /// The mean; incrementally where the plain sum would overflow.
  static func mean(_ values: Span<Double>) -> Double {
    let total = sum(values)
    if total.isFinite { return total / Double(values.count) }
    var mean = 0.0
    var count = 0.0
    for index in values.indices { Mean.advance(&mean, &count, values[index]) }
    return mean
  }

  /// The mean square of the distances from the mean.
  ///
  /// Both run along with compensation, as Prometheus has it: a large counter's variance would lose its last digits.
  static func variance(_ values: Span<Double>) -> Double {
    var mean = CompensatedSum()
    var squares = CompensatedSum()
    var count = 0.0
    for index in values.indices {
      count += 1
      let delta = values[index] - mean.result
      mean.add(delta / count)
      squares.add(delta * (values[index] - mean.result))
    }
    return squares.result / count
  }

  /// The least, or the greatest; NaN only if there is nothing else.
  static func extreme(_ values: Span<Double>, _ precedes: (Double, Double) -> Bool) -> Int {
    var best = 0
    for index in values.indices where precedes(values[index], values[best]) || values[best].isNaN { best = index }
    return best
  }

  static func changes(_ values: Span<Double>) -> Double {
    var count = 0.0
    var index = 1
    while index < values.count {
      let (previous, current) = (values[index - 1], values[index])
      if current != previous, !(current.isNaN && previous.isNaN) { count += 1 }
      index += 1
    }
    return count
  }

  static func resets(_ values: Span<Double>) -> Double {
    var count = 0.0
    var index = 1
    while index < values.count {
      if values[index] < values[index - 1] { count += 1 }
      index += 1
    }
    return count
  }

  /// What `rate`, `increase` and `delta` have in common: the difference of first and last sample, counter resets made
  /// good, extended to the ends of the window where samples come close to them.
  ///
  /// `start` is a counter's first value, nil for what is none; `count` is how many samples the times stand for.
  static func extrapolated(
    _ times: Span<Int64>, count: Int, _ difference: Double, from start: Double?, _ window: RangeWindow, isRate: Bool
  ) -> Double? {
    guard times.count >= 2 else { return nil }
    var zeroPoint: Double?
    if let start, difference > 0, start >= 0 { zeroPoint = start / difference }
    let factor = extrapolation(
      first: times[0], last: times[times.count - 1], count: count, window, zeroPoint: zeroPoint)
    return difference * (isRate ? factor / (Double(window.end - window.start) / 1000) : factor)
  }

  /// By how much a difference grows when it is extended towards the ends of the window.
  ///
  /// `zeroPoint` is the counter's first value as a share of its increase: a counter is not extended to before it was
  /// zero.
  static func extrapolation(
    first: Int64, last: Int64, count: Int, _ window: RangeWindow, zeroPoint: Double?
  ) -> Double {
    let sampled = Double(last - first) / 1000
    let average = sampled / Double(count - 1)
    let threshold = average * 1.1
    var toStart = Double(first - window.start) / 1000
    var toEnd = Double(window.end - last) / 1000
    if toStart >= threshold { toStart = average / 2 }
    if let zeroPoint { toStart = min(toStart, sampled * zeroPoint) }
    if toEnd >= threshold { toEnd = average / 2 }
    return (sampled + toStart + toEnd) / sampled
  }

  /// By how much what a count came to since it began grows when it is extended towards the end of the window.
  ///
  /// `start` must be before `first`.
  static func extrapolation(
    start: Int64, first: Int64, last: Int64, count: Int, _ window: RangeWindow
  ) -> Double {
    let counted = Double(last - start) / 1000
    let average = count > 1 ? Double(last - first) / 1000 / Double(count - 1) : 0
    var toEnd = Double(window.end - last) / 1000
    if toEnd >= average * 1.1 { toEnd = average / 2 }
    return (counted + toEnd) / counted
  }

  /// The line of least squares through the samples: its slope per second and its value at `origin`.
  static func regression(_ times: Span<Int64>, _ values: Span<Double>, origin: Int64) -> (slope: Double, at: Double) {
    var sumX = CompensatedSum()
    var sumY = CompensatedSum()
    var sumXY = CompensatedSum()
    var sumXX = CompensatedSum()
    let first = values[0]
    var isConstant = true
    for index in values.indices {
      if values[index] != first { isConstant = false }
      let x = Double(times[index] - origin) / 1000
      sumX.add(x)
      sumY.add(values[index])
      sumXY.add(x * values[index])
      sumXX.add(x * x)
    }
    if isConstant { return first.isInfinite ? (.nan, .nan) : (0, first) }
    let count = Double(values.count)
    let covariance = sumXY.result - sumX.result * sumY.result / count
    let variance = sumXX.result - sumX.result * sumX.result / count
    let slope = covariance / variance
    return (slope, sumY.result / count - slope * sumX.result / count)
  }

  static func smoothed(_ values: Span<Double>, smoothing: Double, trend: Double) -> Double? {
    guard values.count >= 2 else { return nil }
    var level = values[0]
    var slope = values[1] - values[0]
    var previous = 0.0
    var index = 1
    while index < values.count {
      if index > 1 { slope = trend * (level - previous) + (1 - trend) * slope }
      previous = level
      level = smoothing * values[index] + (1 - smoothing) * (level + slope)
      index += 1
    }
    return level
  }

  /// The quantile of numbers in any order; NaN sorts lowest.
  static func quantile(_ quantile: Double, _ values: [Double]) -> Double {
    guard !values.isEmpty, !quantile.isNaN else { return .nan }
    if quantile < 0 { return -.infinity }
    if quantile > 1 { return .infinity }
    let rank = quantile * Double(values.count - 1)
    let weight = rank - rank.rounded(.down)
    var numbers = values
    let (lower, upper) = OrderStatistic.neighbours(in: &numbers, at: max(0, Int(rank.rounded(.down))))
    return lower * (1 - weight) + upper * weight
  }

  static func array(_ values: Span<Double>) -> [Double] {
    var result: [Double] = []
    result.reserveCapacity(values.count)
    for index in values.indices { result.append(values[index]) }
    return result
  }
}

/// A running mean that cannot overflow where the values do not.
enum Mean {
  static func advance(_ mean: inout Double, _ count: inout Double, _ value: Double) {
    count += 1
    if mean.isInfinite {
      // Equal infinities stay as they are; a finite value cannot bring an infinite mean back.
      if value.isInfinite, (mean > 0) == (value > 0) { return }
      if value.isFinite { return }
    }
    mean += value / count - mean / count
  }
}
