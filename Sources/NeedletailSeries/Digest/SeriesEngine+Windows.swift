import NeedletailTelemetry

extension SeriesEngine {
  /// The windows within a range (hours since 1970) of which the engine may hold anything, ascending: no more are worth a
  /// digest. Nil where there are more than `countMax`.
  ///
  /// O(series of the heads + parts). Holds a head's lock for some thousands of series at a time.
  package func windows(within range: ClosedRange<Int64>, countMax: Int) -> [SeriesWindow]? {
    let (heads, times) = state.withLock { state in
      (
        [state.head] + (state.frozen.map { [$0] } ?? []),
        state.parts.map(\.record.summary) + state.unreadable.map(\.record.summary)
      )
    }
    var hulls = times.map { ($0.minTime, $0.maxTime) }
    for head in heads { head.withTimes { hulls.append(($0, $1)) } }
    var found: Set<Int64> = []
    for (first, last) in hulls where first <= last {
      let low = max(range.lowerBound, SeriesWindow(of: first).number)
      let high = min(range.upperBound, SeriesWindow(of: last).number)
      guard low <= high else { continue }
      // Hours since 1970 of times in ms: their difference is far from overflowing.
      guard high - low < Int64(countMax) else { return nil }
      found.formUnion(low...high)
      guard found.count <= countMax else { return nil }
    }
    return found.sorted().compactMap { SeriesWindow(number: $0) }
  }
}

extension SeriesHead {
  /// Tells between which times each active series has samples, and when exemplars are.
  fileprivate func withTimes(_ body: (_ first: Int64, _ last: Int64) -> Void) {
    let active = withStorage { $0.activeSeries }
    // Most series have the same hours: told once.
    var (first, last) = (Int64.max, Int64.min)
    for start in stride(from: 0, to: active.count, by: 16_384) {
      let some = active[start..<min(start + 16_384, active.count)]
      withStorage { storage in
        for number in some {
          guard let times = storage.bounds(Int(number), in: .min ... .max) else { continue }
          first = min(first, times.lowerBound)
          last = max(last, times.upperBound)
        }
      }
    }
    body(first, last)
    let exemplars = withStorage { storage in
      storage.exemplars(from: .min, to: .max) { _ in true }.map(\.timestamp)
    }
    if let first = exemplars.min(), let last = exemplars.max() { body(first, last) }
  }
}
