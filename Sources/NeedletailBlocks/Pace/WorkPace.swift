/// What work in the background may take.
package struct WorkLimits: Equatable, Sendable {
  /// Bytes read and written in a second, together; nil: as many as there are.
  package var bytesPerSecond: UInt64?
  /// How much of the time the work's thread may be busy, waiting for the disk included, in per cent: 1 to 100.
  package var busyPercent: Int

  package init(bytesPerSecond: UInt64? = nil, busyPercent: Int = 100) {
    self.bytesPerSecond = bytesPerSecond
    self.busyPercent = min(100, max(1, busyPercent))
  }
}

/// Tells after each piece of work how long to pause, so that its limits hold from then on.
///
/// Knows no clock: what it is told is all that it decides by.
package struct WorkPace: Sendable {
  /// Shorter pauses are saved up: going to sleep costs more than they are worth.
  private static let leastPause = 2e6
  /// How far work may be behind its rate and make up for it, in nanoseconds.
  private static let slack = 1e8
  /// No pause is longer, whatever a piece of work was said to have taken: an hour.
  private static let longestPause = 3.6e12

  private let limits: WorkLimits
  /// Nanoseconds of pause until the bytes so far keep to the rate; negative where the work is slower than that.
  private var owedForBytes = 0.0
  /// Nanoseconds of pause until the time so far keeps to the share.
  private var owedForTime = 0.0

  package init(_ limits: WorkLimits) { self.limits = limits }

  /// A piece of work was done: it read or wrote so many bytes and took so many nanoseconds.
  ///
  /// Returns how many nanoseconds to pause now.
  package mutating func worked(bytes: Int, nanoseconds: Int64) -> Int64 {
    let took = Double(max(0, nanoseconds))
    if let rate = limits.bytesPerSecond {
      owedForBytes = max(-Self.slack, owedForBytes + Double(max(0, bytes)) * 1e9 / Double(max(1, rate)) - took)
    }
    owedForTime += took * Double(100 - limits.busyPercent) / Double(limits.busyPercent)
    let owed = max(owedForBytes, owedForTime)
    return owed < Self.leastPause ? 0 : Int64(min(owed, Self.longestPause))
  }

  /// So many nanoseconds went by without work.
  package mutating func paused(nanoseconds: Int64) {
    let pause = Double(max(0, nanoseconds))
    owedForBytes = max(-Self.slack, owedForBytes - pause)
    owedForTime = max(0, owedForTime - pause)
  }
}
