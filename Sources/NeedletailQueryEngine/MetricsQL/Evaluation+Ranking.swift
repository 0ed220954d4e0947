import NeedletailQueryLanguage
import NeedletailTelemetry

// MetricsQL's aggregations that pick series by all steps of a query: `topk_avg` and its kin, and outliers.

extension Evaluation {
  /// One number for each series over all steps, NaN where it has none.
  func scores(_ operation: AggregationOperation, _ grid: VectorGrid) -> [Double] {
    var window = SortedWindow()
    return (0..<grid.count).map { row in
      let numbers = (0..<grid.width).compactMap { grid.number(row, $0) }.filter { !$0.isNaN }
      guard let last = numbers.last else { return .nan }
      switch operation {
      case .topkLast, .bottomkLast: return last
      case .topkMax, .bottomkMax: return numbers.reduce(-.infinity, max)
      case .topkMin, .bottomkMin: return numbers.reduce(.infinity, min)
      case .topkMedian, .bottomkMedian:
        window.load(numbers)
        return window.median
      default:
        var sum = CompensatedSum()
        for number in numbers { sum.add(number) }
        return sum.result / Double(numbers.count)
      }
    }
  }

  /// For each series how far it lies from the median of its group: the sum of the squares over all steps.
  func distances(_ grid: VectorGrid, _ groups: RowGroups, _ steps: Steps) throws -> [Double] {
    var sums = [CompensatedSum](repeating: CompensatedSum(), count: grid.count)
    var window = SortedWindow()
    for members in groups.members {
      for step in 0..<steps.count {
        let present = members.filter { grid.number($0, step)?.isNaN == false }
        window.load(present.compactMap { grid.number($0, step) })
        let median = window.median
        for member in present {
          let distance = (grid.number(member, step) ?? median) - median
          sums[member].add(distance * distance)
        }
      }
      try spend(0)
    }
    return sums.map(\.result)
  }

  /// The first few series of each group by their numbers, and what the others come to where that is wanted.
  func ranked(
    _ node: Aggregation, _ grid: VectorGrid, _ groups: RowGroups, _ scores: [Double], _ parameter: [Double],
    _ rest: String?, _ steps: Steps
  ) throws -> VectorGrid {
    let ascends = node.operation.rawValue.hasPrefix("bottomk")
    let order = RowOrder.numbers(ascends ? scores : scores.map { -$0 })
    var kept = grid
    var result: [Int] = []
    var remainders = VectorGrid(width: steps.count)
    for (group, members) in zip(groups.labels, groups.members) {
      let sorted = order.sorted(RowOrder.labels(grid.labels).sorted(members))
      let remainder = rest.map { remainders.addRow(Self.remainderLabels(group, $0)) }
      for step in 0..<steps.count {
        let count = Self.count(parameter[step])
        var sum = CompensatedSum()
        var isEmpty = true
        for row in sorted.dropFirst(count) {
          if let number = grid.number(row, step) {
            sum.add(number)
            isEmpty = false
          }
          kept.clear(row, step)
        }
        if let remainder, !isEmpty { remainders.set(remainder, step, sum.result) }
      }
      if remainder != nil { remainders.dropLastRowIfEmpty() }
      result += sorted.filter { row in (0..<steps.count).contains { kept.isPresent(row, $0) } }
      try spend(0)
    }
    var picked = kept.selecting(result)
    picked.append(remainders)
    try picked.mergeEqualRows()
    picked.isOrdered = isInstant
    return picked
  }

  /// `other`, or `other=value`, beside the labels of the group.
  private static func remainderLabels(_ group: LabelSet, _ text: String) -> LabelSet {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let name = parts.first ?? ""
    return group.setting(name, parts.count > 1 ? parts[1] : name)
  }

  /// The series that lie too far out at any step.
  func outliers(
    _ operation: AggregationOperation, _ grid: VectorGrid, _ groups: RowGroups, _ parameter: [Double], _ steps: Steps
  ) throws -> VectorGrid {
    var isOutlier = [Bool](repeating: false, count: grid.count)
    var window = SortedWindow()
    for members in groups.members {
      for step in 0..<steps.count {
        let present = members.filter { grid.number($0, step)?.isNaN == false }
        guard !present.isEmpty else { continue }
        window.load(present.compactMap { grid.number($0, step) })
        var bounds = window.fences
        if operation == .outliersMAD {
          let median = window.median
          let margin = parameter[step] * window.medianAbsoluteDeviation()
          // Neither holds of NaN, which infinite numbers come to.
          bounds = median - margin <= median + margin ? (median - margin)...(median + margin) : nil
        }
        guard let bounds else { continue }
        for member in present where !bounds.contains(grid.number(member, step) ?? bounds.lowerBound) {
          isOutlier[member] = true
        }
      }
      try spend(0)
    }
    return grid.selecting((0..<grid.count).filter { isOutlier[$0] })
  }

  /// As many series as an aggregation's `limit` allows: the first by their labels, or by the order that they have.
  func limited(_ grid: VectorGrid, _ node: Aggregation) -> VectorGrid {
    guard let limit = node.limit, limit < grid.count else { return grid }
    let order = grid.isOrdered ? Array(0..<grid.count) : RowOrder.labels(grid.labels).sorted(Array(0..<grid.count))
    return grid.selecting(Array(order.prefix(limit)))
  }
}
