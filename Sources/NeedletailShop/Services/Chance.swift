import NeedletailEnvironment

/// Seeded chance, shared by the tasks of one service.
final class Chance: Sendable {
  private let state: Lock<UInt64>

  /// - Parameters:
  ///   - seed: the shop's seed.
  ///   - role: sets the services' sequences apart.
  init(seed: UInt64, role: ShopRole) {
    let salt = role.rawValue.utf8.reduce(UInt64(0)) { $0 &* 131 &+ UInt64($1) }
    state = Lock(seed &+ salt &* 0x9e37_79b9_7f4a_7c15)
  }

  /// A number from 0 up to, not including, 1.
  func unit() -> Double {
    let bits = state.withLock { state in
      // SplitMix64 (Steele, Lea, Flood 2014).
      state &+= 0x9e37_79b9_7f4a_7c15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
      return mixed ^ (mixed >> 31)
    }
    return Double(bits >> 11) * 0x1p-53
  }

  /// Whether something happens that does with a probability.
  func happens(_ probability: Double) -> Bool { unit() < probability }

  /// A whole number from 0 up to, not including, a count.
  func index(below count: Int) -> Int { min(count - 1, Int(unit() * Double(count))) }

  /// A time between two, in milliseconds; most are near the shorter.
  func milliseconds(_ shortest: Double, _ longest: Double) -> Duration {
    let share = unit()
    return .microseconds(Int64((shortest + (longest - shortest) * share * share * share) * 1_000))
  }
}
