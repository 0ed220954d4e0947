import NeedletailQueryLanguage
import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

// MetricsQL's aggregations: those that make one number of a group at each step, and those that measure each series by its
// group. Histograms are left out.

extension Evaluation {
  /// The parameters of an aggregation behind its first one: numbers at each step, or texts.
  func others(of node: Aggregation, _ steps: Steps) async throws -> (numbers: [[Double]], texts: [String]) {
    var result: (numbers: [[Double]], texts: [String]) = ([], [])
    for other in node.others {
      if other.type == .scalar {
        result.numbers.append(try await scalar(other, steps))
      } else {
        result.texts.append(try string(other))
      }
    }
    return result
  }

  func metricsQL(
    _ node: Aggregation, _ grid: VectorGrid, _ groups: RowGroups, _ parameter: [Double], _ label: String,
    _ others: (numbers: [[Double]], texts: [String]), _ steps: Steps
  ) throws -> VectorGrid {
    switch node.operation {
    case .quantiles:
      guard !label.isEmpty else { throw QueryError.execution("invalid label name \"\(label)\"") }
      var result = VectorGrid(width: steps.count)
      for phi in others.numbers {
        let text = GoNumber.text(phi.first ?? .nan)
        try reserve(rows: result.count + groups.labels.count, steps)
        result.append(
          try perStep(grid, groups, steps, labels: { $0.setting(label, text) }) { $0.quantile(phi[$1]) })
      }
      try result.mergeEqualRows()
      return result
    case .median: return try perStep(grid, groups, steps) { window, _ in window.median }
    case .mode: return try perStep(grid, groups, steps) { window, _ in window.mode }
    case .distinct: return try perStep(grid, groups, steps) { window, _ in Double(window.distinctCount) }
    case .mad: return try perStep(grid, groups, steps) { window, _ in window.medianAbsoluteDeviation() }
    case .geomean, .sum2: return try sums(node.operation, grid, groups, steps)
    case .share, .zscore: return try measured(node.operation, grid, groups, steps)
    case .any:
      let members = groups.members.map { RowOrder.labels(grid.labels).sorted($0)[0] }
      return grid.selecting(members)
    case .outliersIQR, .outliersMAD: return try outliers(node.operation, grid, groups, parameter, steps)
    case .outliersk:
      let scores = try distances(grid, groups, steps)
      return try ranked(node, grid, groups, scores, parameter, others.texts.first, steps)
    default:
      let scores = scores(node.operation, grid)
      return try ranked(node, grid, groups, scores, parameter, others.texts.first, steps)
    }
  }

  // MARK: One number per group

  private func perStep(
    _ grid: VectorGrid, _ groups: RowGroups, _ steps: Steps, labels: (LabelSet) -> LabelSet = { $0 },
    _ value: (inout SortedWindow, Int) -> Double
  ) throws -> VectorGrid {
    var result = VectorGrid(width: steps.count)
    var numbers: [Double] = []
    var window = SortedWindow()
    for (group, members) in zip(groups.labels, groups.members) {
      let row = result.addRow(labels(group))
      for step in 0..<steps.count {
        numbers.removeAll(keepingCapacity: true)
        for member in members {
          if let number = grid.number(member, step) { numbers.append(number) }
        }
        guard !numbers.isEmpty else { continue }
        window.load(numbers)
        result.set(row, step, value(&window, step))
      }
      result.dropLastRowIfEmpty()
      try spend(0)
    }
    return result
  }

  /// Sums of logarithms or of squares, in the order of the series.
  private func sums(
    _ operation: AggregationOperation, _ grid: VectorGrid, _ groups: RowGroups, _ steps: Steps
  ) throws -> VectorGrid {
    var result = VectorGrid(width: steps.count)
    for (group, members) in zip(groups.labels, groups.members) {
      let row = result.addRow(group)
      for step in 0..<steps.count {
        var (sum, count) = (CompensatedSum(), 0.0)
        for member in members {
          guard let number = grid.number(member, step) else { continue }
          sum.add(operation == .sum2 ? number * number : log(number))
          count += 1
        }
        guard count > 0 else { continue }
        result.set(row, step, operation == .sum2 ? sum.result : exp(sum.result / count))
      }
      result.dropLastRowIfEmpty()
      try spend(0)
    }
    return result
  }

  // MARK: Each series by its group

  private func measured(
    _ operation: AggregationOperation, _ grid: VectorGrid, _ groups: RowGroups, _ steps: Steps
  ) throws -> VectorGrid {
    var result = grid
    result.mapNumbers { $0 }
    for members in groups.members {
      for step in 0..<steps.count {
        // A share of something less than nothing is none.
        let present = members.filter { member in
          guard let number = grid.number(member, step) else { return false }
          return operation == .zscore || number >= 0
        }
        for member in members where grid.isPresent(member, step) { result.clear(member, step) }
        var sum = CompensatedSum()
        for member in present { sum.add(grid.number(member, step) ?? 0) }
        let mean = sum.result / Double(present.count)
        var squares = CompensatedSum()
        for member in present {
          let distance = (grid.number(member, step) ?? 0) - mean
          squares.add(distance * distance)
        }
        let deviation = (squares.result / Double(present.count)).squareRoot()
        for member in present {
          let number = grid.number(member, step) ?? 0
          result.set(
            member, step, operation == .share ? number / sum.result : StepRow.zscore(number, mean, deviation))
        }
      }
      try spend(0)
    }
    result = result.selecting(rowsWithValues(result))
    // A share of a metric is no value of it.
    try result.relabel { $0.withoutName }
    return result
  }

  private func rowsWithValues(_ grid: VectorGrid) -> [Int] {
    (0..<grid.count).filter { row in (0..<grid.width).contains { grid.isPresent(row, $0) } }
  }
}
