/// A pace: so many units a second, and so many at once after a pause.
///
/// Something larger than what is there is let through too, and paid for afterwards, so that nothing is too large to pass and the pace holds.
package struct TokenBucket: Equatable, Sendable {
  private let perSecond: Int64
  /// How long the bucket takes to fill, in ns.
  private let fillTime: Int64
  /// When it will be full, in ns.
  private var fullAt = Int64.min

  /// A full bucket.
  package init(perSecond: Int, burst: Int) {
    self.perSecond = Int64(max(1, perSecond))
    fillTime = max(1, Self.time(for: max(1, burst), perSecond: self.perSecond))
  }

  private static func time(for units: Int, perSecond: Int64) -> Int64 {
    let (product, isTooMuch) = Int64(units).multipliedReportingOverflow(by: 1_000_000_000)
    // A century: longer than anybody waits, and far from the end of the numbers.
    return isTooMuch ? 3_155_760_000_000_000_000 : product / perSecond
  }

  /// Whether `units` may pass now; they are taken then.
  package mutating func take(_ units: Int, at now: Int64) -> Bool {
    guard wait(at: now) == 0 else { return false }
    spend(units, at: now)
    return true
  }

  /// Takes `units` whether they may pass or not.
  package mutating func spend(_ units: Int, at now: Int64) {
    fullAt = max(now, fullAt).addingClamped(Self.time(for: max(0, units), perSecond: perSecond))
  }

  /// When something may pass, in ns; a time that is past where that is now.
  package var opensAt: Int64 {
    let (emptyAt, isBeforeAll) = fullAt.subtractingReportingOverflow(fillTime)
    return isBeforeAll ? .min : emptyAt + 1
  }

  /// Whether nothing was taken out that has not come back.
  package func isFull(at now: Int64) -> Bool { fullAt <= now }

  /// How long until something may pass, in ns.
  package func wait(at now: Int64) -> Int64 {
    opensAt <= now ? 0 : opensAt &- now
  }
}

extension Int64 {
  /// The sum, or the greatest number where that is less.
  fileprivate func addingClamped(_ other: Int64) -> Int64 {
    let (sum, isTooMuch) = addingReportingOverflow(other)
    return isTooMuch ? .max : sum
  }
}
