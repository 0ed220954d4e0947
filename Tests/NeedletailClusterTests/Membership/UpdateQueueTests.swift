import NeedletailEnvironment
import Testing

@testable import NeedletailCluster

@Suite("News that is still to be passed on") struct UpdateQueueTests {
  @Test("What was passed on least goes first, and nothing more often than allowed", arguments: 0..<20 as Range<UInt64>)
  func model(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var queue = UpdateQueue()
    var told: [NodeID: Int] = [:]
    let limit = 4
    for _ in 0..<400 {
      if random.next() % 4 != 0 {
        let node = NodeID("n\(random.next() % 48)")
        queue.add(node)
        told[node] = 0
      }
      if random.next() % 4 == 0 {
        let node = NodeID("n\(random.next() % 48)")
        queue.heardAgain(node, limit: limit)
        if told.count > UpdateQueue.manyCount, let times = told[node] {
          told[node] = times + 1 < limit ? times + 1 : nil
        }
      }
      let taken = queue.take(bytes: Int(random.next() % 40), limit: limit) { _ in 10 }
      #expect(Set(taken).count == taken.count, "seed \(seed)")
      let least = told.filter { !taken.contains($0.key) }.values.min() ?? .max
      for node in taken { #expect(told[node].map { $0 <= least } ?? false, "seed \(seed): \(node) before others") }
      for node in taken { told[node, default: 0] += 1 }
      told = told.filter { $0.value < limit }
      #expect(queue.count == told.count, "seed \(seed)")
    }
  }

  @Test("News that is larger than the room goes alone")
  func large() {
    var queue = UpdateQueue()
    queue.add(NodeID("a"))
    queue.add(NodeID("b"))
    let first = queue.take(bytes: 5, limit: 2) { _ in 10 }
    let second = queue.take(bytes: 5, limit: 2) { _ in 10 }
    #expect(first == [NodeID("b")] && second == [NodeID("a")])
  }
}
