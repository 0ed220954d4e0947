import NeedletailQueryLanguage
import NeedletailTelemetry

// What a range function makes of one window of one series.

/// Evaluates one range function, and collects remarks on the series that it saw.
struct RangeKernel {
  /// A remark on a series.
  struct Remark: Equatable, Sendable {
    /// How it tells the metric's name.
    enum Subject: UInt8, Sendable {
      case name = 1
      case metric = 2
      case appended = 3
      case none = 4
    }

    var message: String
    var subject: Subject
    var isWarning: Bool

    /// The whole of it.
    func text(metric: String) -> String {
      switch subject {
      case .name: "\(message) for metric name \"\(metric)\""
      case .metric: "\(message) for metric \"\(metric)\""
      case .appended: "\(message): \"\(metric)\""
      case .none: message
      }
    }
  }

  /// What histograms are put together for.
  enum Operation: String {
    case addition, subtraction, aggregation
  }

  /// What there is to say of samples whose starts contradict each other.
  private static let overlap = "sample has start time that overlaps with previous sample timestamp"

  let function: Function
  /// In the order of their messages, of which there are few.
  private var remarks: [Remark] = []
  /// Whether any window of the series held numbers.
  var sawNumbers = false

  init(function: Function) { self.function = function }

  /// Forgets what it saw of the series before.
  mutating func beginSeries() { sawNumbers = false }

  /// The remarks since the last call, which are about one series.
  mutating func takeRemarks() -> [Remark] {
    guard !remarks.isEmpty else { return [] }
    defer { remarks.removeAll() }
    return remarks
  }

  /// Takes over what a kernel elsewhere saw of a series.
  mutating func take(_ derived: DerivedSeries) {
    sawNumbers = derived.sawNumbers
    for remark in derived.remarks { self.remark(remark) }
  }

  mutating func warn(_ message: String, _ subject: Remark.Subject = .name) {
    remark(Remark(message: message, subject: subject, isWarning: true))
  }

  private mutating func inform(_ message: String, _ subject: Remark.Subject = .name) {
    remark(Remark(message: message, subject: subject, isWarning: false))
  }

  private mutating func remark(_ remark: Remark) {
    var position = 0
    while position < remarks.count, remarks[position].message <= remark.message {
      guard remarks[position] != remark else { return }
      position += 1
    }
    remarks.insert(remark, at: position)
  }

  /// The value over the samples that the slider stands on.
  ///
  /// `now` is the step's own time in milliseconds.
  mutating func evaluate(
    _ samples: borrowing RangeSamples, _ slider: RangeSlider, _ window: RangeWindow, _ parameters: [Double],
    now: Int64
  ) -> VectorGrid.Cell {
    sawNumbers = sawNumbers || !slider.numbers.isEmpty
    switch function {
    case .countOverTime:
      return .number(Double(samples.count(in: slider.numbers) + slider.histograms.count))
    case .presentOverTime, .absentOverTime: return .number(1)
    case .lastOverTime, .firstOverTime: return edge(samples, slider, isLast: function == .lastOverTime)
    case .timestampOfLastOverTime, .timestampOfFirstOverTime:
      return .number(Double(edgeTime(samples, slider, isLast: function == .timestampOfLastOverTime)) / 1000)
    case .changes, .resets:
      if !slider.histograms.isEmpty { return mixedCount(samples, slider) }
    default: break
    }
    if !slider.histograms.isEmpty, let cell = histograms(samples, slider, window) { return cell }
    guard !slider.numbers.isEmpty else { return .absent }
    return numbers(samples, slider.numbers, window, parameters, now: now).map { .number($0) } ?? .absent
  }

  // MARK: Numbers

