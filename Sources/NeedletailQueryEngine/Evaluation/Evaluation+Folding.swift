import NeedletailQueryLanguage

// Aggregations that reduce each group to one value, over series that are read for nothing else: each portion of rows is
// reduced as soon as it is there, and its room used again. What they take in memory depends on groups, not on series.

/// The operand of an aggregation, whose series were found.
enum OpenedOperand {
  case instant(Evaluation.OpenedInstant)
  case range(Evaluation.OpenedRange)
}

extension Evaluation {
  /// The aggregation of series while they are read; nil where all rows have to be there at once.
  ///
  /// That may only turn out on the way (`GroupFold.Unfit`). Then nothing of it counts, and the series are read again.
  func folded(_ node: Aggregation, _ steps: Steps, _ hints: SelectionHints) async throws -> VectorGrid? {
    let operand = node.expression.withoutSigns
    guard operand.isFoldable(delaysNameRemoval: engine.features.delaysNameRemoval),
      !shared.concerns(operand, steps, hints, hintRule),
      let fold = GroupFold(
        node, width: steps.count, dropsNames: !engine.features.delaysNameRemoval && operand.dropsNamesOverRange,
        histogramWeightMax: engine.limits.samples)
    else { return nil }
    let sink = GroupSink(fold, tally(keepsRows: false))
    if engine.series is any ReducingSource { sink.reduction = reduction(of: node, steps) }
    let before = (annotations, coverage, statistics, budget.samplesSpent)
    do {
      try await read(try await open(operand, steps, hints, for: sink), into: sink, steps)
      if let parts = sink.parts { try await add(parts, to: sink, steps) }
      let (result, remarks) = try sink.fold.result(losingNames: engine.features.delaysNameRemoval)
      report(remarks, node)
      if sink.fold.ignoresHistograms { ignoredHistogram(node) }
      if sink.fold.hasParts { usesParts = true }
      return result
    } catch is GroupFold.Unfit {
      (annotations, coverage, statistics) = (before.0, before.1, before.2)
      budget.forget(after: before.3)
      return nil
    }
  }

  /// Asks for the series of an operand that `isFoldable`.
  func open(
    _ operand: Expression, _ steps: Steps, _ hints: SelectionHints, for sink: GroupSink
  ) async throws -> OpenedOperand {
    switch operand.node {
    case .selector(let selector):
      return .instant(
        try await openInstant(selector, span: operand.span, steps, hints: hints, yields: .sample, for: sink))
    case .call(let call):
      guard let argument = call.arguments.first(where: { $0.type == .range }) else { break }
      return .range(try await openRange(call, argument, steps, labels: hints.labels, for: sink))
    default: break
    }
    throw QueryError(.internal, "expression is not made of series alone")
  }

  /// Reads the series of an operand, and puts their rows into the sink.
  func read(_ operand: OpenedOperand, into sink: GroupSink, _ steps: Steps) async throws {
    switch operand {
    case .instant(let opened): _ = try await rows(of: opened, steps, into: sink)
    case .range(let opened): _ = try await rows(of: opened, steps, into: sink)
    }
  }

  /// Adds what the source reduced itself: it counts as if it had been done here.
  private func add(
    _ parts: @Sendable () async throws -> [ReducedSeries]?, to sink: GroupSink, _ steps: Steps
  ) async throws {
    guard let parts = try await parts() else { throw GroupFold.Unfit() }
    for part in parts {
      statistics.seriesRead += part.seriesRead
      statistics.samplesRead += part.samplesRead
      try sink.tally.add(series: part.seriesRead, samples: 0)
      try sink.tally.reserve(rows: part.fold.rows, steps)
      try spend(part.samplesRead)
      try spend(part.fold.rows * steps.count)
      annotations.add(part.annotations)
      try sink.fold.add(part.fold)
      statistics.hold(grid: part.fold.cellCount + sink.fold.cellCount)
    }
  }
}

extension Expression {
  /// Whether each series that it reads becomes one row, and no two of these one, unless types or units tell them apart.
  func isFoldable(delaysNameRemoval: Bool) -> Bool {
    switch node {
    case .selector(let selector): return selector.edges != .smoothed
    case .call(let call):
      guard call.function.isOverRange, !call.function.isMetricsQL, call.function != .absentOverTime,
        let argument = call.arguments.first(where: { $0.type == .range }), !argument.isEventRange,
        case .selector = argument.withoutParentheses.node
      else { return false }
      return delaysNameRemoval || call.keepsNamesOverRange || argument.isOfOneName
    default: return false
    }
  }

  /// Whether it is a function over ranges whose series lose the metric's name.
  var dropsNamesOverRange: Bool {
    guard case .call(let call) = node else { return false }
    return !call.keepsNamesOverRange
  }
}
