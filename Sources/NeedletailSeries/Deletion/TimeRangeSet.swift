/// Instants in ms, as ranges that neither overlap nor touch, ascending.
struct TimeRangeSet: Equatable, Sendable {
  private(set) var ranges: [ClosedRange<Int64>] = []

  var isEmpty: Bool { ranges.isEmpty }

  /// Adds all instants of a range.
  ///
  /// O(ranges).
  mutating func insert(_ range: ClosedRange<Int64>) {
    var (low, high) = (range.lowerBound, range.upperBound)
    var result: [ClosedRange<Int64>] = []
    result.reserveCapacity(ranges.count + 1)
    var later: [ClosedRange<Int64>] = []
    for other in ranges {
      if Self.isBefore(other, low) {
        result.append(other)
      } else if Self.isBefore(low...high, other.lowerBound) {
        later.append(other)
      } else {
        low = min(low, other.lowerBound)
        high = max(high, other.upperBound)
      }
    }
    result.append(low...high)
    ranges = result + later
  }

  /// Whether a range ends before a time and does not touch it.
  private static func isBefore(_ range: ClosedRange<Int64>, _ time: Int64) -> Bool {
    let (next, overflow) = range.upperBound.addingReportingOverflow(1)
    return !overflow && next < time
  }

  /// The first range that does not end before a time.
  private func first(notBefore time: Int64) -> Int {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = low + (high - low) / 2
      if ranges[middle].upperBound < time { low = middle + 1 } else { high = middle }
    }
    return low
  }

  func contains(_ time: Int64) -> Bool {
    let index = first(notBefore: time)
    return index < ranges.count && ranges[index].lowerBound <= time
  }

  /// Whether any instant from `start` to `end` is in the set.
  func overlaps(_ start: Int64, _ end: Int64) -> Bool {
    let index = first(notBefore: start)
    return index < ranges.count && ranges[index].lowerBound <= end
  }

  /// Whether every instant from `start` to `end` is in the set.
  func covers(_ start: Int64, _ end: Int64) -> Bool {
    let index = first(notBefore: start)
    return index < ranges.count && ranges[index].lowerBound <= start && ranges[index].upperBound >= end
  }
}

extension SampleColumns {
  /// Takes out the samples from index `first` on whose time is in the set; they are sorted by time.
  mutating func remove(_ times: TimeRangeSet, from first: Int) {
    guard count > first, times.overlaps(timestamps[first], timestamps[count - 1]) else { return }
    keep(from: first) { !times.contains($0) }
  }
}

extension Array where Element: HistogramAtTime {
  /// Takes out those from index `first` on whose time is in the set.
  mutating func remove(_ times: TimeRangeSet, from first: Int) {
    guard !times.isEmpty, count > first else { return }
    let kept = self[first...].filter { !times.contains($0.timestamp) }
    replaceSubrange(first..., with: kept)
  }
}

extension [StoredExemplar] {
  /// Takes out those from index `first` on whose time is in the set.
  mutating func remove(_ times: TimeRangeSet, from first: Int) {
    guard !times.isEmpty, count > first else { return }
    let kept = self[first...].filter { !times.contains($0.timestamp) }
    replaceSubrange(first..., with: kept)
  }
}
