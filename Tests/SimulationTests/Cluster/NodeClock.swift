/// The clocks of a machine: a monotonic one that goes at a pace of its own, stands where it likes and may leap forward, and one that tells
/// the time and may be wrong by any amount.
struct NodeClock {
  /// How many of a million ns it gains, or loses.
  private var drift: Int64 = 0
  /// What it showed at `since`.
  private var base: Int64 = 0
  private var since: Int64 = 0
  /// By how much the time that it tells is wrong.
  var wallOffset: Int64 = 0

  init(base: Int64, drift: Int64 = 0) {
    self.base = base
    self.drift = drift
  }

  func monotonic(at now: Int64) -> Int64 {
    let elapsed = now - since
    return base + elapsed + elapsed / 1_000 * drift / 1_000
  }

  /// When it will show a time, at the earliest.
  func moment(of time: Int64, after now: Int64) -> Int64 {
    let left = time - monotonic(at: now)
    guard left > 0 else { return now }
    guard left < 1_000_000_000_000 else { return .max }
    // A little more than it takes: an event that comes too early would come again and again.
    return now + left * 1_000_000 / (1_000_000 + drift) + 2_000
  }

  func wall(at now: Int64) -> Int64 { SimulatedRetention.start + now + wallOffset }

  /// It goes at another pace from now on.
  mutating func setDrift(_ drift: Int64, at now: Int64) {
    base = monotonic(at: now)
    since = now
    self.drift = drift
  }

  mutating func leap(by time: Int64, at now: Int64) {
    base = monotonic(at: now) + time
    since = now
  }
}
