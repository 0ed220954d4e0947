import NeedletailTelemetry

// The samples of one series as range functions see them: sorted, without stale markers, numbers and histograms apart.

/// One series' samples.
struct RangeSamples {
  /// The indexes of numbers before which the counter was reset, ascending; see `findFalls`.
  private var falls: [Int] = []
  /// The indexes of numbers that count over a part of what the one before counts over, ascending.
  private var overlaps: [Int] = []
  /// When the counts of the numbers, and of the histograms, began; empty where none of them has a start.
  private var numberStarts: [Int64] = []
  private(set) var histogramStarts: [Int64] = []
  /// The indexes of numbers before which samples are left out, ascending, and how many are up to each.
  private var omissions: [(index: Int, total: Int)] = []
  /// Whether any of the samples may have a start.
  private(set) var hasStarts = false
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
    omissions.removeAll(keepingCapacity: true)
    dropStarts()
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
  mutating func load(_ columns: SeriesColumns, series: Int, cursor: inout Int, _ rule: ResetHintRule? = nil) {
    removeAll()
    let range = columns.offsets[series]..<columns.offsets[series + 1]
    let starts = columns.starts.isEmpty ? [] : columns.starts.starts(of: range)
    hasStarts = !starts.isEmpty
    guard cursor < columns.histogramIndexes.count, columns.histogramIndexes[cursor] < range.upperBound else {
      return loadNumbers(columns, range, starts)
    }
    var previous: NativeHistogram?
    for index in range {
      if cursor < columns.histogramIndexes.count, columns.histogramIndexes[cursor] == index {
        var histogram = columns.histograms[cursor]
        if let rule {
          let before = previous
          previous = histogram
          if let before { histogram.resetHint = rule.hint(of: histogram, after: before) }
        }
        if !histogram.isStale {
          histogramTimes.append(columns.timestamps[index])
          histograms.append(histogram)
          if !starts.isEmpty { histogramStarts.append(starts[index - range.lowerBound]) }
        }
        cursor += 1
        continue
      }
      previous = nil
      if !StaleMarker.matches(columns.values[index]) {
        times.append(columns.timestamps[index])
        values.append(columns.values[index])
        if !starts.isEmpty { numberStarts.append(starts[index - range.lowerBound]) }
      }
    }
  }

  /// The samples of a series that has no histograms.
  private mutating func loadNumbers(_ columns: SeriesColumns, _ range: Range<Int>, _ starts: [Int64]) {
    let newTimes = columns.timestamps.span.extracting(range)
    let newValues = columns.values.span.extracting(range)
    var hasStale = false
    for index in newValues.indices { hasStale = hasStale || StaleMarker.matches(newValues[index]) }
    var omitted = columns.omissions.isEmpty ? [] : columns.omissions(in: range)
    guard hasStale else {
      (times, values, borrowed) = (columns.timestamps, columns.values, range)
      numberStarts = starts
      for omission in omitted { omit(omission.count, before: omission.index) }
      return
    }
    omitted.reverse()
    for index in newValues.indices where !StaleMarker.matches(newValues[index]) {
      if let next = omitted.last, next.index == range.lowerBound + index {
        omit(next.count, before: times.count)
        omitted.removeLast()
      }
      times.append(newTimes[index])
      values.append(newValues[index])
      if !starts.isEmpty { numberStarts.append(starts[index]) }
    }
  }

  private mutating func omit(_ count: Int, before index: Int) {
    omissions.append((index, (omissions.last?.total ?? 0) + count))
  }

  /// How many samples some of the numbers are, with those for which they stand.
  func count(in range: Range<Int>) -> Int {
    guard !omissions.isEmpty else { return range.count }
    // What is left out before the first of them lies between it and one that is not among them.
    func total(through index: Int) -> Int {
      var (low, high) = (0, omissions.count)
      while low < high {
        let middle = (low + high) / 2
        if omissions[middle].index <= index { low = middle + 1 } else { high = middle }
      }
      return low == 0 ? 0 : omissions[low - 1].total
    }
    return range.count + total(through: range.upperBound - 1) - total(through: range.lowerBound)
  }