  /// The value over a window that holds numbers only, at least one.
  mutating func evaluateNumbers(
    _ samples: borrowing RangeSamples, _ slider: RangeSlider, _ window: RangeWindow, _ parameters: [Double],
    now: Int64
  ) -> Double? {
    sawNumbers = true
    let range = slider.numbers
    switch function {
    case .countOverTime: return Double(samples.count(in: range))
    case .presentOverTime, .absentOverTime: return 1
    case .lastOverTime: return samples.values[range.upperBound - 1]
    case .firstOverTime: return samples.values[range.lowerBound]
    case .timestampOfLastOverTime: return Double(samples.times[range.upperBound - 1]) / 1000
    case .timestampOfFirstOverTime: return Double(samples.times[range.lowerBound]) / 1000
    default: return numbers(samples, range, window, parameters, now: now)
    }
  }

  private mutating func numbers(
    _ samples: borrowing RangeSamples, _ range: Range<Int>, _ window: RangeWindow, _ parameters: [Double], now: Int64
  ) -> Double? {
    let times = samples.times.span.extracting(range)
    let values = samples.values.span.extracting(range)
    let last = values.count - 1
    switch function {
    case .rate, .increase:
      let increase = samples.makingGood(values[last] - values[0], in: range)
      if samples.hasStarts {
        if samples.hasOverlap(amongNumbers: range) { warn(Self.overlap, .metric) }
        let start = samples.start(ofNumber: range.lowerBound)
        if start > window.start, start < times[0], start != 0 {
          return (increase + values[0]) * factor(times, samples.count(in: range), since: start, window)
        }
      }
      return RangeMath.extrapolated(
        times, count: samples.count(in: range), increase, from: values[0], window, isRate: function == .rate)
    case .delta:
      return RangeMath.extrapolated(
        times, count: samples.count(in: range), values[last] - values[0], from: nil, window, isRate: false)
    case .irate, .idelta:
      guard last >= 1 else { return nil }
      let isRate = function == .irate
      let previous = values[last - 1]
      let isReset = isRate && (values[last] < previous || samples.beginsAnew(atNumber: range.upperBound - 1))
      let difference = isReset ? values[last] : values[last] - previous
      guard isRate else { return difference }
      let interval = times[last] - times[last - 1]
      return interval == 0 ? nil : difference / (Double(interval) / 1000)
    case .changes: return RangeMath.changes(values)
    case .resets: return samples.hasStarts ? Double(samples.fallCount(in: range)) : RangeMath.resets(values)
    case .deriv:
      return last >= 1 ? RangeMath.regression(times, values, origin: times[0]).slope : nil
    case .predictLinear:
      guard last >= 1 else { return nil }
      let (slope, value) = RangeMath.regression(times, values, origin: now)
      return slope * parameters[0] + value
    case .doubleExponentialSmoothing:
      return RangeMath.smoothed(values, smoothing: parameters[0], trend: parameters[1])
    case .quantileOverTime: return RangeMath.quantile(parameters[0], RangeMath.array(values))
    default: return overTime(times, values)
    }
  }

  /// What an increase since a count began is to be multiplied with, the function being `rate` or `increase`.
  private func factor(_ times: Span<Int64>, _ count: Int, since start: Int64, _ window: RangeWindow) -> Double {
    let factor = RangeMath.extrapolation(
      start: start, first: times[0], last: times[times.count - 1], count: count, window)
    return function == .rate ? factor / (Double(window.end - window.start) / 1000) : factor
  }

  private func overTime(_ times: Span<Int64>, _ values: Span<Double>) -> Double? {
    switch function {
    case .sumOverTime: return RangeMath.sum(values)
    case .avgOverTime: return RangeMath.mean(values)
    case .minOverTime: return values[RangeMath.extreme(values) { $0 < $1 }]
    case .maxOverTime: return values[RangeMath.extreme(values) { $0 > $1 }]
    case .timestampOfMinOverTime: return Double(times[RangeMath.extreme(values) { $0 <= $1 }]) / 1000
    case .timestampOfMaxOverTime: return Double(times[RangeMath.extreme(values) { $0 >= $1 }]) / 1000
    case .stdvarOverTime: return RangeMath.variance(values)
    case .stddevOverTime: return RangeMath.variance(values).squareRoot()
    case .madOverTime:
      let numbers = RangeMath.array(values)
      if numbers.contains(where: \.isNaN) { return .nan }
      let median = RangeMath.quantile(0.5, numbers)
      return RangeMath.quantile(0.5, numbers.map { abs($0 - median) })
    default: return nil
    }
  }

