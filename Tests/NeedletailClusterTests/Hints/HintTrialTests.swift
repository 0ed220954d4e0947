import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("A queue of hints") struct HintTrialTests {
  @Test(
    "keeps, delivers in order, releases and gives up what a model of every hint says",
    arguments: 0..<20 as Range<UInt64>)
  func trials(block: UInt64) {
    var delivered = 0
    for seed in block * 10..<block * 10 + 10 {
      let trial = HintTrial.run(seed: seed)
      #expect(trial.violations.isEmpty, "seed \(seed): \(trial.violations.first ?? "")")
      delivered += trial.delivered
    }
    #expect(delivered > 100)
  }

  private func id(_ number: UInt64) -> WriteID { WriteID(Hash128(high: 0, low: number)) }

  private func same(
    _ actions: [HintQueue.Action], _ wanted: [HintQueue.Action], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(actions == wanted, sourceLocation: sourceLocation)
  }

  @Test("tells of a hint when it is durable, and releases what lies before the first that the node lacks")
  func order() {
    var limits = HintLimits()
    limits.window = 2
    var queue = HintQueue(for: NodeID("a"), limits: limits)
    for number in 1...3 as ClosedRange<UInt64> {
      same(queue.append(id(number), bytes: 10, slots: HintedSlots([1]), now: 0), [.store(sequence: number, id(number))])
    }
    // The first is not durable yet, so that the second has to wait.
    same(queue.stored(2, now: 0), [.hinted(id(2))])
    same(
      queue.stored(1, now: 0), [.hinted(id(1)), .deliver(sequence: 1, attempt: 1), .deliver(sequence: 2, attempt: 1)])
    same(queue.stored(3, now: 0), [.hinted(id(3))])
    same(queue.acknowledged(2, now: 0), [])
    same(queue.acknowledged(1, now: 0), [.release(upTo: 2), .deliver(sequence: 3, attempt: 1)])
    same(queue.acknowledged(1, now: 0), [])
    same(queue.acknowledged(3, now: 0), [.release(upTo: 3)])
    #expect(queue.count == 0 && queue.bytes == 0 && queue.nextTick == nil && queue.counters.delivered == 3)
  }

  @Test("that is made anew delivers all that the log still has, and numbers go on")
  func restored() {
    var generator = SeededGenerator(seed: 1)
    let stored = [4, 7].map { HintQueue.Stored(sequence: $0, bytes: 5, time: -50, slots: HintedSlots([9])) }
    var queue = HintQueue(for: NodeID("a"), stored: stored, next: 12)
    #expect(queue.count == 2 && queue.bytes == 10 && queue.nextTick ?? .max <= 0)
    same(queue.tick(now: 0, using: &generator), [.deliver(sequence: 4, attempt: 1), .deliver(sequence: 7, attempt: 1)])
    same(queue.append(id(1), bytes: 1, slots: HintedSlots([2]), now: 0), [.store(sequence: 12, id(1))])
    same(queue.acknowledged(7, now: 0), [])
    same(queue.acknowledged(4, now: 0), [.release(upTo: 7)])
  }

  @Test("of a node that was removed drops and counts its hints, until the node is there again")
  func removed() {
    var queue = HintQueue(for: NodeID("a"))
    _ = queue.append(id(1), bytes: 5, slots: HintedSlots([9]), now: 0)
    _ = queue.append(id(2), bytes: 5, slots: HintedSlots([9]), now: 0)
    _ = queue.stored(1, now: 0)
    same(queue.nodeRemoved(), [.hintGivenUp(id(2)), .release(upTo: 2)])
    same(queue.stored(2, now: 0), [])
    same(queue.append(id(3), bytes: 5, slots: HintedSlots([9]), now: 0), [.hintGivenUp(id(3))])
    #expect(queue.counters.removed == 3 && queue.bytes == 0)
    same(queue.nodeUp(now: 1), [])
    same(queue.append(id(3), bytes: 5, slots: HintedSlots([9]), now: 0), [.store(sequence: 3, id(3))])
  }

  @Test("of which slots have moved away gives up what the node still holds of them, and takes the rest for settled")
  func moved() {
    var queue = HintQueue(for: NodeID("a"))
    for number in 1...2 as ClosedRange<UInt64> {
      _ = queue.append(id(number), bytes: 5, slots: HintedSlots([7, 900]), now: 0)
      _ = queue.stored(number, now: 0)
    }
    same(queue.moved(1, attempt: 2, held: HintedSlots([7]), now: 0), [])
    same(
      queue.moved(1, attempt: 1, held: HintedSlots([7, 8]), now: 0),
      [.gaveUp(HintedSlots([7]), count: 1), .release(upTo: 1)])
    same(queue.moved(2, attempt: 1, held: HintedSlots([8, 901]), now: 0), [.release(upTo: 2)])
    #expect(queue.counters.refused == 1 && queue.counters.superseded == 1 && queue.inFlight == 0)
    #expect(queue.count == 0 && queue.bytes == 0)
  }

  @Test("of slots is a set, whatever their order and number", arguments: 1...20 as ClosedRange<UInt64>)
  func slots(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let lists = (0..<2).map { _ in
      (0..<Int.random(in: 0...50, using: &generator)).map { _ in UInt16.random(in: 0 ... .max, using: &generator) }
    }
    var union = HintedSlots(lists[0])
    union.formUnion(HintedSlots(lists[1]))
    #expect(union.slots == Set(lists[0] + lists[1]).sorted(), "seed \(seed)")
    var other = HintedSlots(lists[1])
    other.formUnion(HintedSlots(lists[0]))
    #expect(other == union, "seed \(seed)")
    let common = HintedSlots(lists[0]).intersection(HintedSlots(lists[1]))
    #expect(common.slots == Set(lists[0]).intersection(lists[1]).sorted(), "seed \(seed)")
    #expect(common.isEmpty == common.slots.isEmpty)
  }
}
