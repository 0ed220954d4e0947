import NeedletailQueryLanguage
import NeedletailTelemetry

// Instant selectors that are `smoothed`: a step's value lies on the straight line between the samples around it. Stale
// markers are left out, as in ranges.

extension Evaluation {
  /// What may have to be said of a series.
  private struct Remarks {
    var isMixed = false
    var hasTwoKindsOfBuckets = false
    var reconciledBounds = false
  }

  /// For each step the value between the samples on either side, as far as the lookback reaches; where none follows, the
  /// one before.
  func smoothedSelector(
    _ selector: VectorSelector, span: SourceSpan, _ steps: Steps, hints: SelectionHints
  ) async throws -> VectorGrid {
    let times = referenceTimes(selector.shift, steps)
    guard let first = times.first, let last = times.last else { return VectorGrid(width: steps.count) }
    let lookback = options.lookback
    var hints = hints
    hints.range = 2 * lookback
    hints.step = steps.count > 1 ? steps.interval : 0
    let cursor = try await select(
      selector, span: span, from: first - lookback + 1, to: last + lookback, hints: hints)
    return try await inShares(of: cursor, width: times.count) { evaluation, cursor, tally, portion in
      let reader = RangeReader(evaluation, windows: [], cursor: cursor, tally: tally)
      while try await reader.advance() {
        var samples = RangeSamples()
        while let labels = try reader.next(&samples) {
          try tally.reserve(rows: 1, steps)
          let row = portion.grid.addRow(labels)
          try evaluation.smooth(samples, at: times, span, into: &portion.grid)
          portion.grid.dropLastRowIfEmpty()
          if portion.grid.count == row { tally.giveBack(rows: 1, steps) }
          try evaluation.spend(0)
        }
      }
    }.grid
  }

  /// Sets the cells of the last row.
  private func smooth(
    _ samples: borrowing RangeSamples, at times: [Int64], _ span: SourceSpan, into grid: inout VectorGrid
  ) throws {
    let row = grid.count - 1
    var before = RangeSlider()
    var around = RangeSlider()
    var remarks = Remarks()
    for step in times.indices {
      if step & 4095 == 4095 { try spend(0) }
      let (time, lookback) = (times[step], options.lookback)
      before.slide(over: samples, to: RangeWindow(start: time - lookback, end: time - 1))
      around.slide(over: samples, to: RangeWindow(start: time - lookback, end: time + lookback))
      guard around.histograms.isEmpty || around.numbers.isEmpty else {
        remarks.isMixed = true
        continue
      }
      let number = Self.number(
        samples.times, samples.values, before: before.numbers, around: around.numbers, at: time)
      if let number {
        grid.set(row, step, number)
      } else if !around.histograms.isEmpty {
        let histogram = Self.histogram(
          samples.histogramTimes, samples.histograms, before: before.histograms, around: around.histograms, at: time,
          &remarks)
        if let histogram { grid.set(row, step, histogram) }
      }
    }
    report(remarks, grid.labels[row].metricName ?? "", at: span)
  }

  private static func number(
    _ times: [Int64], _ values: [Double], before: Range<Int>, around: Range<Int>, at time: Int64
  ) -> Double? {
    let next = before.upperBound
    let hasNext = next < around.upperBound
    if hasNext, times[next] == time { return values[next] }
    guard let previous = before.last else { return nil }
    guard hasNext else { return values[previous] }
    let share = Double(time - times[previous]) / Double(times[next] - times[previous])
    return RangeEdges.interpolate(values[previous], values[next], share: share, isCounter: false)
  }

  private static func histogram(
    _ times: [Int64], _ values: [NativeHistogram], before: Range<Int>, around: Range<Int>, at time: Int64,
    _ remarks: inout Remarks
  ) -> NativeHistogram? {
    let next = before.upperBound
    let hasNext = next < around.upperBound
    if hasNext, times[next] == time { return values[next] }
    guard let previous = before.last else { return nil }
    guard hasNext else {
      var value = values[previous]
      // The hint is about a sample and the one before it, and a step is neither.
      if value.resetHint != .gauge { value.resetHint = .unknown }
      return value
    }
    let share = Double(time - times[previous]) / Double(times[next] - times[previous])
    let isCounter = values[previous].resetHint != .gauge || values[next].resetHint != .gauge
    guard let found = values[previous].interpolated(to: values[next], share: share, isCounter: isCounter) else {
      remarks.hasTwoKindsOfBuckets = true
      return nil
    }
    if found.reconciledBounds { remarks.reconciledBounds = true }
    return found.histogram
  }

  private func report(_ remarks: Remarks, _ name: String, at span: SourceSpan) {
    let metric = " for metric name \"\(name)\""
    if remarks.isMixed { warn("encountered a mix of histograms and floats" + metric, at: span) }
    if remarks.hasTwoKindsOfBuckets {
      warn("vector contains a mix of histograms with exponential and custom buckets schemas" + metric, at: span)
    }
    if remarks.reconciledBounds {
      inform("mismatched custom buckets were reconciled during addition", at: span)
    }
  }
}
