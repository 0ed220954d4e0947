import NeedletailTelemetry
import Testing

@Suite("Rows are sorted by what is at them")
struct RowSortTests {
  @Test("what is equal stays in the order of its numbers, and no row is lost or doubled")
  func isStable() {
    let seed = UInt64.random(in: 1...(.max))
    var state = seed
    for count in [0, 1, 2, 3, 31, 64, 65, 1000] {
      var keys: [UInt64] = []
      for _ in 0..<count {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        keys.append(state >> 60)
      }
      let order = RowSort.order(count) { keys[$0] < keys[$1] }
      #expect(order.sorted() == Array(0..<count), "seed \(seed)")
      for (left, right) in zip(order, order.dropFirst()) {
        #expect((keys[left], left) < (keys[right], right), "seed \(seed)")
      }
    }
  }

  @Test("fewer rows than none are none")
  func negativeCount() {
    #expect(RowSort.order(-1) { $0 < $1 }.isEmpty)
  }
}
