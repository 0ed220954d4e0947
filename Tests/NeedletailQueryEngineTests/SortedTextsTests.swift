import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTestSupport
import Testing

@Suite("Unions of sorted texts")
struct SortedTextsTests {
  @Test("a union is what a set of all lists, sorted by bytes and cut, is; and never longer than its limit")
  func model() {
    let seed = UInt64.random(in: 0...(.max))
    var random = SeededGenerator(seed: seed)
    // The two spellings of é are equal as strings and not as bytes.
    let alphabet = ["a", "b", "\u{e9}", "e\u{301}", "z", "\u{10000}", "\u{ffff}"]
    for _ in 0..<300 {
      let limit = Int.random(in: 0...12, using: &random)
      var union = SortedTexts(limit: limit)
      var all = Set<[UInt8]>()
      for _ in 0..<Int.random(in: 0...5, using: &random) {
        let texts = (0..<Int.random(in: 0...8, using: &random)).map { _ in
          (0..<Int.random(in: 0...2, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "" }.joined()
        }
        let list = Set(texts.map { Array($0.utf8) })
        all.formUnion(list)
        union.add(list.sorted { $0.lexicographicallyPrecedes($1) }.map { String(decoding: $0, as: UTF8.self) })
        #expect(union.elements.count <= limit, "seed \(seed)")
      }
      let wanted = all.sorted { $0.lexicographicallyPrecedes($1) }.prefix(limit)
      #expect(union.elements.map { Array($0.utf8) } == Array(wanted), "seed \(seed)")
    }
  }
}
