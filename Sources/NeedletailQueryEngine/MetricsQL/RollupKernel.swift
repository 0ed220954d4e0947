import NeedletailQueryLanguage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What one of MetricsQL's range functions makes of one window of one series: of its numbers, flat as they lie.
struct RollupKernel {
  /// What a function that tells several numbers tells here.
  enum Part: String, Sendable {
    case min, max, avg, open, close, low, high
  }

  let function: Function
  let part: Part?
  private var sorted = SortedWindow()

  init(_ function: Function, part: Part?) {
    self.function = function
    self.part = part
  }

  /// Whether it wants to know where numbers fall.
  var looksForFalls: Bool { function == .increasePure }

  /// The value over a window, which holds at least one number; nil where there is none.
  ///
  /// `before` is the last number before the window, where there is one near enough. `parameter` is the function's own.
  mutating func value(
    _ samples: borrowing RangeSamples, _ range: Range<Int>, before: Int?, _ window: RangeWindow, _ parameter: Double
  ) -> Double? {
    if function.looksBeforeRange {
      return differences(samples, (before ?? range.lowerBound)..<range.upperBound, isKnown: before != nil, window)
    }
    let times = samples.times.span.extracting(range)
    let values = samples.values.span.extracting(range)
    let last = values.count - 1
    switch function {
    case .rollup, .rollupCandlestick: return extreme(values)
    case .lag: return Self.seconds(window.end - times[last])
    case .rangeOverTime: return values[Self.greatest(values)] - values[Self.least(values)]
    case .rateOverSum: return RangeMath.sum(values) / Self.seconds(window.end - window.start)
    case .timeOfFirstOverTime: return Self.seconds(times[0])
    case .timeOfLastOverTime: return Self.seconds(times[last])
    // Of several the last.
    case .timeOfMinOverTime: return Self.seconds(times[RangeMath.extreme(values) { $0 <= $1 }])
    case .timeOfMaxOverTime: return Self.seconds(times[RangeMath.extreme(values) { $0 >= $1 }])
    case .durationOverTime: return Self.duration(times, gap: parameter * 1000)
    case .hoeffdingBoundLower: return RangeMath.mean(values) - Self.hoeffding(values, parameter)
    case .hoeffdingBoundUpper: return RangeMath.mean(values) + Self.hoeffding(values, parameter)
    case .zscoreOverTime:
      let distance = values[last] - RangeMath.mean(values)
      return distance == 0 ? 0 : distance / RangeMath.variance(values).squareRoot()
    case .geomeanOverTime: return GeometricMean.of(values)
    case .sum2OverTime:
      var sum = CompensatedSum()
      for index in values.indices { sum.add(values[index] * values[index]) }
      return sum.result
    case .distinctOverTime, .iqrOverTime, .medianOverTime, .modeOverTime, .outlierIQROverTime:
      return ofSorted(values)
    default: return compared(values, parameter)
    }
  }

  private mutating func ofSorted(_ values: Span<Double>) -> Double? {
    sorted.load(values)
    switch function {
    case .distinctOverTime: return Double(sorted.distinctCount)
    case .iqrOverTime: return sorted.quantile(0.75) - sorted.quantile(0.25)
    case .medianOverTime: return sorted.median
    case .modeOverTime: return sorted.mode
    default:
      let value = values[values.count - 1]
      return sorted.fences.flatMap { $0.contains(value) ? nil : value }
    }
  }

  // MARK: Numbers as they are

  private func extreme(_ values: Span<Double>) -> Double? {
    switch part {
    case .min, .low: values[Self.least(values)]
    case .max, .high: values[Self.greatest(values)]
    case .open: values[0]
    case .close: values[values.count - 1]
    case .avg: RangeMath.mean(values)
    case nil: nil
    }
  }

  private static func least(_ values: Span<Double>) -> Int { RangeMath.extreme(values) { $0 < $1 } }
  private static func greatest(_ values: Span<Double>) -> Int { RangeMath.extreme(values) { $0 > $1 } }

  private static func seconds(_ milliseconds: Int64) -> Double { Double(milliseconds) / 1000 }

  private static func duration(_ times: Span<Int64>, gap: Double) -> Double {
    var sum: Int64 = 0
    for index in times.indices.dropFirst() {
      let distance = times[index] - times[index - 1]
      if Double(distance) <= gap { sum += distance }
    }
    return seconds(sum)
  }

  private static func hoeffding(_ values: Span<Double>, _ phi: Double) -> Double {
    let range = values[greatest(values)] - values[least(values)]
    guard values.count > 1, range > 0, !(phi <= 0) else { return 0 }
    return phi >= 1 ? .infinity : range * (log(1 / (1 - phi)) / (2 * Double(values.count))).squareRoot()
  }

