import NeedletailTelemetry

/// Puts a chunk together in which each series is told as what is smaller: its samples, or what was made of it.
///
/// What a series takes is known to some bytes beforehand, so that neither form is written for nothing. Series of which
/// samples were left out, because others stand for them, cannot be told as samples.
struct DerivedColumns {
  /// What a number takes beside its time, and what the samples of a series take beside those; as `SeriesMessageWriter` of
  /// the node writes them.
  private static let numberBytes = 8
  private static let samplesBytes = 9
  /// What a run of steps that have a value takes, and a histogram beside its own bytes.
  private static let runBytes = 5
  private static let histogramBytes = 4

  private let chunk: SeriesColumns
  private var result = SeriesColumns()
  /// The chunk's next series, and its next histogram.
  private var next = 0
  private var histogram = 0

  /// Nothing of a chunk yet.
  init(of chunk: SeriesColumns) { self.chunk = chunk }

  /// Whether what is made of a series may be smaller, where that has a value at about so many steps.
  func mayPay(_ series: Int, valueCount: Int) -> Bool {
    let samples = chunk.offsets[series]..<chunk.offsets[series + 1]
    if hasOmissions(samples) || valueCount <= samples.count { return true }
    return chunk.histogramIndexes.isEmpty && valueCount * Self.numberBytes <= numbersBytes(samples)
  }

  /// Adds a series, and those before it that were not added as samples: as what a grid's one row has of it, or as
  /// samples.
  mutating func add(
    _ series: Int, _ grid: borrowing VectorGrid, remarks: [RangeKernel.Remark] = [], sawNumbers: Bool = false
  ) {
    copy(before: series)
    let samples = chunk.offsets[series]..<chunk.offsets[series + 1]
    let omitted = chunk.omissions.isEmpty ? 0 : chunk.omissions(in: samples).reduce(0) { $0 + $1.count }
    let derived = DerivedSeries(
      result.count, samplesRead: samples.count, remarks: remarks, sawNumbers: sawNumbers)
    let histograms = histograms(of: samples)
    guard omitted > 0 || bytes(grid) + derived.byteCount <= bytes(samples, histograms) else {
      return copy(before: series + 1)
    }
    result.starts.append(0, from: result.timestamps.count)
    for step in 0..<grid.width {
      switch grid.cell(0, step) {
      case .absent: continue
      case .number(let value): result.append(timestamp: Int64(step), value: value)
      case .histogram(let value): result.append(timestamp: Int64(step), histogram: value)
      }
    }
    finish(derived, series, histograms)
  }

  /// All that was added, and what is left as samples.
  mutating func take() -> SeriesColumns {
    copy(before: chunk.count)
    return result
  }

  private mutating func finish(_ derived: DerivedSeries, _ series: Int, _ histograms: Range<Int>) {
    result.derived.append(derived)
    result.finishSeries(chunk.labels[series])
    (next, histogram) = (series + 1, histograms.upperBound)
  }

  private mutating func copy(before end: Int) {
    while next < end {
      let samples = chunk.offsets[next]..<chunk.offsets[next + 1]
      let histograms = histograms(of: samples)
      if hasOmissions(samples) {
        // Nothing but stale markers and what stands for others: no value at all.
        finish(DerivedSeries(result.count, samplesRead: samples.count), next, histograms)
      } else {
        result.append(next, of: chunk, histograms: histograms)
        (next, histogram) = (next + 1, histograms.upperBound)
      }
    }
  }

  private func hasOmissions(_ samples: Range<Int>) -> Bool {
    !chunk.omissions.isEmpty && !chunk.omissions(in: samples).isEmpty
  }

  /// The histograms of the next series.
  private func histograms(of samples: Range<Int>) -> Range<Int> {
    var end = histogram
    while end < chunk.histogramIndexes.count, chunk.histogramIndexes[end] < samples.upperBound { end += 1 }
    return histogram..<end
  }

  // MARK: - Bytes

  /// What samples take that are all numbers, about.
  private func numbersBytes(_ samples: Range<Int>) -> Int {
    guard let first = samples.first, let last = samples.last, first < last else {
      return Self.samplesBytes + samples.count * Self.numberBytes
    }
    let (length, overflow) = chunk.timestamps[last].subtractingReportingOverflow(chunk.timestamps[first])
    let between = overflow ? .max : length / Int64(last - first)
    // A varint of the zigzag form: seven bits a byte.
    let timeBytes = (1 + max(1, Int64.bitWidth - between.leadingZeroBitCount) + 6) / 7
    return Self.samplesBytes + samples.count * Self.numberBytes + (samples.count - 1) * timeBytes
  }

  private func bytes(_ samples: Range<Int>, _ histograms: Range<Int>) -> Int {
    guard !histograms.isEmpty else { return numbersBytes(samples) }
    let numbers = samples.count - histograms.count
    return Self.samplesBytes + numbers * (Self.numberBytes + 1)
      + chunk.histograms[histograms].reduce(0) { $0 + $1.encodedByteCount + Self.histogramBytes }
  }

  /// What the values of a grid's one row take.
  private func bytes(_ grid: borrowing VectorGrid) -> Int {
    var (sum, isInRun) = (0, false)
    for step in 0..<grid.width {
      let isNumber = grid.marks[step] == VectorGrid.number
      if isNumber { sum += isInRun ? Self.numberBytes : Self.numberBytes + Self.runBytes }
      isInRun = isNumber
    }
    for histogram in grid.histograms { sum += histogram.encodedByteCount + Self.histogramBytes }
    return sum
  }
}

extension NativeHistogram {
  /// The bytes that it is written as.
  fileprivate var encodedByteCount: Int {
    var writer = ByteWriter()
    encode(to: &writer)
    return writer.count
  }
}

extension VectorGrid {
  /// Forgets its rows, and begins one.
  mutating func beginRow() {
    removeAllRows()
    addRow(.empty)
  }
}

extension Steps {
  /// How many of them may see some of a chunk's samples, each through a window; windows do not move backwards.
  ///
  /// O(log n).
  func count(seeing samples: Range<Int>, of chunk: SeriesColumns, _ window: (Int) -> RangeWindow) -> Int {
    guard let first = samples.first, let last = samples.last else { return 0 }
    return max(
      0,
      firstIndex { window($0).start >= chunk.timestamps[last] }
        - firstIndex { window($0).end >= chunk.timestamps[first] })
  }

  /// The first step of which something holds that then holds of all that follow; how many there are where it never does.
  private func firstIndex(where holds: (Int) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if holds(middle) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
