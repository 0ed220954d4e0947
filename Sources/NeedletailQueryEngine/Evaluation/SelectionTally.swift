import Synchronization

/// What one selection has found so far, counted over all tasks that read it.
final class SelectionTally: Sendable {
  private let limits: QueryLimits
  private let budget: QueryBudget
  private let chunks = Atomic(0)
  private let series = Atomic(0)
  private let cells = Atomic(0)

  init(_ limits: QueryLimits, _ budget: QueryBudget) {
    self.limits = limits
    self.budget = budget
  }

  /// Counts a chunk; fails where there are too many series in all.
  func add(series count: Int) throws {
    chunks.add(1, ordering: .relaxed)
    guard series.add(count, ordering: .relaxed).newValue <= limits.series else {
      throw QueryError.execution("the query selects more than \(limits.series) series")
    }
  }

  /// Whether there was a chunk before.
  var hasRead: Bool { chunks.load(ordering: .relaxed) > 0 }

  /// Fails unless so many more rows of a grid may be made.
  func reserve(rows: Int, _ steps: Steps) throws {
    let (count, overflow) = rows.multipliedReportingOverflow(by: max(1, steps.count))
    guard !overflow, count <= limits.samples, cells.add(count, ordering: .relaxed).newValue <= limits.samples else {
      throw budget.tooManySamples
    }
  }

  /// Gives back rows that were not needed.
  func giveBack(rows: Int, _ steps: Steps) { cells.subtract(rows * max(1, steps.count), ordering: .relaxed) }
}
