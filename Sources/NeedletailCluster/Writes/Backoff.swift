/// How long to wait before trying again: exponential, capped, with full jitter, so that many who failed together do not come back together.
package struct Backoff: Equatable, Sendable {
  /// The longest wait after the first failure, in ns.
  package let base: Int64
  /// The longest wait of all, in ns.
  package let cap: Int64

  /// Waits of at most `base` ns after a first failure, of twice that after the next, and so on up to `cap`.
  package init(base: Int64, cap: Int64) {
    self.base = max(1, base)
    self.cap = max(self.base, cap)
  }

  /// The longest wait after so many failures in a row, in ns.
  package func longest(failures: Int) -> Int64 {
    let doublings = failures > 1 ? failures - 1 : 0
    guard doublings < 62, base <= cap >> Int64(doublings) else { return cap }
    return base << Int64(doublings)
  }

  /// A wait after so many failures in a row, in ns: anything between zero and the longest.
  package func delay(failures: Int, using generator: inout some RandomNumberGenerator) -> Int64 {
    Int64.random(in: 0...longest(failures: failures), using: &generator)
  }
}
