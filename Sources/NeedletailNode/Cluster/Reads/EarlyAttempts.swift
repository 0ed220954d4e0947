import NeedletailEnvironment

/// Whether reads go ahead while others are asked: not for a while after one of those was late, because what was evaluated
/// meanwhile is evaluated again then.
final class EarlyAttempts: Sendable {
  /// So many reads wait as usual after one that was in vain.
  private static let pause = 15

  private let skipped = Lock(0)

  var isWorthwhile: Bool {
    skipped.withLock { skipped in
      guard skipped > 0 else { return true }
      skipped -= 1
      return false
    }
  }

  func wasLate() { skipped.withLock { $0 = Self.pause } }
}
