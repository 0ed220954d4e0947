import NeedletailQueryLanguage
import NeedletailTelemetry

// `fill(0)` and its kin: where one side has a sample and the other has none to match it, a series of nothing but the labels
// that both match on stands in, at these steps alone.

extension Evaluation {
  /// Adds the series that stand in for those that are missing.
  ///
  /// As in Prometheus `fill_left` is for the "many" side and `fill_right` for the "one" side, also where `group_right` makes
  /// the right side the "many".
  func fill(
    _ matching: VectorMatching, _ projection: LabelProjection, _ many: inout VectorGrid, _ one: inout VectorGrid
  ) throws {
    guard matching.fillLeft != nil || matching.fillRight != nil else { return }
    let (manyRows, oneRows) = (rows(many, projection), rows(one, projection))
    let (foundMany, foundOne) = (many, one)
    if let fill = matching.fillRight {
      try add(fill.value, to: &one, for: (foundMany, manyRows), without: (foundOne, oneRows))
    }
    if let fill = matching.fillLeft {
      try add(fill.value, to: &many, for: (foundOne, oneRows), without: (foundMany, manyRows))
    }
  }

  private typealias Side = (grid: VectorGrid, rows: [LabelSet: [Int]])

  /// Adds a row for each key of `present`, with the value where that side has something and `absent` has not.
  private func add(_ value: Double, to grid: inout VectorGrid, for present: Side, without absent: Side) throws {
    // In the order of the rows that they stand beside.
    for (key, with) in present.rows.sorted(by: { ($0.value.first ?? 0) < ($1.value.first ?? 0) }) {
      try reserve(rows: grid.count + 1, self.steps)
      try spend(0)
      let row = grid.addRow(key)
      let lacking = absent.rows[key] ?? []
      for step in 0..<grid.width
      where with.contains(where: { present.grid.isPresent($0, step) })
        && !lacking.contains(where: { absent.grid.isPresent($0, step) })
      {
        grid.set(row, step, value)
      }
      grid.dropLastRowIfEmpty()
    }
  }
}
