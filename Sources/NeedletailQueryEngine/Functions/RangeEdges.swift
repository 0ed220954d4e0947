import NeedletailQueryLanguage
import NeedletailTelemetry

// What stands at the two edges of a window, as `anchored` and `smoothed` have it. A value at an edge is that of a sample,
// or lies between two of them; which, is told by indexes and shares alone, for numbers and histograms alike.

/// The edges of one window over one series' samples of one kind.
struct RangeEdges {
  /// The sample that stands for the start, or the last one before it.
  let first: Int
  /// The sample that stands for the end, or the first one after it.
  let last: Int
  /// How far the start is on the way from `first` to the next sample; nil where `first` stands for it.
  let startShare: Double?
  /// How far the end is on the way to `last` from the sample before it; nil where `last` stands for it.
  let endShare: Double?

  /// Nil where nothing is known of the window: where no sample lies within, unless it is `smoothed` and there is one on
  /// either side.
  init?(_ times: [Int64], inside: Range<Int>, around: Range<Int>, _ window: RangeWindow, _ rule: EdgeRule) {
    let isSmoothed = rule == .smoothed
    let takesBefore = inside.lowerBound > around.lowerBound
    let endsOnSample = !inside.isEmpty && times[inside.upperBound - 1] == window.end
    let takesAfter = isSmoothed && !endsOnSample && inside.upperBound < around.upperBound
    guard !inside.isEmpty || (takesBefore && takesAfter) else { return nil }
    first = takesBefore ? inside.lowerBound - 1 : inside.lowerBound
    last = takesAfter ? inside.upperBound : inside.upperBound - 1
    startShare =
      isSmoothed && times[first] < window.start ? Self.share(of: window.start, times[first], times[first + 1]) : nil
    endShare = takesAfter ? Self.share(of: window.end, times[last - 1], times[last]) : nil
  }

  private static func share(of time: Int64, _ previous: Int64, _ next: Int64) -> Double {
    Double(time - previous) / Double(next - previous)
  }

  /// The samples that lie strictly between those that the edges come from.
  var between: Range<Int> { (first + 1)..<max(last, first + 1) }

  /// The number at the start.
  func start(_ values: [Double], isCounter: Bool) -> Double {
    guard let startShare else { return values[first] }
    return Self.interpolate(values[first], values[first + 1], share: startShare, isCounter: isCounter)
  }

  /// The number at the end.
  func end(_ values: [Double], isCounter: Bool) -> Double {
    guard let endShare else { return values[last] }
    return Self.interpolate(values[last - 1], values[last], share: endShare, isCounter: isCounter)
  }

  /// The histogram at the start; nil where its neighbours are of two kinds.
  func start(_ values: [NativeHistogram], isCounter: Bool) -> NativeHistogram.Combination? {
    guard let startShare else { return NativeHistogram.Combination(histogram: values[first]) }
    return values[first].interpolated(to: values[first + 1], share: startShare, isCounter: isCounter)
  }

  /// The histogram at the end; nil where its neighbours are of two kinds.
  func end(_ values: [NativeHistogram], isCounter: Bool) -> NativeHistogram.Combination? {
    guard let endShare else { return NativeHistogram.Combination(histogram: values[last]) }
    return values[last - 1].interpolated(to: values[last], share: endShare, isCounter: isCounter)
  }

  /// The number a share of the way from one sample to the next; a counter that was reset between them began at zero.
  static func interpolate(_ previous: Double, _ next: Double, share: Double, isCounter: Bool) -> Double {
    let start = isCounter && next < previous ? 0 : previous
    return start + (next - start) * share
  }
}

extension NativeHistogram {
  /// The histogram a share of the way from this one to the next of its series; nil where only one has custom buckets.
  ///
  /// A counter that was reset between them began with no observations.
  func interpolated(to next: NativeHistogram, share: Double, isCounter: Bool) -> Combination? {
    guard usesCustomBuckets == next.usesCustomBuckets else { return nil }
    if isCounter, next.isReset(after: self) { return Combination(histogram: next.scaled(by: share)) }
    return scaled(by: 1 - share).adding(next, factor: share)
  }
}

extension RangeSamples {
  /// The numbers within a window, and one at either edge; nil where nothing is known of it.
  ///
  /// Fails where there are histograms, as Prometheus does.
  func slice(_ window: RangeWindow, _ rule: EdgeRule, lookback: Int64) throws -> RangeSamples? {
    var slider = EdgeSlider(rule, lookback: lookback)
    slider.slide(over: self, to: window)
    guard slider.around.histograms.isEmpty else {
      throw QueryError.execution("\(rule.rawValue) modifier is not supported with histograms")
    }
    var inside = slider.inside.numbers
    guard let edges = RangeEdges(times, inside: inside, around: slider.around.numbers, window, rule) else {
      return nil
    }
    if let last = inside.last, times[last] == window.end { inside = inside.lowerBound..<last }
    return RangeSamples(
      times: [window.start] + times[inside] + [window.end],
      values: [edges.start(values, isCounter: false)] + values[inside] + [edges.end(values, isCounter: false)])
  }
}