  // MARK: Both kinds

  private func edge(
    _ samples: borrowing RangeSamples, _ slider: RangeSlider, isLast: Bool
  ) -> VectorGrid.Cell {
    let number = isLast ? slider.numbers.last : slider.numbers.first
    let histogram = isLast ? slider.histograms.last : slider.histograms.first
    guard let histogram else { return number.map { .number(samples.values[$0]) } ?? .absent }
    guard let number else { return .histogram(samples.histograms[histogram]) }
    let takesNumber =
      isLast
      ? samples.times[number] > samples.histogramTimes[histogram]
      : samples.times[number] < samples.histogramTimes[histogram]
    return takesNumber ? .number(samples.values[number]) : .histogram(samples.histograms[histogram])
  }

  private func edgeTime(_ samples: borrowing RangeSamples, _ slider: RangeSlider, isLast: Bool) -> Int64 {
    let number = (isLast ? slider.numbers.last : slider.numbers.first).map { samples.times[$0] }
    let histogram = (isLast ? slider.histograms.last : slider.histograms.first).map { samples.histogramTimes[$0] }
    guard let number, let histogram else { return number ?? histogram ?? 0 }
    return isLast ? max(number, histogram) : min(number, histogram)
  }

  /// `changes` and `resets` over numbers and histograms in the order of time.
  private func mixedCount(_ samples: borrowing RangeSamples, _ slider: RangeSlider) -> VectorGrid.Cell {
    var count = 0.0
    var number = slider.numbers.lowerBound
    var histogram = slider.histograms.lowerBound
    var previousNumber: Double?
    var previousHistogram: NativeHistogram?
    while number < slider.numbers.upperBound || histogram < slider.histograms.upperBound {
      let takesNumber =
        histogram >= slider.histograms.upperBound
        || (number < slider.numbers.upperBound && samples.times[number] < samples.histogramTimes[histogram])
      if takesNumber {
        let value = samples.values[number]
        if previousHistogram != nil {
          count += 1
        } else if let previous = previousNumber {
          let isChange = value != previous && !(value.isNaN && previous.isNaN)
          if function == .changes ? isChange : value < previous || samples.beginsAnew(atNumber: number) { count += 1 }
        }
        (previousNumber, previousHistogram) = (value, nil)
        number += 1
      } else {
        let value = samples.histograms[histogram]
        if previousNumber != nil {
          count += 1
        } else if let previous = previousHistogram {
          let isReset =
            function == .resets && (samples.beginsAnew(atHistogram: histogram) || value.isReset(after: previous))
          if function == .changes ? !value.observesSame(as: previous) : isReset { count += 1 }
        }
        (previousNumber, previousHistogram) = (nil, value)
        histogram += 1
      }
    }
    return .number(count)
  }

  // MARK: Histograms

