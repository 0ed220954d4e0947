import NeedletailQueryLanguage
import NeedletailTelemetry

// Aggregations over series. Those that reduce a group to one value do so while series are read where they can
// (`Evaluation+Folding`); what is here has all rows before it. Those that pick series keep rows and clear cells.

extension Evaluation {
  /// Whether it `folds` makes no difference to what it yields.
  func aggregate(_ node: Aggregation, _ steps: Steps, folds: Bool = true) async throws -> VectorGrid {
    let hints = node.selectionHints
    var grid: VectorGrid
    if let events = try await eventGrid(node, steps) {
      grid = events
    } else if folds, let folded = try await folded(node, steps, hints) {
      return limited(folded, node)
    } else {
      grid = try await vector(node.expression, steps, hints: hints)
    }
    var parameter: [Double] = []
    var label = ""
    switch node.operation.parameter {
    case .scalar: parameter = try await node.parameter.asyncMap { try await scalar($0, steps) } ?? []
    case .string: label = try node.parameter.map { try string($0) } ?? ""
    default: break
    }
    let groups = RowGroups(of: grid, GroupingRule(node))
    if node.operation.isMetricsQL {
      let others = try await self.others(of: node, steps)
      var result = try metricsQL(node, grid, groups, parameter, label, others, steps)
      if engine.features.delaysNameRemoval, !node.operation.keepsLabels {
        result.loseNames(of: groups.labels(where: grid.losesName))
      }
      return limited(result, node)
    }
    return limited(try combined(node, &grid, groups, parameter, label, steps), node)
  }

  private func combined(
    _ node: Aggregation, _ grid: inout VectorGrid, _ groups: RowGroups, _ parameter: [Double], _ label: String,
    _ steps: Steps
  ) throws -> VectorGrid {
    var result: VectorGrid
    switch node.operation {
    case .topk, .bottomk, .limitk, .limitRatio:
      return try pick(node, &grid, groups, parameter, steps)
    case .countValues: return try countValues(grid, groups, label, node, steps)
    case .quantile: result = quantiles(grid, groups, parameter, node, steps)
    default: result = try reduce(node, grid, groups, steps)
    }
    // A group whose members differ in this loses the name as well.
    if engine.features.delaysNameRemoval { result.loseNames(of: groups.labels(where: grid.losesName)) }
    return result
  }

  /// The operand where it is a function over a range of events: its series then have, beside the labels of their
  /// streams, the fields of the events that the groups are made by.
  private func eventGrid(_ node: Aggregation, _ steps: Steps) async throws -> VectorGrid? {
    guard !node.grouping.isWithout, case .call(let call) = node.expression.withoutSigns.node,
      let argument = call.arguments.first(where: { $0.type == .range }), argument.isEventRange
    else { return nil }
    let grid = try await eventCall(call, argument, steps, fields: node.grouping.labels)
    try spend(grid.count * steps.count)
    return grid
  }

  // MARK: One value per group

  /// Group by group, so that there are only as many accumulators as steps.
  private func reduce(
    _ node: Aggregation, _ grid: VectorGrid, _ groups: RowGroups, _ steps: Steps
  ) throws -> VectorGrid {
    if let result = try reduceNumbers(node, grid, groups, steps) { return result }
    var result = VectorGrid(width: steps.count)
    var remarks = Accumulator.Remarks()
    let empty = Accumulator(node.operation)
    var accumulators = [Accumulator](repeating: empty, count: steps.count)
    for (labels, members) in zip(groups.labels, groups.members) {
      for step in accumulators.indices { accumulators[step] = empty }
      for row in members {
        for step in 0..<steps.count {
          if let value = grid.number(row, step) {
            accumulators[step].add(value)
          } else if let value = grid.histogram(row, step) {
            accumulators[step].add(value)
          }
        }
      }
      let row = result.addRow(labels)
      for step in 0..<steps.count {
        result.set(row, step, accumulators[step].result)
        remarks.formUnion(accumulators[step].remarks)
      }
      try spend(0)
    }
    report(remarks, node)
    return result
  }

