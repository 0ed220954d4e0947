import NeedletailQueryLanguage
import NeedletailTelemetry

// Shapes what was evaluated into the value that is handed out.

extension Evaluation {
  /// The value at the one step of an instant query.
  func instantResult(of expression: Expression) async throws -> QueryValue {
    switch expression.type {
    case .scalar: return .scalar(try await scalar(expression, steps)[0], time: steps.start)
    case .string: return .string(try string(expression), time: steps.start)
    case .vector: return .vector(try columns(try await finishedVector(expression, steps)))
    case .range: return .matrix(try await matrix(expression))
    case .events: return try await events(expression)
    }
  }

  /// The values at all steps of a range query.
  func rangeResult(of expression: Expression) async throws -> QueryValue {
    switch expression.type {
    case .scalar:
      let values = try await scalar(expression, steps)
      var result = SeriesColumns()
      for step in 0..<steps.count { result.append(timestamp: steps.time(step), value: values[step]) }
      result.finishSeries(.empty)
      return .matrix(result)
    case .vector:
      let grid = try await cachedVector(expression)
      let order = RowOrder.labels(grid.labels).sorted(Array(0..<grid.count))
      return .matrix(try columns(grid, rows: order))
    case .events: return try await events(expression)
    case .string, .range:
      throw QueryError(
        .badData,
        "invalid expression type \"\(expression.type.rawValue)\" for range query, must be Scalar or instant Vector")
    }
  }

  private func columns(_ grid: VectorGrid, rows: [Int]? = nil) throws -> SeriesColumns {
    let began = now
    defer { statistics.answerNanoseconds += now - began }
    var result = SeriesColumns()
    for row in rows ?? Array(0..<grid.count) {
      let before = result.timestamps.count
      for step in 0..<grid.width {
        switch grid.cell(row, step) {
        case .absent: continue
        case .number(let value): result.append(timestamp: steps.time(step), value: value)
        case .histogram(let histogram): result.append(timestamp: steps.time(step), histogram: histogram)
        }
      }
      guard result.timestamps.count > before else { continue }
      guard result.timestamps.count <= engine.limits.resultSamples else {
        throw QueryError.execution("the answer holds more than \(engine.limits.resultSamples) values")
      }
      result.finishSeries(grid.labels[row])
    }
    return result
  }

  /// The samples themselves that a range selector or subquery finds at the one step of an instant query.
  private func matrix(_ expression: Expression) async throws -> SeriesColumns {
    var labels: [LabelSet] = []
    var found: [RangeSamples] = []
    var lostNames = false
    let reader = try await ranges(expression, steps, hints: SelectionHints(takesHistogramBefore: true))
    reader.hintRule = hintRule
    while try await reader.advance() {
      guard let window = reader.windows.first else { break }
      var samples = RangeSamples()
      while let next = try reader.next(&samples) {
        let slice: RangeSamples?
        if let rule = expression.edgeRule {
          slice = try samples.slice(window, rule, lookback: options.lookback)
        } else {
          slice = samples.slice(window)
        }
        guard let slice else { continue }
        if counts(steps) { slice.count([window], into: &statistics) }
        labels.append(reader.losesName ? next.withoutName : next)
        if reader.losesName { lostNames = true }
        found.append(slice)
      }
    }
    guard !lostNames || Set(labels).count == labels.count else {
      throw QueryError.execution("vector cannot contain metrics with the same labelset")
    }
    return matrix(found, labels)
  }

  /// Series in the order of their labels, numbers and histograms in the order of time.
  private func matrix(_ found: [RangeSamples], _ labels: [LabelSet]) -> SeriesColumns {
    var result = SeriesColumns()
    for series in RowOrder.labels(labels).sorted(Array(found.indices)) {
      let samples = found[series]
      var number = 0
      var histogram = 0
      while number < samples.times.count || histogram < samples.histogramTimes.count {
        let takesNumber =
          histogram >= samples.histogramTimes.count
          || (number < samples.times.count && samples.times[number] < samples.histogramTimes[histogram])
        if takesNumber {
          result.append(timestamp: samples.times[number], value: samples.values[number])
          number += 1
        } else {
          result.append(timestamp: samples.histogramTimes[histogram], histogram: samples.histograms[histogram])
          histogram += 1
        }
      }
      result.finishSeries(labels[series])
    }
    return result
  }
}
