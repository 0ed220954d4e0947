import NeedletailQueryLanguage
import NeedletailTelemetry

// `info`: series get labels of the info series that stand for the same job and instance.

extension Evaluation {
  /// Joins the labels of info series to those of a vector.
  ///
  /// O(series and info series, each times steps).
  func info(_ arguments: [Expression], _ steps: Steps) async throws -> VectorGrid {
    let grid = try await vector(arguments[0], steps)
    let wanted = try InfoSelector(arguments.count > 1 ? arguments[1] : nil)
    let keys = grid.labels.map { wanted.joins($0) ? $0.keeping(InfoSelector.identifying) : .empty }
    var infos = InfoSeries(grid: VectorGrid(width: steps.count))
    if let matchers = InfoSelector.matchers(of: keys, span: arguments[0].span) {
      var selector = VectorSelector(name: nil, matchers: wanted.matchers + matchers)
      selector.shift = arguments[0].firstShift ?? TimeShift()
      infos = InfoSeries(
        grid: try await instantSelector(
          selector, span: arguments[0].span, steps, hints: SelectionHints(function: "info"), yields: .timeOfNumber))
    }
    var result = VectorGrid(width: steps.count)
    var rows: [LabelSet: Int] = [:]
    for row in 0..<grid.count {
      try spend(0)
      let joins = wanted.joins(grid.labels[row])
      let group = keys[row].isEmpty ? nil : infos.group(of: keys[row])
      var known: [Int: Int] = [:]
      for step in 0..<steps.count where grid.isPresent(row, step) {
        let choice = try group.map { try infos.choice($0, at: step) } ?? InfoSeries.nothing
        if choice == InfoSeries.nothing, joins, !wanted.allowsNone { continue }
        let target: Int
        if let row = known[choice] {
          target = row
        } else {
          let labels = try infos.joined(grid.labels[row], group, choice, wanted)
          target = rows[labels] ?? result.addRow(labels, losesName: grid.losesName[row])
          try reserve(rows: result.count, steps)
          rows[labels] = target
          known[choice] = target
        }
        guard !result.isPresent(target, step) else {
          throw QueryError.execution("vector cannot contain metrics with the same labelset")
        }
        result.set(target, step, grid.cell(row, step))
      }
    }
    return result
  }
}

extension Expression {
  /// From when its first selector reads, counted from its own steps; nil where it has none.
  var firstShift: TimeShift? {
    switch node {
    case .selector(let selector): return selector.shift
    case .events(let selector): return selector.shift
    case .subquery(let subquery):
      guard var shift = subquery.expression.firstShift else { return nil }
      guard shift.anchor == nil else { return shift }
      let (offset, overflow) = (shift.offset ?? 0).addingReportingOverflow(subquery.shift.offset ?? 0)
      // Both are far smaller; what reads nothing is right for what no time can be.
      shift.offset = overflow ? 1 << 60 : offset
      shift.anchor = subquery.shift.anchor
      return shift
    default:
      for child in children {
        if let shift = child.firstShift { return shift }
      }
      return nil
    }
  }
}
