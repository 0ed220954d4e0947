import Synchronization

/// What a query may still spend, shared by all tasks that work on it.
final class QueryBudget: Sendable {
  private let samplesMax: Int
  private let timeout: Duration
  private let deadline: ContinuousClock.Instant
  /// Samples read and values computed so far.
  private let spent = Atomic(0)

  init(_ limits: QueryLimits) {
    samplesMax = limits.samples
    timeout = limits.timeout
    deadline = ContinuousClock.now.advanced(by: limits.timeout)
  }

  /// Counts samples, and stops the query if that was too many, if time is up, or if nobody waits any more.
  func spend(_ samples: Int) throws {
    let total = samples == 0 ? 0 : spent.add(samples, ordering: .relaxed).newValue
    guard total <= samplesMax else { throw tooManySamples }
    try Task.checkCancellation()
    guard ContinuousClock.now < deadline else {
      throw QueryError(.timeout, "query timed out in expression evaluation after \(timeout)")
    }
  }

  /// What was counted so far.
  var samplesSpent: Int { spent.load(ordering: .relaxed) }

  /// Forgets what was counted after `samplesSpent` was this: what it was for is done over.
  func forget(after samples: Int) { spent.store(samples, ordering: .relaxed) }

  /// What a query fails with that would hold too much at once.
  var tooManySamples: QueryError { .tooManySamples(limit: samplesMax) }
}
