@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@Suite("Coverage of answers") struct SlotCoverageTests {
  private func coverage(_ generator: inout SeededGenerator) -> SlotCoverage {
    let asked = SlotSet((0..<generator.below(20)).map { _ in UInt16(generator.below(200)) })
    let short = SlotSet(asked.filter { _ in generator.chance(0.3) })
    return SlotCoverage(
      asked: asked, short: short, unanswered: SlotSet(short.filter { _ in generator.chance(0.3) }),
      agreed: asked.isEmpty ? 0 : generator.below(4), replicas: asked.isEmpty ? 0 : 3,
      windows: asked.isEmpty ? nil : Int64(generator.below(9))...9,
      failures: (0..<generator.below(3)).map { "failure \($0)" })
  }

  @Test("Merging hangs neither on the order nor on how often, and never makes a partial answer whole")
  func merging() {
    var generator = SeededGenerator(seed: 11)
    for _ in 0..<300 {
      let (one, two, three) = (coverage(&generator), coverage(&generator), coverage(&generator))
      var left = one
      left.merge(two)
      left.merge(three)
      var right = three
      right.merge(one)
      right.merge(two)
      right.merge(one)
      if !one.asked.isEmpty, !two.asked.isEmpty, !three.asked.isEmpty { #expect(left == right) }
      #expect(left.isPartial == (one.isPartial || two.isPartial || three.isPartial))
    }
  }

  @Test("Sets of slots are sets, and come back from their bytes")
  func slotSets() throws {
    var generator = SeededGenerator(seed: 12)
    for _ in 0..<300 {
      let limit = generator.chance(0.5) ? 150 : 65_536
      let (one, other) = (0..<2).map { _ in Set((0..<generator.below(80)).map { _ in UInt16(generator.below(limit)) }) }
        .splitPair
      var (union, rest) = (SlotSet(one), SlotSet(one))
      union.formUnion(SlotSet(other))
      rest.subtract(SlotSet(other))
      #expect(Array(union) == one.union(other).sorted() && union.count == one.union(other).count)
      #expect(rest == SlotSet(one.subtracting(other)))
      #expect(SlotSet(one).isSubset(of: SlotSet(other)) == one.isSubset(of: other))
      #expect(SlotSet(one).isDisjoint(with: SlotSet(other)) == one.isDisjoint(with: other))
      var writer = ByteWriter()
      union.write(to: &writer)
      #expect(try writer.bytes.withReader { (reader) throws(MalformedBytes) in try SlotSet(from: &reader) } == union)
    }
  }
}

extension [Set<UInt16>] {
  fileprivate var splitPair: (Set<UInt16>, Set<UInt16>) { (self[0], self[1]) }
}
