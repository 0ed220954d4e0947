import NeedletailEnvironment
import Testing

@testable import NeedletailSeries

extension SeriesBitmap {
  /// The series in it, ascending.
  var members: [Int] {
    var members: [Int] = []
    forEach { members.append($0) }
    return members
  }
}

@Suite("Sets of series")
struct SeriesBitmapTests {
  @Test("are what sets are, whatever is done to them", arguments: 1...40 as ClosedRange<UInt64>)
  func model(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let universe = Int.random(in: 0...700, using: &random)
    var bitmaps = [SeriesBitmap](repeating: SeriesBitmap(universe: universe), count: 3)
    var sets = [Set<Int>](repeating: [], count: 3)
    for _ in 0..<200 {
      let (one, other) = (Int.random(in: 0..<3, using: &random), Int.random(in: 0..<3, using: &random))
      switch Int.random(in: 0..<8, using: &random) {
      case 0...2 where universe > 0:
        let series = Int.random(in: 0..<universe, using: &random)
        bitmaps[one].insert(series)
        sets[one].insert(series)
      case 3 where universe > 0:
        let series = Int.random(in: 0..<universe, using: &random)
        bitmaps[one].remove(series)
        sets[one].remove(series)
      case 4:
        let first = Int.random(in: 0...universe, using: &random)
        let range = first..<min(universe, first + Int.random(in: 0...200, using: &random))
        bitmaps[one].insert(range)
        sets[one].formUnion(range)
      case 5:
        let taken = bitmaps[other]
        bitmaps[one].formIntersection(taken)
        sets[one].formIntersection(sets[other])
      case 6:
        let taken = bitmaps[other]
        bitmaps[one].subtract(taken)
        sets[one].subtract(sets[other])
      default:
        bitmaps[one] = SeriesBitmap(universe: universe)
        sets[one] = []
      }
      let limit = Int.random(in: 0...8, using: &random)
      #expect(bitmaps[one].members == sets[one].sorted())
      #expect(bitmaps[one].isEmpty == sets[one].isEmpty)
      #expect(bitmaps[one].hasFewer(than: limit) == (sets[one].count < limit))
      #expect((0..<universe).allSatisfy { bitmaps[one].contains($0) == sets[one].contains($0) })
    }
  }
}
