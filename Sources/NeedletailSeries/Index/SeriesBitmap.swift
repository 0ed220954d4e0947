/// A set of series of one index, one bit each.
///
/// It knows between which words its members lie, so that what is done with few of many series touches little more than
/// these.
struct SeriesBitmap: Sendable {
  private var words: [UInt64]
  /// Words outside of it are zero.
  private var low: Int
  private var high = 0
  let universe: Int

  init(universe: Int) {
    self.universe = universe
    words = [UInt64](repeating: 0, count: (universe + 63) / 64)
    low = words.count
  }

  private var window: Range<Int> { low < high ? low..<high : 0..<0 }

  private mutating func include(_ word: Int) {
    if word < low { low = word }
    if word >= high { high = word + 1 }
  }

  @inline(__always) mutating func insert(_ series: Int) {
    let word = series >> 6
    words[word] |= 1 << UInt64(series & 63)
    include(word)
  }

  @inline(__always) mutating func remove(_ series: Int) { words[series >> 6] &= ~(1 << UInt64(series & 63)) }

  @inline(__always) func contains(_ series: Int) -> Bool { words[series >> 6] & (1 << UInt64(series & 63)) != 0 }

  mutating func insert(_ range: Range<Int>) {
    var series = range.lowerBound
    while series < range.upperBound {
      if series & 63 == 0, series + 64 <= range.upperBound {
        words[series >> 6] = .max
        include(series >> 6)
        series += 64
      } else {
        insert(series)
        series += 1
      }
    }
  }

  mutating func formIntersection(_ other: SeriesBitmap) {
    let both = window.clamped(to: other.window)
    for index in window where !both.contains(index) { words[index] = 0 }
    for index in both { words[index] &= other.words[index] }
    (low, high) = both.isEmpty ? (words.count, 0) : (both.lowerBound, both.upperBound)
  }

  mutating func subtract(_ other: SeriesBitmap) {
    for index in window.clamped(to: other.window) { words[index] &= ~other.words[index] }
  }

  var isEmpty: Bool { window.allSatisfy { words[$0] == 0 } }

  /// Whether there are fewer members than so many.
  func hasFewer(than limit: Int) -> Bool {
    var count = 0
    for index in window where words[index] != 0 {
      count += words[index].nonzeroBitCount
      if count >= limit { return false }
    }
    return count < limit
  }

  /// Calls `body` with every member, ascending.
  func forEach(_ body: (Int) throws -> Void) rethrows {
    for index in window {
      var rest = words[index]
      while rest != 0 {
        try body(index << 6 | rest.trailingZeroBitCount)
        rest &= rest - 1
      }
    }
  }
}
