import NeedletailTelemetry

// A counter's histogram may say whether the counter was reset before it, and few senders do. What a sample before it tells is
// worked out when both are read, not when they are stored: what came late, was sent twice or deleted is then in its place,
// and a sample is the same bytes on every replica, in whatever order it came. Prometheus works it out when it appends.

/// What the histogram before one tells of it.
enum ResetHintRule: Sendable {
  /// That there was no reset; of a reset nothing is said, as Prometheus' storage has it.
  case notReset
  /// Either, as Prometheus has it where only counts and sums are asked for.
  case both

  /// The hint of a histogram that comes right behind another of its series: its own where it has one.
  func hint(of histogram: NativeHistogram, after previous: NativeHistogram) -> NativeHistogram.ResetHint {
    guard histogram.resetHint == .unknown, previous.resetHint != .gauge, !previous.isStale, !histogram.isStale else {
      return histogram.resetHint
    }
    guard histogram.isReset(after: previous) else { return .notReset }
    return self == .both ? .reset : .unknown
  }
}

extension SeriesColumns {
  /// A histogram by its number, with the hint that the sample before it gives it, where that is one of the same series,
  /// whose samples begin at an index.
  func histogram(_ number: Int, ofSeriesFrom start: Int, _ rule: ResetHintRule) -> NativeHistogram {
    var histogram = histograms[number]
    guard number > 0, histogramIndexes[number - 1] >= start,
      histogramIndexes[number - 1] + 1 == histogramIndexes[number]
    else { return histogram }
    histogram.resetHint = rule.hint(of: histogram, after: histograms[number - 1])
    return histogram
  }
}
