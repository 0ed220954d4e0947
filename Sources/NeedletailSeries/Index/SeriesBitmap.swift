/// A set of series of one index, one bit each.
struct SeriesBitmap: Sendable {
  private var words: [UInt64]
  let universe: Int

  init(universe: Int) {
    self.universe = universe
    words = [UInt64](repeating: 0, count: (universe + 63) / 64)
  }

  @inline(__always) mutating func insert(_ series: Int) { words[series >> 6] |= 1 << UInt64(series & 63) }

  @inline(__always) mutating func remove(_ series: Int) { words[series >> 6] &= ~(1 << UInt64(series & 63)) }

  @inline(__always) func contains(_ series: Int) -> Bool { words[series >> 6] & (1 << UInt64(series & 63)) != 0 }

  mutating func insert(_ range: Range<Int>) {
    var series = range.lowerBound
    while series < range.upperBound {
      if series & 63 == 0, series + 64 <= range.upperBound {
        words[series >> 6] = .max
        series += 64
      } else {
        insert(series)
        series += 1
      }
    }
  }

  mutating func formIntersection(_ other: SeriesBitmap) {
    for index in words.indices { words[index] &= other.words[index] }
  }

  mutating func subtract(_ other: SeriesBitmap) {
    for index in words.indices { words[index] &= ~other.words[index] }
  }

  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// How many members there are.
  var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

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
