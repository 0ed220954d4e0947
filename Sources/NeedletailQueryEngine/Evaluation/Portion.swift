extension Evaluation {
  /// What reading a part of a selection gives.
  struct Portion: Sendable {
    var grid: VectorGrid
    var names = MetricNames()

    /// Nothing yet, over so many steps.
    init(width: Int) { grid = VectorGrid(width: width) }

    /// How many values there is room for in its rows.
    var cellCount: Int { grid.count * grid.width }

    mutating func append(_ other: Portion) {
      grid.append(other.grid)
      names.append(other.names)
    }

    /// Forgets all of it, and keeps the room that it took.
    mutating func clear() {
      grid.removeAllRows()
      names = MetricNames()
    }
  }

  /// Makes rows of all that a cursor finds, which count in a tally together with what other tasks find.
  typealias RowMaker = @Sendable (Evaluation, any SeriesCursor, SelectionTally, inout Portion) async throws -> Void
}

/// Where portions of rows go, one behind the other.
enum PortionTarget: Sendable {
  /// They are put together.
  case rows(Evaluation.Portion)
  /// They are reduced, and forgotten.
  case groups(GroupFold)

  /// How many values are kept of them.
  var cellCount: Int {
    switch self {
    case .rows(let portion): portion.cellCount
    case .groups(let fold): fold.cellCount
    }
  }

  /// How the rows are grouped, where they are.
  var rule: GroupingRule? {
    switch self {
    case .rows: nil
    case .groups(let fold): fold.rule
    }
  }
}

/// Reduces what an aggregation stands over while it is read.
///
/// Used by one task; while others work for it they have the fold among them.
final class GroupSink {
  var fold: GroupFold
  /// What is found for it, by whichever way.
  let tally: SelectionTally
  /// What a source that reduces series itself may do in place of telling them.
  var reduction: SeriesReduction?
  /// What such a source did.
  var parts: (@Sendable () async throws -> [ReducedSeries]?)?

  init(_ fold: GroupFold, _ tally: SelectionTally) {
    self.fold = fold
    self.tally = tally
  }
}
