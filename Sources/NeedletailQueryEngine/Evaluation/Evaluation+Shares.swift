// Selections are read in small shares, by several tasks at once where there are threads. What they make is put together,
// or reduced, in the order of the shares, so that an answer is the same, to the last bit, however many there are.

extension Evaluation {
  /// About so many values are made before they go on, to be reduced or to be put behind others.
  private static let portionCells = 32_768
  /// Series of a share at least and at most, as far as the steps decide.
  private static let portionRows = 64...4096
  /// Shares for each task where nobody knows how many series there are.
  private static let sharesOfUnknown = 4
  /// Shares for each task where there are few series of many samples: each share unpacks the times of its series anew.
  private static let sharesOfFew = 2

  /// How many series are read before their rows go on.
  private static func portionRows(width: Int) -> Int {
    min(max(portionCells / max(1, width), portionRows.lowerBound), portionRows.upperBound)
  }

  /// Runs `body` over all that a cursor finds: over the whole of it, or over its shares at once. Rows are of `width` steps.
  ///
  /// With a sink the rows go there, and are gone. Tasks have evaluations of their own; this one takes over what those
  /// remark. What they find counts together.
  func inShares(
    of cursor: any SeriesCursor, width: Int, into sink: GroupSink? = nil, _ body: @escaping RowMaker
  ) async throws -> Portion {
    let tally = sink?.tally ?? tally()
    let shares = shares(of: cursor, width: width, isReduced: sink != nil)
    guard shares.count < 2 else {
      let target = sink.map { PortionTarget.groups($0.fold) } ?? .rows(Portion(width: width))
      switch try await run(shares, width, rows: cursor.seriesMax ?? 0, tally, into: target, body) {
      case .rows(let portion): return portion
      case .groups(let fold):
        sink?.fold = fold
        return Portion(width: width)
      }
    }
    var portion = Portion(width: width)
    guard let sink else {
      portion.grid.reserve(rows: cursor.seriesMax ?? 0)
      try await body(self, cursor, tally, &portion)
      return portion
    }
    let parts = CursorInParts(cursor, seriesMax: Self.portionRows(width: width))
    let rule = sink.fold.rule
    repeat {
      parts.beginPart()
      try await body(self, parts, tally, &portion)
      try spend(portion.cellCount)
      statistics.hold(grid: portion.cellCount + sink.fold.cellCount)
      let groups = RowGroups(of: portion.grid, rule)
      try sink.fold.add(portion, groups)
      portion.clear()
    } while !parts.hasEnded
    return portion
  }

  /// The shares to be read one after the other; fewer than two where the cursor is to be read as it is.
  private func shares(of cursor: any SeriesCursor, width: Int, isReduced: Bool) -> [any SeriesShare] {
    let tasks = engine.parallelism
    guard tasks > 1 || isReduced else { return [] }
    guard let series = cursor.seriesMax else {
      return tasks > 1 ? cursor.shares(tasks * Self.sharesOfUnknown) : []
    }
    guard series > 1 else { return [] }
    let portions = (series - 1) / Self.portionRows(width: width) + 1
    let worthwhile =
      tasks > 1
      ? min(tasks * Self.sharesOfFew, ReadingCost.shares(series, samples: cursor.samplesExpected ?? 0, width: width))
      : 1
    let count = max(portions, worthwhile)
    return count > 1 ? cursor.shares(count) : []
  }

  /// Runs `body` over shares.
  private func run(
    _ shares: [any SeriesShare], _ width: Int, rows: Int, _ tally: SelectionTally, into target: PortionTarget,
    _ body: @escaping RowMaker
  ) async throws -> PortionTarget {
    let tasks = min(max(1, engine.parallelism), shares.count)
    let rule = target.rule
    let ordered = OrderedShares(count: shares.count, window: 2 * tasks, width: width, rows: rows, into: target)
    var others: [QueryStatistics] = []
    try await withThrowingTaskGroup(of: QueryStatistics.self) { group in
      for _ in 1..<tasks {
        group.addTask { [engine, tenant, text, steps, isInstant, options, budget, givenPlace] in
          let own = Evaluation(
            engine: engine, tenant: tenant, text: text, steps: steps, isInstant: isInstant, options: options,
            budget: budget, place: givenPlace)
          return try await own.read(shares, tally, ordered, rule, body)
        }
      }
      let own = Evaluation(
        engine: engine, tenant: tenant, text: text, steps: steps, isInstant: isInstant, options: options,
        budget: budget, place: givenPlace)
      others.append(try await own.read(shares, tally, ordered, rule, body))
      for try await statistics in group { others.append(statistics) }
    }
    let summary = ordered.takeSummary()
    guard let target = summary.target else { throw QueryError(.internal, "a share of a selection is missing") }
    annotations.add(summary.annotations)
    coverage.merge(summary.coverage)
    for other in others { statistics.add(other) }
    statistics.hold(grid: summary.cellsMax)
    return target
  }

  /// Reads shares for as long as there are any; tells what that took.
  private func read(
    _ shares: [any SeriesShare], _ tally: SelectionTally, _ ordered: OrderedShares, _ rule: GroupingRule?,
    _ body: RowMaker
  ) async throws -> QueryStatistics {
    do {
      while true {
        switch ordered.turn() {
        case .none: return statistics
        case .wait: await ordered.waitForTurn()
        case .share(let place, var portion):
          try await body(self, shares[place].cursor(), tally, &portion)
          if rule != nil { try spend(portion.cellCount) }
          let groups = rule.map { RowGroups(of: portion.grid, $0) }
          try ordered.add(
            OrderedShares.Outcome(portion: portion, groups: groups, annotations: annotations, coverage: coverage),
            at: place)
          (annotations, coverage) = (Annotations(), .complete)
        }
      }
    } catch {
      ordered.fail()
      throw error
    }
  }
}