  /// The same over numbers alone, where the operation is a simple one; nil where it is not, or a mean overflows.
  private func reduceNumbers(
    _ node: Aggregation, _ grid: VectorGrid, _ groups: RowGroups, _ steps: Steps
  ) throws -> VectorGrid? {
    guard grid.histograms.isEmpty, var reduction = NumberReduction(node.operation, width: steps.count) else {
      return nil
    }
    var result = VectorGrid(width: steps.count)
    for (labels, members) in zip(groups.labels, groups.members) {
      reduction.reset()
      for row in members { reduction.add(grid, row: row) }
      let row = result.addRow(labels)
      do throws(NumberReduction.Overflow) {
        for step in 0..<steps.count {
          if let value = try reduction.result(at: step) { result.set(row, step, value) }
        }
      } catch {
        return nil
      }
      try spend(0)
    }
    return result
  }

  func report(_ remarks: Accumulator.Remarks, _ node: Aggregation) {
    let span = node.expression.span
    if remarks.contains(.mixed) { warn("encountered a mix of histograms and floats for aggregation", at: span) }
    if remarks.contains(.mixedSchemas) {
      warn("vector contains a mix of histograms with exponential and custom buckets schemas", at: span)
    }
    if remarks.contains(.collidingHints) {
      warn("conflicting counter resets during histogram aggregation", at: span)
    }
    if remarks.contains(.reconciledBounds) {
      inform("mismatched custom buckets were reconciled during aggregation", at: span)
    }
    if remarks.contains(.ignoredHistogram) { ignoredHistogram(node) }
  }

  func ignoredHistogram(_ node: Aggregation) {
    inform("ignored histogram in \(node.operation.rawValue) aggregation", at: node.expression.span)
  }

  private func quantiles(
    _ grid: VectorGrid, _ groups: RowGroups, _ parameter: [Double], _ node: Aggregation, _ steps: Steps
  ) -> VectorGrid {
    if let bad = parameter.first(where: { $0.isNaN || $0 < 0 || $0 > 1 }) {
      warn(
        "quantile value should be between 0 and 1, got \(Printer.number(bad))",
        at: node.parameter?.span ?? node.expression.span)
    }
    var result = VectorGrid(width: steps.count)
    for (labels, members) in zip(groups.labels, groups.members) {
      let row = result.addRow(labels)
      for step in 0..<steps.count {
        let values = members.compactMap { grid.number($0, step) }
        if members.contains(where: { grid.histogram($0, step) != nil }) { ignoredHistogram(node) }
        if !values.isEmpty { result.set(row, step, RangeMath.quantile(parameter[step], values)) }
      }
      result.dropLastRowIfEmpty()
    }
    return result
  }

  private func countValues(
    _ grid: VectorGrid, _ groups: RowGroups, _ label: String, _ node: Aggregation, _ steps: Steps
  ) throws -> VectorGrid {
    guard !label.isEmpty else { throw QueryError.execution("invalid label name \"\(label)\"") }
    // The value is a label of each series before they are grouped.
    let isDropped = node.grouping.isWithout && node.grouping.labels.contains(label)
    var result = VectorGrid(width: steps.count)
    var rows: [LabelSet: Int] = [:]
    for row in 0..<grid.count {
      for step in 0..<steps.count {
        let text: String
        switch grid.cell(row, step) {
        case .absent: continue
        case .number(let value): text = GoNumber.text(value)
        case .histogram(let value): text = value.text
        }
        let group = groups.labels[groups.ofRow[row]]
        let labels = isDropped ? group : group.setting(label, text)
        let target: Int
        if let known = rows[labels] {
          target = known
        } else {
          try reserve(rows: result.count + 1, steps)
          target = result.addRow(labels)
          rows[labels] = target
        }
        result.set(target, step, (result.number(target, step) ?? 0) + 1)
      }
    }
    return result
  }

  // MARK: Some series of each group

