// Large selections are read by several tasks at once, each a share of the series. What they make is put together in the
// order of the shares, so that an answer is the same, to the last bit, however many there are.

extension Evaluation {
  /// What reading a share of a selection gives.
  struct Portion: Sendable {
    var grid: VectorGrid
    var names = MetricNames()

    mutating func append(_ other: Portion) {
      grid.append(other.grid)
      names.append(other.names)
    }
  }

  /// What there is to say of a portion, beside it.
  private struct Outcome: Sendable {
    let place: Int
    let portion: Portion
    let annotations: Annotations
    let coverage: Coverage
    let statistics: QueryStatistics
  }

  /// Runs `body` over all that a cursor finds: over the whole of it, or over its shares at once.
  ///
  /// Each share has an evaluation of its own; this one takes over what those remark. What they find counts together.
  func inShares(
    of cursor: any SeriesCursor,
    _ body: @escaping @Sendable (Evaluation, any SeriesCursor, SelectionTally) async throws -> Portion
  ) async throws -> Portion {
    let tally = tally()
    let shares = engine.parallelism > 1 ? cursor.shares(engine.parallelism) : []
    guard let first = shares.first else { return try await body(self, cursor, tally) }
    var result = Portion(grid: VectorGrid(width: 0))
    var others: [Outcome] = []
    try await withThrowingTaskGroup(of: Outcome.self) { group in
      for (place, share) in shares.enumerated().dropFirst() {
        group.addTask { [engine, tenant, text, steps, isInstant, options, budget] in
          let own = Evaluation(
            engine: engine, tenant: tenant, text: text, steps: steps, isInstant: isInstant, options: options,
            budget: budget)
          let portion = try await body(own, share.cursor(), tally)
          return Outcome(
            place: place, portion: portion, annotations: own.annotations, coverage: own.coverage,
            statistics: own.statistics)
        }
      }
      result = try await body(self, first.cursor(), tally)
      for try await outcome in group { others.append(outcome) }
    }
    for outcome in others.sorted(by: { $0.place < $1.place }) {
      result.append(outcome.portion)
      annotations.add(outcome.annotations)
      coverage.merge(outcome.coverage)
      statistics.add(outcome.statistics)
    }
    return result
  }
}
