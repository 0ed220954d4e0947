import NeedletailQueryLanguage

// With `anchored` or `smoothed` a window's edges have values, which come from samples beyond it: the same window is slid
// twice, as it is and as far as such samples may lie.

/// How far beyond its windows a selector looks at samples, in milliseconds.
struct EdgeMargins {
  /// Before the start of a window.
  let before: Int64
  /// After the end of a window, or after the time of an instant selector.
  let after: Int64

  init(_ rule: EdgeRule?, lookback: Int64) {
    before = rule == nil ? 0 : lookback
    after = rule == .smoothed ? lookback : 0
  }
}

extension Expression {
  /// How the edges of the windows of a range of series are found.
  var edgeRule: EdgeRule? {
    guard case .selector(let selector) = withoutParentheses.node else { return nil }
    return selector.edges
  }
}

/// Slides a window whose edges follow a rule over a series.
///
/// Windows must not move backwards.
struct EdgeSlider {
  let rule: EdgeRule
  private let margins: EdgeMargins
  /// What lies within the window.
  private(set) var inside = RangeSlider()
  /// That, and what lies beyond it as far as its edges may depend on it.
  private(set) var around = RangeSlider()

  init(_ rule: EdgeRule, lookback: Int64) {
    self.rule = rule
    margins = EdgeMargins(rule, lookback: lookback)
  }

  mutating func slide(over samples: borrowing RangeSamples, to window: RangeWindow) {
    inside.slide(over: samples, to: window)
    around.slide(
      over: samples, to: RangeWindow(start: window.start - margins.before, end: window.end + margins.after))
  }

  /// What lies within the window and the one sample before it; empty where nothing lies within.
  func anchored(_ samples: borrowing RangeSamples) -> RangeSlider {
    guard !inside.isEmpty else { return inside }
    let number = inside.numbers.lowerBound - 1
    let histogram = inside.histograms.lowerBound - 1
    let hasNumber = number >= around.numbers.lowerBound
    let hasHistogram = histogram >= around.histograms.lowerBound
    if hasNumber, !hasHistogram || samples.times[number] >= samples.histogramTimes[histogram] {
      return RangeSlider(numbers: number..<inside.numbers.upperBound, histograms: inside.histograms)
    }
    guard hasHistogram else { return inside }
    return RangeSlider(numbers: inside.numbers, histograms: histogram..<inside.histograms.upperBound)
  }
}
