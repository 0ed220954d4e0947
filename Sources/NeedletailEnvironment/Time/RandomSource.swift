/// The door to randomness.
package protocol RandomSource: Sendable {
  /// 64 random bits. Safe to call from any thread.
  func next() -> UInt64
}

/// The machine's own random bits.
///
/// About 280 ns a call: for identities and seeds, not for hot paths.
package struct SystemRandomSource: RandomSource {
  /// The one there is.
  package init() {}

  package func next() -> UInt64 {
    var generator = SystemRandomNumberGenerator()
    return generator.next()
  }
}

/// A small, fast, seeded generator (xoshiro256**, Blackman and Vigna 2018).
///
/// Not for secrets.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: (UInt64, UInt64, UInt64, UInt64)

  /// A generator whose whole stream follows from `seed`.
  package init(seed: UInt64) {
    // splitmix64 spreads any seed, zero included, over the four words.
    var word = seed
    func spread() -> UInt64 {
      word &+= 0x9E37_79B9_7F4A_7C15
      var mixed = word
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }
    state = (spread(), spread(), spread(), spread())
  }

  package mutating func next() -> UInt64 {
    let product = state.1 &* 5
    let result = ((product << 7) | (product >> 57)) &* 9
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = (state.3 << 45) | (state.3 >> 19)
    return result
  }
}

/// A seeded stream that threads may share.
package final class SeededRandomSource: RandomSource {
  private let generator: Lock<SeededGenerator>

  /// A source whose whole stream follows from `seed`.
  package init(seed: UInt64) { generator = Lock(SeededGenerator(seed: seed)) }

  package func next() -> UInt64 { generator.withLock { $0.next() } }
}
