import NeedletailTelemetry

/// How histograms of one series at one time settle, whatever order they came in: one that is no stale marker wins,
/// then the greater bytes of the encoded form.
///
/// Against a float sample at the same time a histogram wins.
enum HistogramRule {
  /// Sorted by time, one for each time.
  static func settled(_ histograms: [StoredHistogram]) -> [StoredHistogram] {
    var result: [StoredHistogram] = []
    for index in RowSort.order(histograms.count, by: { histograms[$0].timestamp < histograms[$1].timestamp }) {
      let histogram = histograms[index]
      if let last = result.last, last.timestamp == histogram.timestamp {
        if loses(last.bytes, to: histogram.bytes) { result[result.count - 1] = histogram }
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

  private static func loses(_ left: [UInt8], to right: [UInt8]) -> Bool {
    let (one, other) = (decoded(left)?.isStale ?? true, decoded(right)?.isStale ?? true)
    return one == other ? left.lexicographicallyPrecedes(right) : one
  }
}
