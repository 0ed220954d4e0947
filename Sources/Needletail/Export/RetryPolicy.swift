// Exponential backoff with equal jitter, as a value: it decides, someone else waits.

/// Decides how long to wait before a request is repeated, and when to give up.
struct RetryPolicy {
  private let settings: Needletail.Configuration.Retry
  private var base: Duration
  private var elapsed: Duration = .zero

  init(_ settings: Needletail.Configuration.Retry) {
    self.settings = settings
    base = settings.first
  }

  /// The wait before the next attempt.
  ///
  /// - Parameters:
  ///   - attempt: how long the failed attempt took.
  ///   - retryAfter: what the receiver asked for, if it did.
  ///   - random: any number, for the jitter.
  /// - Returns: nil when the batch is to be given up, because the wait would end after the total time.
  mutating func wait(afterAttemptOf attempt: Duration, retryAfter: Duration?, random: UInt64) -> Duration? {
    elapsed += attempt
    // Between half and all of the base, in 1,024 steps.
    let jittered = base / 2 + base / 2 * Int(random % 1_025) / 1_024
    let wait = max(jittered, retryAfter ?? .zero)
    guard elapsed + wait <= settings.total else { return nil }
    elapsed += wait
    base = min(base * 2, settings.longest)
    return wait
  }
}
