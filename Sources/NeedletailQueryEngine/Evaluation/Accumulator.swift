import NeedletailQueryLanguage
import NeedletailTelemetry

// The state of one group at one step while its series come in, in the order in which they come.

/// Reduces the samples of a group to one value.
struct Accumulator: Sendable {
  /// What came up on the way.
  struct Remarks: OptionSet, Sendable {
    let rawValue: UInt8
    static let mixed = Remarks(rawValue: 1)
    static let mixedSchemas = Remarks(rawValue: 2)
    static let reconciledBounds = Remarks(rawValue: 4)
    static let ignoredHistogram = Remarks(rawValue: 8)
    static let collidingHints = Remarks(rawValue: 16)
  }

  private let operation: AggregationOperation
  private var count = 0.0
  private var numbers = 0.0
  private var sum = CompensatedSum()
  private var mean = 0.0
  private var squares = 0.0
  private var extreme = Double.nan
  private var histogram: NativeHistogram?
  /// Whether that is the mean of the histograms so far rather than their sum.
  private var isMean = false
  /// The sum of the histograms' sums, compensated.
  private var histogramSum = CompensatedSum()
  private(set) var remarks: Remarks = []

  init(_ operation: AggregationOperation) { self.operation = operation }

  /// Whether there was a histogram that is added up.
  var hasHistogram: Bool { histogram != nil }

  mutating func add(_ value: Double) {
    count += 1
    switch operation {
    case .sum: sum.add(value)
    case .avg:
      sum.add(value)
      var seen = numbers
      Mean.advance(&mean, &seen, value)
    case .min: if numbers == 0 || value < extreme || extreme.isNaN { extreme = value }
    case .max: if numbers == 0 || value > extreme || extreme.isNaN { extreme = value }
    case .stddev, .stdvar:
      let delta = value - mean
      mean += delta / (numbers + 1)
      squares += delta * (value - mean)
    default: break
    }
    numbers += 1
  }

  mutating func add(_ value: NativeHistogram) {
    switch operation {
    case .sum, .avg:
      count += 1
      histogramSum.add(value.sum)
      guard let total = histogram else {
        histogram = value
        return
      }
      guard let combination = total.adding(value) else {
        remarks.insert(.mixedSchemas)
        return
      }
      if combination.reconciledBounds { remarks.insert(.reconciledBounds) }
      if combination.collidingHints { remarks.insert(.collidingHints) }
      histogram = combination.histogram
      if operation == .avg { keepMean(total, value, overflows: !combination.histogram.hasFiniteCounts) }
    case .count, .group: count += 1
    default: remarks.insert(.ignoredHistogram)
    }
    if operation == .sum || operation == .avg, numbers > 0 { remarks.insert(.mixed) }
  }

  /// Goes on with the mean where a sum of finite counts is not finite, or was not before.
  private mutating func keepMean(_ total: NativeHistogram, _ value: NativeHistogram, overflows: Bool) {
    guard isMean || (overflows && total.hasFiniteCounts && value.hasFiniteCounts) else { return }
    let before = isMean ? total.scaled(by: (count - 1) / count) : total.divided(by: count)
    histogram = before.adding(value.divided(by: count))?.histogram
    isMean = true
  }

  var result: VectorGrid.Cell {
    mutating get {
      guard count > 0 else { return .absent }
      switch operation {
      case .sum, .avg:
        guard var histogram else {
          if operation == .sum { return .number(sum.result) }
          return .number(sum.result.isFinite ? sum.result / numbers : mean)
        }
        if numbers > 0 {
          remarks.insert(.mixed)
          return .absent
        }
        if remarks.contains(.mixedSchemas) { return .absent }
        histogram.sum = histogramSum.result
        guard operation == .avg else { return .histogram(histogram.compacted) }
        guard isMean else { return .histogram(histogram.divided(by: count).compacted) }
        histogram.sum /= count
        return .histogram(histogram.compacted)
      case .count: return .number(count)
      case .group: return .number(1)
      case .min, .max: return .number(extreme)
      case .stdvar: return .number(squares / numbers)
      case .stddev: return .number((squares / numbers).squareRoot())
      default: return .absent
      }
    }
  }
}
