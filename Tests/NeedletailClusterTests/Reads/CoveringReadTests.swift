import NeedletailEnvironment
import Testing

@testable import NeedletailCluster

@Suite("Whom to ask for what is united")
struct CoveringReadTests {
  private let a = NodeID("a")
  private let b = NodeID("b")
  private let c = NodeID("c")

  private func read(
    _ consistency: QuorumRead.Consistency = .quorum, _ partial: QuorumRead.Partial = .deny, unready: [NodeID] = []
  ) -> CoveringRead {
    let group = SlotGroup(slots: [0, 1], replicas: [a, b, c], ready: [a, b, c].filter { !unready.contains($0) })
    return CoveringRead(
      [group], windows: 0...1, order: [b, a, c], readQuorum: 2, consistency: consistency, partial: partial)
  }

  @Test("as many as are wanted are asked, in the order given, and another one for each that fails or is slow")
  func order() {
    var read = read()
    #expect(read.next() == [b, a])
    #expect(read.next().isEmpty && read.isAwaiting && !read.isWhole)
    read.failed(b, "is gone")
    #expect(read.next() == [c])
    read.hedge()
    #expect(read.next().isEmpty)
    read.answered(c, notReady: [])
    #expect(!read.isWhole)
    read.answered(a, notReady: [])
    #expect(read.isWhole && !read.isAwaiting && read.uses == [a, c])
    #expect(read.coverage.failures == ["b: is gone"] && !read.coverage.isPartial && read.coverage.agreed == 2)
  }

  @Test("a replica that is not ready is used and does not count")
  func unready() {
    var read = read()
    _ = read.next()
    read.answered(b, notReady: [1])
    read.answered(a, notReady: [])
    #expect(read.next() == [c] && !read.isWhole)
    read.failed(c, "is gone")
    #expect(read.next().isEmpty && !read.isAwaiting)
    #expect(read.coverage.short == [1] && read.coverage.unanswered.isEmpty && read.uses == [a, b])
    // Who is known not to be ready is asked only where that is better than nothing.
    var denied = self.read(unready: [a, b])
    #expect(denied.next() == [c])
    var allowed = self.read(.quorum, .allow, unready: [a, b])
    #expect(allowed.next() == [c, b])
  }

  @Test("one, quorum and all ask for one, R and all")
  func consistencies() {
    for (consistency, count) in [(.one, 1), (.quorum, 2), (.all, 3)] as [(QuorumRead.Consistency, Int)] {
      var read = read(consistency)
      #expect(read.next().count == count)
    }
  }

  @Test(
    "whatever fails and is slow, a read that calls itself whole has R ready answers of every slot", arguments: 1...200)
  func quorums(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    let nodes = (0..<5).map { NodeID("n\($0)") }
    let replicas = (0..<16).map { _ in Array(nodes.shuffled(using: &generator).prefix(3)) }
    let unready = Set(
      (0..<6).map { _ in [Int.random(in: 0..<16, using: &generator), Int.random(in: 0..<5, using: &generator)] })
    func isReady(_ slot: UInt16, _ node: NodeID) -> Bool {
      !unready.contains([Int(slot), nodes.firstIndex(of: node) ?? 0])
    }
    let groups = SlotGroup.groups(of: SlotSet(0..<16), replicas: { replicas[Int($0)] }, isReady: { _, _ in true })
    var read = CoveringRead(
      groups, windows: 0...0, order: nodes, readQuorum: 2, consistency: .quorum, partial: .deny)
    var (waiting, answered, asked): ([NodeID], Set<NodeID>, [NodeID]) = ([], [], [])
    repeat {
      let next = read.next()
      asked += next
      waiting += next
      guard let node = waiting.randomElement(using: &generator) else { break }
      waiting.removeAll { $0 == node }
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: read.failed(node, "is gone")
      case 1:
        read.hedge()
        fallthrough
      default:
        read.answered(node, notReady: SlotSet((0..<16 as Range<UInt16>).filter { !isReady($0, node) }))
        answered.insert(node)
      }
    } while !read.isWhole
    let short = (0..<16 as Range<UInt16>).filter { slot in
      replicas[Int(slot)].count { answered.contains($0) && isReady(slot, $0) } < 2
    }
    #expect(Array(read.coverage.short) == short && read.isWhole == short.isEmpty)
    #expect(Set(asked).count == asked.count)
    // Nobody was left who could have helped.
    if !read.isWhole { #expect(read.next().isEmpty && !read.isAwaiting) }
  }
}
