import NeedletailTelemetry

// The samples of one series as range functions see them: sorted, without stale markers, numbers and histograms apart.

/// One series' samples.
struct RangeSamples {
  var times: [Int64] = []
  var values: [Double] = []
  var histogramTimes: [Int64] = []
  var histograms: [NativeHistogram] = []

  var isEmpty: Bool { times.isEmpty && histogramTimes.isEmpty }

  mutating func removeAll() {
    times.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
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
    times.reserveCapacity(range.count)
    values.reserveCapacity(range.count)
    let newTimes = columns.timestamps.span.extracting(range)
    let newValues = columns.values.span.extracting(range)
    for index in newValues.indices where !StaleMarker.matches(newValues[index]) {
      times.append(newTimes[index])
      values.append(newValues[index])
    }
  }

  /// The part that a slider stands on.
  func slice(_ slider: RangeSlider) -> RangeSamples {
    RangeSamples(
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
    numbers = Self.slide(numbers, samples.times, window)
    histograms = Self.slide(histograms, samples.histogramTimes, window)
  }

  private static func slide(_ range: Range<Int>, _ times: [Int64], _ window: RangeWindow) -> Range<Int> {
    var end = range.upperBound
    while end < times.count, times[end] <= window.end { end += 1 }
    var start = range.lowerBound
    while start < end, times[start] <= window.start { start += 1 }
    return start..<end
  }
}