  /// The value where the window holds histograms; nil if only its numbers count.
  private mutating func histograms(
    _ samples: borrowing RangeSamples, _ slider: RangeSlider, _ window: RangeWindow
  ) -> VectorGrid.Cell? {
    let isMixed = !slider.numbers.isEmpty
    switch function {
    case .rate, .increase, .delta, .sumOverTime, .avgOverTime, .irate, .idelta:
      guard !isMixed else {
        if function == .irate || function == .idelta { return lastTwo(samples, slider) }
        warn("encountered a mix of histograms and floats")
        return .absent
      }
    default:
      if isMixed { inform("ignored histograms in a range containing both floats and histograms") }
      return isMixed ? nil : .absent
    }
    let values = samples.histograms[slider.histograms]
    switch function {
    case .sumOverTime: return sum(values).map { .histogram($0) } ?? .absent
    case .avgOverTime: return mean(values).map { .histogram($0) } ?? .absent
    case .irate, .idelta: return lastTwo(samples, slider)
    default:
      let times = samples.histogramTimes[slider.histograms]
      guard let first = times.first, let last = times.last, let firstValue = values.first else { return .absent }
      if samples.hasStarts {
        if samples.hasOverlap(amongHistograms: slider.histograms) { warn(Self.overlap, .metric) }
        let start = samples.start(ofHistogram: slider.histograms.lowerBound)
        if start > window.start, start < first, start != 0 {
          return grown(values, samples, by: factor(times.span, times.count, since: start, window))
        }
      }
      guard values.count >= 2, var increase = increase(values, samples) else { return .absent }
      let isCounter = function != .delta
      let zeroPoint =
        isCounter && increase.count > 0 && firstValue.count >= 0 ? firstValue.count / increase.count : nil
      var factor = RangeMath.extrapolation(
        first: first, last: last, count: values.count, window, zeroPoint: zeroPoint)
      if function == .rate { factor /= Double(window.end - window.start) / 1000 }
      increase = increase.scaled(by: factor)
      increase.resetHint = .gauge
      return .histogram(increase.compacted)
    }
  }

  /// What a count of histograms came to since it began, multiplied.
  private mutating func grown(
    _ values: ArraySlice<NativeHistogram>, _ samples: borrowing RangeSamples, by factor: Double
  ) -> VectorGrid.Cell {
    guard var total = values.first else { return .absent }
    if values.count >= 2 {
      guard let increase = increase(values, samples), let sum = take(increase.adding(total), during: .addition) else {
        return .absent
      }
      total = sum
    }
    total = total.scaled(by: factor)
    total.resetHint = .gauge
    return .histogram(total.compacted)
  }

  private mutating func mean(_ values: ArraySlice<NativeHistogram>) -> NativeHistogram? {
    guard let total = sum(values) else { return nil }
    let count = Double(values.count)
    var mean = total.divided(by: count)
    guard !total.hasFiniteCounts, values.allSatisfy(\.hasFiniteCounts) else { return mean }
    // The sum is too large for a number; its share of each is not.
    guard let first = values.first else { return mean }
    let sum = mean.sum
    mean = first.divided(by: count)
    for value in values.dropFirst() {
      guard let next = mean.adding(value.divided(by: count)) else { return nil }
      mean = next.histogram
    }
    mean.sum = sum
    return mean
  }

  private mutating func sum(_ values: ArraySlice<NativeHistogram>) -> NativeHistogram? {
    guard var total = values.first else { return nil }
    var sum = CompensatedSum()
    sum.add(total.sum)
    for value in values.dropFirst() {
      guard let next = add(total, value, factor: 1) else { return nil }
      total = next
      sum.add(value.sum)
    }
    // Also where a gauge stands between them.
    if values.contains(where: { $0.resetHint == .reset }), values.contains(where: { $0.resetHint == .notReset }) {
      warnOfResets()
    }
    total.sum = sum.result
    return total
  }

  private mutating func warnOfResets() { warn("conflicting counter resets during histogram aggregation", .none) }

  private mutating func add(
    _ left: NativeHistogram, _ right: NativeHistogram, factor: Double
  ) -> NativeHistogram? {
    let combination = left.adding(right, factor: factor)
    if let combination, combination.collidingHints, factor > 0 { warnOfResets() }
    return take(combination, during: factor > 0 ? .aggregation : .subtraction)
  }

  /// The outcome of an addition, with a remark where there is none, or where bounds had to be brought together.
  mutating func take(
    _ combination: NativeHistogram.Combination?, during operation: Operation
  ) -> NativeHistogram? {
    guard let combination else {
      warn("vector contains a mix of histograms with exponential and custom buckets schemas")
      return nil
    }
    if combination.reconciledBounds {
      inform("mismatched custom buckets were reconciled during \(operation.rawValue)", .none)
    }
    return combination.histogram
  }