  private func pick(
    _ node: Aggregation, _ grid: inout VectorGrid, _ groups: RowGroups, _ parameter: [Double], _ steps: Steps
  ) throws -> VectorGrid {
    var picked = Set<Int>()
    var order: [Int] = []
    let members = groups.members
    for step in 0..<steps.count {
      let limit = parameter[step]
      guard !limit.isNaN else {
        throw QueryError.execution("Parameter value is NaN for aggregation \(node.operation.rawValue)")
      }
      guard limit.magnitude < 9.2e18 || node.operation == .limitRatio else {
        throw QueryError.execution("Scalar value \(Printer.number(limit)) overflows int64")
      }
      for rows in members {
        let chosen = try choose(node, grid, rows, step, limit)
        let keep = Set(chosen)
        try spend(0)
        for row in rows where grid.isPresent(row, step) && !keep.contains(row) { grid.clear(row, step) }
        for row in chosen where picked.insert(row).inserted { order.append(row) }
      }
    }
    let isSorting = node.operation == .topk || node.operation == .bottomk
    var result = grid.selecting(isInstant && isSorting ? order : (0..<grid.count).filter(picked.contains))
    result.isOrdered = isInstant && isSorting
    return result
  }

  /// The rows that stay at a step, the best first.
  private func choose(
    _ node: Aggregation, _ grid: VectorGrid, _ rows: [Int], _ step: Int, _ limit: Double
  ) throws -> [Int] {
    let count = limit < 1 ? 0 : Int(min(limit, Double(rows.count)))
    switch node.operation {
    case .limitk:
      try expectOrder()
      return Array(rows.lazy.filter { grid.isPresent($0, step) }.prefix(count))
    case .limitRatio:
      if limit.magnitude > 1 {
        warn(
          "ratio value should be between -1 and 1, got \(Printer.number(limit)), capping to \(limit > 0 ? 1 : -1)",
          at: node.parameter?.span ?? node.expression.span)
      }
      return rows.filter { row in
        guard grid.isPresent(row, step) else { return false }
        let position = grid.labels[row].samplingPosition
        return limit >= 0 ? position < limit : position >= 1 + limit
      }
    default:
      var numbers: [Int] = []
      for row in rows {
        if grid.number(row, step) != nil {
          numbers.append(row)
        } else if grid.isPresent(row, step) {
          ignoredHistogram(node)
        }
      }
      guard count > 0 else { return [] }
      let order = RowOrder.numbers(of: grid, at: step, ascending: node.operation == .bottomk)
      let sorted = order.sorted(numbers)
      // Of equal ones those count that come first.
      if count < sorted.count, !order.precedes(sorted[count - 1], sorted[count]) { try expectOrder() }
      return Array(sorted.prefix(count))
    }
  }
}

extension Aggregation {
  /// What a selection right below it is for.
  var selectionHints: SelectionHints {
    SelectionHints(
      function: operation.rawValue, grouping: grouping.labels, groupsBy: !grouping.isWithout, labels: labelsNeeded)
  }

  /// The labels of the series below that decide on the answer; nil where all may.
  var labelsNeeded: [String]? {
    switch operation {
    case .topk, .bottomk, .limitk, .limitRatio: return nil
    default: if operation.keepsLabels { return nil }
    }
    guard !grouping.isWithout else { return nil }
    switch expression.withoutSigns.node {
    case .selector: return grouping.labels
    case .call(let call):
      // Series of several names could become one without it. Those of one name that only their type tells apart all
      // count: the labels that would show that they collide are not asked for.
      guard let argument = call.arguments.first(where: { $0.type == .range }), argument.isOfOneName else { return nil }
      return grouping.labels + [LabelSet.nameLabel]
    default: return nil
    }
  }
}

extension Optional {
  /// `map` with a body that waits.
  fileprivate func asyncMap<Result>(_ body: (Wrapped) async throws -> Result) async rethrows -> Result? {
    guard let value = self else { return nil }
    return try await body(value)
  }
}
