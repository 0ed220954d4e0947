import NeedletailTelemetry

// The samples of one series as range functions see them: sorted, without stale markers, numbers and histograms apart.

/// One series' samples.
struct RangeSamples {
  /// The indexes of numbers that are less than the one before, ascending; see `findFalls`.
  private var falls: [Int] = []
  /// Where the series' numbers lie among `times` and `values` where these are a whole chunk's, as they mostly are.
  private var borrowed: Range<Int>?
  var times: [Int64] = []
  var values: [Double] = []
  var histogramTimes: [Int64] = []
  var histograms: [NativeHistogram] = []

  /// Where the numbers lie among `times` and `values`.
  var numbers: Range<Int> { borrowed ?? times.indices }

  var isEmpty: Bool { numbers.isEmpty && histogramTimes.isEmpty }

  /// Numbers and histograms, each with their times, of which nobody asks what a counter lost.
  init(
    times: [Int64] = [], values: [Double] = [], histogramTimes: [Int64] = [], histograms: [NativeHistogram] = []
  ) {
    self.times = times
    self.values = values
    self.histogramTimes = histogramTimes
    self.histograms = histograms
  }

  mutating func removeAll() {
    falls.removeAll(keepingCapacity: true)
    if borrowed == nil {
      times.removeAll(keepingCapacity: true)
      values.removeAll(keepingCapacity: true)
    } else {
      // The chunk has them too: to empty them would be to copy them.
      (times, values, borrowed) = ([], [], nil)
    }
    histogramTimes.removeAll(keepingCapacity: true)
    histograms.removeAll(keepingCapacity: true)
  }

  /// Takes over a series of a chunk.
  ///
  /// `cursor` walks the chunk's histograms along.
  mutating func load(_ columns: SeriesColumns, series: Int, cursor: inout Int) {
    removeAll()
    let range = columns.offsets[series]..<columns.offsets[series + 1]
    guard cursor < columns.histogramIndexes.count, columns.histogramIndexes[cursor] < range.upperBound else {
      return loadNumbers(columns, range)
    }
    for index in range {
      if cursor < columns.histogramIndexes.count, columns.histogramIndexes[cursor] == index {
        if !columns.histograms[cursor].isStale {
          histogramTimes.append(columns.timestamps[index])
          histograms.append(columns.histograms[cursor])
        }
        cursor += 1
      } else if !StaleMarker.matches(columns.values[index]) {
        times.append(columns.timestamps[index])
        values.append(columns.values[index])
      }
    }
  }

  /// The samples of a series that has no histograms.
  private mutating func loadNumbers(_ columns: SeriesColumns, _ range: Range<Int>) {
    let newTimes = columns.timestamps.span.extracting(range)
    let newValues = columns.values.span.extracting(range)
    var hasStale = false
    for index in newValues.indices { hasStale = hasStale || StaleMarker.matches(newValues[index]) }
    guard hasStale else {
      (times, values, borrowed) = (columns.timestamps, columns.values, range)
      return
    }
    for index in newValues.indices where !StaleMarker.matches(newValues[index]) {
      times.append(newTimes[index])
      values.append(newValues[index])
    }
  }

  /// Looks where numbers fall: once for all windows, which overlap.
  mutating func findFalls() { falls = Self.falls(of: values.span, in: numbers) }

  private static func falls(of values: Span<Double>, in range: Range<Int>) -> [Int] {
    var count = 0
    for index in range.dropFirst() { count &+= values[index] < values[index - 1] ? 1 : 0 }
    return count == 0 ? [] : range.dropFirst().filter { values[$0] < values[$0 - 1] }
  }

  /// A counter's difference over some of the numbers with what it lost in resets among them added: the value right
  /// before each.
  func makingGood(_ difference: Double, in range: Range<Int>) -> Double {
    guard !falls.isEmpty else { return difference }
    var (low, high) = (0, falls.count)
    while low < high {
      let middle = (low + high) / 2
      if falls[middle] <= range.lowerBound { low = middle + 1 } else { high = middle }
    }
    var sum = difference
    while low < falls.count, falls[low] < range.upperBound {
      sum += values[falls[low] - 1]
      low += 1
    }
    return sum
  }

  /// The part within a window; nil if there is none.
  func slice(_ window: RangeWindow) -> RangeSamples? {
    var slider = RangeSlider()
    slider.slide(over: self, to: window)
    guard !slider.isEmpty else { return nil }
    return RangeSamples(
      times: Array(times[slider.numbers]), values: Array(values[slider.numbers]),
      histogramTimes: Array(histogramTimes[slider.histograms]),
      histograms: Array(histograms[slider.histograms]))
  }
}

/// The window of one step, in milliseconds: samples after `start` up to and including `end`.
struct RangeWindow: Sendable, Hashable {
  let start: Int64
  let end: Int64
}

/// Slides a window over a series.
///
/// Windows must not move backwards.
struct RangeSlider {
  private(set) var numbers = 0..<0
  private(set) var histograms = 0..<0

  var isEmpty: Bool { numbers.isEmpty && histograms.isEmpty }

  mutating func slide(over samples: borrowing RangeSamples, to window: RangeWindow) {
    numbers = Self.slide(numbers, samples.times, samples.numbers, window)
    histograms = Self.slide(histograms, samples.histogramTimes, samples.histogramTimes.indices, window)
  }

  /// Before the first window `range` lies ahead of the `bounds` of the series.
  private static func slide(
    _ range: Range<Int>, _ times: [Int64], _ bounds: Range<Int>, _ window: RangeWindow
  ) -> Range<Int> {
    let start = max(range.lowerBound, bounds.lowerBound)
    let end = first(after: window.end, in: times, from: max(start, range.upperBound), to: bounds.upperBound)
    return first(after: window.start, in: times, from: min(start, end), to: end)..<end
  }

  /// The first place within the bounds whose time is later.
  ///
  /// Doubles its steps and then halves them: O(log n) in how far the window moves, so that a window over all samples
  /// costs no look at each of them.
  private static func first(after time: Int64, in times: [Int64], from start: Int, to end: Int) -> Int {
    var (low, high) = (start, end)
    var step = 1
    var probe = start
    while probe < end, times[probe] <= time {
      low = probe + 1
      probe += step
      step &*= 2
    }
    high = min(high, probe)
    while low < high {
      let middle = (low + high) / 2
      if times[middle] <= time { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
