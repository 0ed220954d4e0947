import NeedletailQueryLanguage
import NeedletailTelemetry

// `default`, `if` and `ifnot`: what a side has, where the other has something or nothing. To these NaN is nothing.

extension Evaluation {
  /// Evaluates such an operator of which at least one side is a vector.
  func conditional(_ node: BinaryExpression, _ steps: Steps) async throws -> VectorGrid {
    let left = try await side(node.left, steps)
    let right = try await side(node.right, steps)
    // Where there are no series that could have gaps, everything is a gap.
    if node.operation == .fallback, left.count == 0 { return right }
    let projection = projection(node.matching)
    let rightRows = rows(right, projection)
    // One series without labels goes with all, as a number does.
    let fellows = right.count == 1 && right.labels[0].isEmpty ? [0] : []
    var result = VectorGrid(width: steps.count)
    for row in 0..<left.count {
      try spend(0)
      let partners = rightRows[projection.apply(left.labels[row])] ?? fellows
      let target = result.addRow(left.labels[row], losesName: left.losesName[row])
      for step in 0..<steps.count {
        let other = partners.first { right.hasValue($0, step) }
        switch node.operation {
        case .fallback where !left.hasValue(row, step):
          if let other {
            result.set(target, step, right.cell(other, step))
          } else {
            result.set(target, step, left.cell(row, step))
          }
        case .fallback: result.set(target, step, left.cell(row, step))
        default:
          if left.hasValue(row, step), (other != nil) == (node.operation == .ifPresent) {
            result.set(target, step, left.cell(row, step))
          }
        }
      }
      result.dropLastRowIfEmpty()
    }
    return result
  }

  /// A side as series; a number at each step is one series without labels.
  private func side(_ expression: Expression, _ steps: Steps) async throws -> VectorGrid {
    guard expression.type == .scalar else { return try await vector(expression, steps) }
    let values = try await scalar(expression, steps)
    var grid = VectorGrid(width: steps.count)
    grid.addRow(.empty)
    for step in values.indices where !values[step].isNaN { grid.set(0, step, values[step]) }
    grid.dropLastRowIfEmpty()
    return grid
  }

  /// The series that match any of a selector's alternatives.
  func selectAny(
    _ selector: VectorSelector, span: SourceSpan, from start: Int64, to end: Int64, hints: SelectionHints
  ) async throws -> any SeriesCursor {
    var hints = hints
    // What else a series matches is seen by its labels.
    hints.labels = nil
    hints.standIns = nil
    let alternatives = try selector.allAlternatives(span: span).map { try compiled($0) }
    var cursors: [any SeriesCursor] = []
    for matchers in alternatives {
      cursors.append(try await select(matchers, from: start, to: end, hints: hints))
    }
    return AlternativesCursor(cursors, alternatives)
  }
}

extension VectorGrid {
  /// Whether there is a histogram or a number other than NaN.
  func hasValue(_ row: Int, _ step: Int) -> Bool {
    guard isPresent(row, step) else { return false }
    guard let number = number(row, step) else { return true }
    return !number.isNaN
  }
}
