import NeedletailEnvironment

/// How slowly a body may come: it takes memory of the ingest budget while it does, which others wait for.
///
/// Silence is the business of the connection's idle timer; this stops who sends a little now and then.
struct BodyPace: Sendable {
  /// What any body may take, in ns: 30 s.
  static let graceNanoseconds: Int64 = 30_000_000_000
  /// Beyond that, each second must have brought so many bytes on average: 256 KiB.
  static let bytesPerSecond: Int64 = 256 << 10

  private let clock: any WallClock
  private let started: Int64

  /// The pace of a body that begins now.
  init(clock: any WallClock) {
    self.clock = clock
    started = clock.monotonicNanoseconds()
  }

  /// Whether a body of which so many bytes have come should have brought more by now.
  func isTooSlow(received bytes: Int) -> Bool {
    let (earned, overflow) = Int64(bytes).multipliedReportingOverflow(by: 1_000_000_000 / Self.bytesPerSecond)
    return !overflow && clock.monotonicNanoseconds() &- started > Self.graceNanoseconds &+ earned
  }
}
