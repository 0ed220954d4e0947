import NeedletailQueryLanguage
import NeedletailTelemetry

// A range is read chunk by chunk, waiting, and a chunk series by series, without waiting. The readers of a range are
// loops over this rather than closures handed to it: asynchronous code is long, and would be compiled for each closure.

/// The series that a range expression finds.
final class RangeReader {
  /// The window of each step.
  let windows: [RangeWindow]
  private let evaluation: Evaluation
  /// Where series come from, until it has ended; nil for a subquery.
  private(set) var cursor: (any SeriesCursor)?
  /// What histograms are told of resets before them; nothing where nobody asks.
  var hintRule: ResetHintRule?
  private let tally: SelectionTally
  private(set) var chunk = SeriesColumns()
  /// What a subquery gave, and the times of its steps.
  private var grid: VectorGrid?
  private let gridSteps: Steps
  /// Whether what `next` gave last loses the metric's name at the end of the query.
  private(set) var losesName = false
  /// The next series of the chunk or row of the grid, and the chunk's next histogram.
  private var position = 0
  private var histogram = 0
  /// What `next` gave last where the source worked it out: it has no samples then.
  private(set) var derived: DerivedSeries?

  /// Reads what a selector found, or a share of it, in which case all shares count together.
  init(
    _ evaluation: Evaluation, windows: [RangeWindow], cursor: (any SeriesCursor)?, tally: SelectionTally? = nil
  ) {
    self.evaluation = evaluation
    self.tally = tally ?? evaluation.tally()
    self.windows = windows
    self.cursor = cursor
    gridSteps = evaluation.steps
  }

  /// Reads what a subquery gave at its steps.
  init(_ evaluation: Evaluation, windows: [RangeWindow], grid: VectorGrid, steps: Steps) {
    self.evaluation = evaluation
    tally = evaluation.tally()
    self.windows = windows
    self.grid = grid
    gridSteps = steps
  }

  /// Which of the chunk's series `next` gave last.
  var series: Int { position - 1 }

  /// Waits for the next series; false after the last.
  func advance() async throws -> Bool {
    if let grid { return position < grid.count }
    guard let cursor else { return false }
    position = 0
    histogram = 0
    guard let next = try await evaluation.nextChunk(cursor, tally) else {
      self.cursor = nil
      return false
    }
    chunk = next
    return true
  }

  /// The labels of the next series that has samples, which replace what is in `samples`, or of which more is known
  /// (`derived`); nil when it is time to `advance`.
  func next(_ samples: inout RangeSamples) throws -> LabelSet? {
    guard let grid else {
      // Local, as the loop over the samples would otherwise look at this object for each of them.
      let chunk = chunk
      var histogram = histogram
      defer { self.histogram = histogram }
      while position < chunk.count {
        let series = position
        position += 1
        derived = chunk.derivation(of: series)
        guard derived == nil else {
          samples.removeAll()
          return chunk.labels[series]
        }
        samples.load(chunk, series: series, cursor: &histogram, hintRule)
        if !samples.isEmpty { return chunk.labels[series] }
      }
      return nil
    }
    while position < grid.count {
      let row = position
      position += 1
      samples.load(grid, row: row, gridSteps)
      try evaluation.spend(0)
      losesName = grid.losesName[row]
      if !samples.isEmpty { return grid.labels[row] }
    }
    return nil
  }
}

extension RangeReader {
  /// Takes over what the source worked out of the series that `next` gave last as the cells of a row.
  func takeDerived(_ row: Int, _ grid: inout VectorGrid) {
    grid.set(row, derived: series, of: chunk, &histogram)
  }
}

extension RangeSamples {
  /// Takes over a row of a subquery's grid.
  fileprivate mutating func load(_ grid: VectorGrid, row: Int, _ steps: Steps) {
    removeAll()
    for step in 0..<steps.count {
      if let value = grid.number(row, step) {
        times.append(steps.time(step))
        values.append(value)
      } else if var value = grid.histogram(row, step) {
        // A subquery may see a sample twice or not at all, so what the sample says of resets no longer holds.
        if value.resetHint != .gauge { value.resetHint = .unknown }
        histogramTimes.append(steps.time(step))
        histograms.append(value)
      }
    }
  }
}
