import NeedletailTelemetry

/// What deletions take out of one part: for some of its series, by number, the instants at which nothing is left.
struct DeletedSeries: Sendable {
  private struct Entry: Sendable {
    /// Runs of consecutive numbers, ascending: the series that match, which mostly are neighbours.
    var series: [Range<UInt32>]
    var times: ClosedRange<Int64>
  }

  private var entries: [Entry] = []

  /// Whether nothing is deleted.
  var isEmpty: Bool { entries.isEmpty }

  /// How many bytes it takes, about.
  var byteCount: Int { entries.reduce(0) { $0 + 32 + $1.series.count * 8 } }

  /// Adds a deletion of series.
  mutating func add(_ series: SeriesBitmap, in range: TimeRange) {
    var runs: [Range<UInt32>] = []
    series.forEach { number in
      let number = UInt32(truncatingIfNeeded: number)
      if let last = runs.last, last.upperBound == number {
        runs[runs.count - 1] = last.lowerBound..<(number + 1)
      } else {
        runs.append(number..<(number + 1))
      }
    }
    guard !runs.isEmpty else { return }
    entries.append(Entry(series: runs, times: range.startMilliseconds...range.endMilliseconds))
  }

  /// The instants at which nothing is left of a series.
  ///
  /// O(deletions * log runs).
  func times(of series: Int) -> TimeRangeSet {
    var result = TimeRangeSet()
    let number = UInt32(truncatingIfNeeded: series)
    for entry in entries where Self.contains(number, entry.series) { result.insert(entry.times) }
    return result
  }

  private static func contains(_ number: UInt32, _ runs: [Range<UInt32>]) -> Bool {
    var (low, high) = (0, runs.count)
    while low < high {
      let middle = low + (high - low) / 2
      if runs[middle].upperBound <= number { low = middle + 1 } else { high = middle }
    }
    return low < runs.count && runs[low].contains(number)
  }

  /// Calls `body` with each series that has anything deleted, at least once.
  func forEachSeries(_ body: (Int) -> Void) {
    for entry in entries { for run in entry.series { for number in run { body(Int(number)) } } }
  }
}