  /// Looks where numbers fall, or begin anew by their starts: once for all windows, which overlap.
  mutating func findFalls(usingStarts: Bool) {
    falls = Self.falls(of: values.span, in: numbers)
    if usingStarts, !numberStarts.isEmpty { findStarts() }
  }

  private static func falls(of values: Span<Double>, in range: Range<Int>) -> [Int] {
    var count = 0
    for index in range.dropFirst() { count &+= values[index] < values[index - 1] ? 1 : 0 }
    return count == 0 ? [] : range.dropFirst().filter { values[$0] < values[$0 - 1] }
  }

  /// A counter's difference over some of the numbers with what it lost in resets among them added: the value right
  /// before each.
  func makingGood(_ difference: Double, in range: Range<Int>) -> Double {
    guard !falls.isEmpty else { return difference }
    var low = Self.first(of: falls, after: range.lowerBound)
    var sum = difference
    while low < falls.count, falls[low] < range.upperBound {
      sum += values[falls[low] - 1]
      low += 1
    }
    return sum
  }

  /// The first place of ascending indexes that is after one of them.
  private static func first(of indexes: [Int], after bound: Int) -> Int {
    var (low, high) = (0, indexes.count)
    while low < high {
      let middle = (low + high) / 2
      if indexes[middle] <= bound { low = middle + 1 } else { high = middle }
    }
    return low
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

// MARK: - Starts

extension RangeSamples {
  /// Forgets the starts.
  mutating func dropStarts() {
    guard hasStarts else { return }
    (overlaps, numberStarts, histogramStarts) = ([], [], [])
    hasStarts = false
  }

  /// When the count of a number began, in ms; 0 where nobody told.
  func start(ofNumber index: Int) -> Int64 {
    numberStarts.isEmpty ? 0 : numberStarts[index - numbers.lowerBound]
  }

  /// When the count of a histogram began, in ms; 0 where nobody told.
  func start(ofHistogram index: Int) -> Int64 { histogramStarts.isEmpty ? 0 : histogramStarts[index] }

  /// Whether the count began anew between a number, not the first, and the one before it, as their starts tell.
  func beginsAnew(atNumber index: Int) -> Bool {
    hasStarts && !numberStarts.isEmpty
      && CountStart.isReset(
        previousStart: start(ofNumber: index - 1), previousTime: times[index - 1], start: start(ofNumber: index),
        time: times[index])
  }

  /// The same of a histogram.
  func beginsAnew(atHistogram index: Int) -> Bool {
    hasStarts && !histogramStarts.isEmpty
      && CountStart.isReset(
        previousStart: histogramStarts[index - 1], previousTime: histogramTimes[index - 1],
        start: histogramStarts[index], time: histogramTimes[index])
  }

  /// Adds what the starts of the numbers tell to where they fall.
  private mutating func findStarts() {
    var found: [Int] = []
    for index in numbers.dropFirst() {
      if values[index] < values[index - 1] || beginsAnew(atNumber: index) { found.append(index) }
      let overlaps = CountStart.overlaps(
        previousStart: start(ofNumber: index - 1), previousTime: times[index - 1], start: start(ofNumber: index))
      if overlaps { self.overlaps.append(index) }
    }
    falls = found
  }

  /// How often the counter was reset among some of the numbers.
  func fallCount(in range: Range<Int>) -> Int {
    Self.first(of: falls, after: range.upperBound - 1) - Self.first(of: falls, after: range.lowerBound)
  }

  /// Whether any of some numbers counts over a part of what the one before it, which is among them, counts over.
  func hasOverlap(amongNumbers range: Range<Int>) -> Bool {
    let next = Self.first(of: overlaps, after: range.lowerBound)
    return next < overlaps.count && overlaps[next] < range.upperBound
  }

  /// The same of histograms.
  func hasOverlap(amongHistograms range: Range<Int>) -> Bool {
    guard !histogramStarts.isEmpty else { return false }
    return range.dropFirst().contains { index in
      CountStart.overlaps(
        previousStart: histogramStarts[index - 1], previousTime: histogramTimes[index - 1],
        start: histogramStarts[index])
    }
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