  /// The functions that look at which numbers are equal to, greater than or at most the parameter.
  private func compared(_ values: Span<Double>, _ parameter: Double) -> Double? {
    var (count, sum) = (0, CompensatedSum())
    for index in values.indices {
      let value = values[index]
      let isMeant =
        switch function {
        case .countEqualOverTime, .shareEqualOverTime, .sumEqualOverTime: value == parameter
        case .countGreaterOverTime, .shareGreaterOverTime, .sumGreaterOverTime: value > parameter
        case .countNotEqualOverTime: value != parameter
        default: value <= parameter
        }
      guard isMeant else { continue }
      count += 1
      sum.add(value)
    }
    switch function {
    case .countEqualOverTime, .countGreaterOverTime, .countLessOrEqualOverTime, .countNotEqualOverTime:
      return Double(count)
    case .shareEqualOverTime, .shareGreaterOverTime, .shareLessOrEqualOverTime:
      return Double(count) / Double(values.count)
    default: return sum.result
    }
  }

  // MARK: Differences between neighbours

  /// Over the numbers of a window and, where `isKnown`, the one before it.
  private func differences(
    _ samples: borrowing RangeSamples, _ range: Range<Int>, isKnown: Bool, _ window: RangeWindow
  ) -> Double? {
    let times = samples.times.span.extracting(range)
    let values = samples.values.span.extracting(range)
    let last = values.count - 1
    switch function {
    case .increasePure:
      let increase = samples.makingGood(values[last] - values[0], in: range)
      // A counter begins at zero.
      return isKnown ? increase : increase + values[0]
    case .integrate: return Self.integral(times, values, from: isKnown ? window.start : times[0], to: window.end)
    case .increasesOverTime, .decreasesOverTime, .ascentOverTime, .descentOverTime: return steps(values)
    case .timeOfLastChangeOverTime:
      for index in values.indices.dropFirst().reversed() where values[index] != values[index - 1] {
        return Self.seconds(times[index])
      }
      return isKnown ? nil : Self.seconds(times[0])
    default: break
    }
    guard last >= 1 else { return nil }
    switch function {
    case .derivFast: return (values[last] - values[0]) / Self.seconds(times[last] - times[0])
    case .ideriv: return (values[last] - values[last - 1]) / Self.seconds(times[last] - times[last - 1])
    case .lifetime: return Self.seconds(times[last] - times[0])
    case .scrapeInterval: return Self.seconds(times[last] - times[0]) / Double(last)
    default: return pairs(times, values)
    }
  }

  /// How often or how far it went up or down.
  private func steps(_ values: Span<Double>) -> Double {
    var (count, distance) = (0.0, CompensatedSum())
    let goesUp = function == .increasesOverTime || function == .ascentOverTime
    for index in values.indices.dropFirst() {
      let step = goesUp ? values[index] - values[index - 1] : values[index - 1] - values[index]
      guard step > 0 else { continue }
      count += 1
      distance.add(step)
    }
    return function == .increasesOverTime || function == .decreasesOverTime ? count : distance.result
  }

  /// Each number holds until the next one, the last until the end.
  private static func integral(
    _ times: Span<Int64>, _ values: Span<Double>, from start: Int64, to end: Int64
  ) -> Double {
    var sum = CompensatedSum()
    var time = start
    for index in values.indices.dropFirst() {
      sum.add(values[index - 1] * seconds(times[index] - time))
      time = times[index]
    }
    sum.add(values[values.count - 1] * seconds(end - time))
    return sum.result
  }

  /// The least, the greatest or the mean of what lies between neighbours.
  private func pairs(_ times: Span<Int64>, _ values: Span<Double>) -> Double? {
    var (least, greatest, sum) = (Double.nan, Double.nan, CompensatedSum())
    for index in values.indices.dropFirst() {
      let difference = pair(times, values, index)
      if !(difference >= least) { least = difference }
      if !(difference <= greatest) { greatest = difference }
      sum.add(difference)
    }
    switch part {
    case .min: return least
    case .max: return greatest
    default: return sum.result / Double(values.count - 1)
    }
  }

  private func pair(_ times: Span<Int64>, _ values: Span<Double>, _ index: Int) -> Double {
    let seconds = Self.seconds(times[index] - times[index - 1])
    let difference = values[index] - values[index - 1]
    switch function {
    case .rollupScrapeInterval: return seconds
    case .rollupDelta: return difference
    case .rollupDeriv: return difference / seconds
    // What a counter had before it was reset is in the numbers before.
    case .rollupIncrease: return difference < 0 ? values[index] : difference
    default: return (difference < 0 ? values[index] : difference) / seconds
    }
  }
}

/// Means of products.
enum GeometricMean {
  /// NaN where a number is negative; by logarithms, as the product itself would leave the numbers there are.
  static func of(_ values: Span<Double>) -> Double {
    var sum = CompensatedSum()
    for index in values.indices {
      guard values[index] >= 0 else { return .nan }
      guard values[index] > 0 else { return 0 }
      sum.add(log(values[index]))
    }
    return exp(sum.result / Double(values.count))
  }
}
