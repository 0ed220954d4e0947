import NeedletailQueryLanguage

// Aggregations that reduce each group to one value, over series that are read for nothing else: each portion of rows is
// reduced as soon as it is there, and its room used again. What they take in memory depends on groups, not on series.

extension Evaluation {
  /// The aggregation of series while they are read; nil where all rows have to be there at once.
  ///
  /// That may only turn out on the way (`GroupFold.Unfit`). Then nothing of it counts, and the series are read again.
  func folded(_ node: Aggregation, _ steps: Steps, _ hints: SelectionHints) async throws -> VectorGrid? {
    let operand = node.expression.withoutSigns
    guard operand.isFoldable(delaysNameRemoval: engine.features.delaysNameRemoval),
      !shared.concerns(operand, steps, hints, hintRule),
      let fold = GroupFold(
        node, width: steps.count, dropsNames: !engine.features.delaysNameRemoval && operand.dropsNamesOverRange)
    else { return nil }
    let sink = GroupSink(fold)
    let before = (annotations, coverage, statistics, budget.samplesSpent)
    do {
      switch operand.node {
      case .selector(let selector):
        _ = try await instantSelector(
          selector, span: operand.span, steps, hints: hints, yields: .sample, into: sink)
      case .call(let call): _ = try await rangeCall(call, span: operand.span, steps, labels: hints.labels, into: sink)
      default: return nil
      }
      let result = try sink.fold.result(losingNames: engine.features.delaysNameRemoval)
      if sink.fold.ignoresHistograms { ignoredHistogram(node) }
      return result
    } catch is GroupFold.Unfit {
      (annotations, coverage, statistics) = (before.0, before.1, before.2)
      budget.forget(after: before.3)
      return nil
    }
  }
}

extension Expression {
  /// Whether each series that it reads becomes one row, and no two of these one, unless types or units tell them apart.
  fileprivate func isFoldable(delaysNameRemoval: Bool) -> Bool {
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
  fileprivate var dropsNamesOverRange: Bool {
    guard case .call(let call) = node else { return false }
    return !call.keepsNamesOverRange
  }
}
