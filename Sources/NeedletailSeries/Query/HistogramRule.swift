import NeedletailTelemetry

/// Which of two histograms of one series at one time stays, for whoever unites what several engines answered.
package enum HistogramConflict {
  /// The one that stays, or that both are the same.
  package enum Precedence: Sendable {
    case first
    case second
    case same
  }

  /// What an engine would decide that was given both.
  package static func precedence(_ first: NativeHistogram, _ second: NativeHistogram) -> Precedence {
    let (one, other) = (TimedHistogram(timestamp: 0, histogram: first), TimedHistogram(timestamp: 0, histogram: second))
    if HistogramRule.loses(one, to: other) { return .second }
    return HistogramRule.loses(other, to: one) ? .first : .same
  }
}

/// How histograms of one series at one time settle, whatever order they came in: one that is no stale marker wins,
/// then the greater bytes of the encoded form. Of equal ones the latest start counts.
///
/// Against a float sample at the same time a histogram wins.
enum HistogramRule {
  /// Sorted by time, one for each time.
  static func settled<Histogram: HistogramAtTime>(_ histograms: [Histogram]) -> [Histogram] {
    let isSettled = (1..<max(1, histograms.count)).allSatisfy {
      histograms[$0 - 1].timestamp < histograms[$0].timestamp
    }
    if isSettled { return histograms }
    var result: [Histogram] = []
    for index in RowSort.order(histograms.count, by: { histograms[$0].timestamp < histograms[$1].timestamp }) {
      let histogram = histograms[index]
      if let last = result.last, last.timestamp == histogram.timestamp {
        if loses(last, to: histogram) {
          result[result.count - 1] = histogram
        } else if last.start < histogram.start, !loses(histogram, to: last) {
          result[result.count - 1].start = histogram.start
        }
      } else {
        result.append(histogram)
      }
    }
    return result
  }

  static func decoded(_ bytes: [UInt8]) -> NativeHistogram? {
    bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      return try? NativeHistogram(decoding: &reader)
    }
  }

  static func loses<Histogram: HistogramAtTime>(_ left: Histogram, to right: Histogram) -> Bool {
    let (one, other) = (left.isStale, right.isStale)
    return one == other ? left.byteForm.lexicographicallyPrecedes(right.byteForm) : one
  }
}