  private mutating func increase(
    _ values: ArraySlice<NativeHistogram>, _ samples: borrowing RangeSamples
  ) -> NativeHistogram? {
    guard let first = values.first, let last = values.last else { return nil }
    let isCounter = function != .delta
    if isCounter, values.contains(where: { $0.resetHint == .gauge }) {
      warn("this native histogram metric is not a counter", .appended)
    } else if !isCounter, first.resetHint != .gauge || last.resetHint != .gauge {
      warn("this native histogram metric is not a gauge", .appended)
    }
    let second = values[values.startIndex + 1]
    // If the counter was reset right after the first sample, only what came after counts.
    let skipsFirst =
      isCounter && (samples.beginsAnew(atHistogram: values.startIndex + 1) || second.isReset(after: first))
    let compared = skipsFirst ? values.dropFirst() : values
    guard compared.allSatisfy({ $0.usesCustomBuckets == last.usesCustomBuckets }) else {
      warn("vector contains a mix of histograms with exponential and custom buckets schemas")
      return nil
    }
    var result = last
    if !skipsFirst {
      guard let difference = add(last, first, factor: -1) else { return nil }
      result = difference
    }
    guard isCounter, var previous = compared.first else { return result }
    for index in compared.indices.dropFirst() {
      let value = compared[index]
      if samples.beginsAnew(atHistogram: index) || value.isReset(after: previous) {
        guard let next = result.adding(previous) else { return nil }
        result = next.histogram
      }
      previous = value
    }
    return result
  }

  private mutating func lastTwo(_ samples: borrowing RangeSamples, _ slider: RangeSlider) -> VectorGrid.Cell {
    let numberTimes = samples.times[slider.numbers].suffix(2)
    let histogramTimes = samples.histogramTimes[slider.histograms].suffix(2)
    guard numberTimes.count + histogramTimes.count >= 2 else { return .absent }
    // Of one kind if both of its newest samples are later than all of the other's.
    let areNumbers: Bool
    if numberTimes.count == 2, let first = numberTimes.first, histogramTimes.allSatisfy({ $0 < first }) {
      areNumbers = true
    } else if histogramTimes.count == 2, let first = histogramTimes.first, numberTimes.allSatisfy({ $0 < first }) {
      areNumbers = false
    } else {
      warn("encountered a mix of histograms and floats")
      return .absent
    }
    let newest = areNumbers ? numberTimes : histogramTimes
    guard let firstTime = newest.first, let lastTime = newest.last else { return .absent }
    let isRate = function == .irate
    let seconds = Double(lastTime - firstTime) / 1000
    if areNumbers {
      let values = samples.values[slider.numbers].suffix(2)
      guard let previous = values.first, let current = values.last else { return .absent }
      let isReset = isRate && (current < previous || samples.beginsAnew(atNumber: slider.numbers.upperBound - 1))
      let difference = isReset ? current : current - previous
      return .number(isRate ? difference / seconds : difference)
    }
    let values = samples.histograms[slider.histograms].suffix(2)
    guard let previous = values.first, let current = values.last else { return .absent }
    if isRate, previous.resetHint == .gauge || current.resetHint == .gauge {
      warn("this native histogram metric is not a counter", .appended)
    } else if !isRate, previous.resetHint != .gauge || current.resetHint != .gauge {
      warn("this native histogram metric is not a gauge", .appended)
    }
    var result = current
    let beginsAnew = samples.beginsAnew(atHistogram: slider.histograms.upperBound - 1)
    if !isRate || !(beginsAnew || current.isReset(after: previous)) {
      guard let difference = add(current, previous, factor: -1) else { return .absent }
      result = difference
    }
    if isRate { result = result.divided(by: seconds) }
    result.resetHint = .gauge
    return .histogram(result.compacted)
  }
}
