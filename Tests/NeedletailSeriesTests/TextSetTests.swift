import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Sets of texts")
struct TextSetTests {
  @Test(
    "texts come back sorted and once each, also where the set was thinned out on the way", arguments: [1, 300, 50_000])
  func sorted(count: Int) {
    var generator = TelemetryGenerator(seed: UInt64(count))
    var set = TextSet()
    var model = Set<String>()
    for _ in 0..<count {
      let text = "v\(generator.int(0...count))"
      set.add(text)
      // The same ones over and over are what thinning out is for.
      set.add("often")
      model.insert(text)
    }
    if count > 0 { model.insert("often") }
    let expected = model.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    #expect(set.sorted(limit: .max) == expected)
    #expect(set.sorted(limit: 7) == Array(expected.prefix(7)))
  }

  @Test("an empty set has nothing")
  func empty() { #expect(TextSet().sorted(limit: 5).isEmpty) }
}

extension TextSet {
  fileprivate mutating func add(_ text: String) { Array(text.utf8).withUnsafeBytes { add($0) } }
}
