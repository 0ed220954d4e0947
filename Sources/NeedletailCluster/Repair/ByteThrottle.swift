/// Lets so many bytes a second go, and up to a second's worth at once.
///
/// What goes may be larger than what is left: the rest is owed, so that nothing is too large to ever go.
struct ByteThrottle: Sendable {
  private static let second: UInt64 = 1_000_000_000

  private let bytesPerSecond: UInt64
  /// What may go, in bytes times a second's ns; negative where it is owed.
  private var credit: Int128
  private var filledAt: UInt64?

  init(bytesPerSecond: UInt64) {
    self.bytesPerSecond = max(1, bytesPerSecond)
    credit = Int128(self.bytesPerSecond) * Int128(Self.second)
  }

  private mutating func fill(_ now: UInt64) {
    let most = Int128(bytesPerSecond) * Int128(Self.second)
    if let filledAt, now > filledAt { credit = min(most, credit + Int128(now - filledAt) * Int128(bytesPerSecond)) }
    filledAt = max(now, filledAt ?? now)
  }

  /// Whether this many bytes may go now; they are taken to go then.
  mutating func take(_ bytes: Int, now: UInt64) -> Bool {
    fill(now)
    guard credit > 0 else { return false }
    credit -= Int128(bytes) * Int128(Self.second)
    return true
  }

  /// When the next bytes may go.
  var readyAt: UInt64 {
    guard let filledAt, credit <= 0 else { return filledAt ?? 0 }
    let wait = UInt64(clamping: -credit / Int128(bytesPerSecond) + 1)
    let (time, isOut) = filledAt.addingReportingOverflow(wait)
    return isOut ? .max : time
  }
}
