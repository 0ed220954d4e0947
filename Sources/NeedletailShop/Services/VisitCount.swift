import NeedletailEnvironment

/// Counts what is under way, up to a limit.
final class VisitCount: Sendable {
  private let count = Lock(0)

  /// Counts one more, unless there are as many as may be.
  func enter(below limit: Int) -> Bool {
    count.withLock { count in
      if count >= limit { return false }
      count += 1
      return true
    }
  }

  /// Counts one less.
  func leave() { count.withLock { $0 -= 1 } }
}
