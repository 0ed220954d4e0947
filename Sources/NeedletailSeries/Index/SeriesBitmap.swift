/// A set of series of one index, one bit each.
struct SeriesBitmap: Sendable {
  private var words: [UInt64]
  let universe: Int

  init(universe: Int) {
    self.universe = universe
    words = [UInt64](repeating: 0, count: (universe + 63) / 64)
  }

  @inline(__always) mutating func insert(_ series: Int) { words[series >> 6] |= 1 << UInt64(series & 63) }

  @inline(__always) func contains(_ series: Int) -> Bool { words[series >> 6] & (1 << UInt64(series & 63)) != 0 }

  mutating func insert(_ range: Range<Int>) {
    for series in range { insert(series) }
  }

  mutating func formIntersection(_ other: SeriesBitmap) {
    for index in words.indices { words[index] &= other.words[index] }
  }

  mutating func subtract(_ other: SeriesBitmap) {
    for index in words.indices { words[index] &= ~other.words[index] }
  }

  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// Calls `body` with every member, ascending.
  func forEach(_ body: (Int) throws -> Void) rethrows {
    for (index, word) in words.enumerated() {
      var rest = word
      while rest != 0 {
        try body(index << 6 | rest.trailingZeroBitCount)
        rest &= rest - 1
      }
    }
  }
}
