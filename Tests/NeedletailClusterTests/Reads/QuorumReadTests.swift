@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@Suite("Quorum reads") struct QuorumReadTests {
  private static let seeds = 1...3000

  @Test("An answer that is not partial has all that was acknowledged before the read began, whatever happens meanwhile")
  func exact() {
    var (whole, partial, failed, united) = (0, 0, 0, 0)
    for seed in Self.seeds {
      var model = QuorumReadModel(seed: UInt64(seed))
      model.run()
      #expect(model.violations.isEmpty, "seed \(seed): \(model.violations)\n\(model.log.joined(separator: "\n"))")
      if let outcome = model.outcome {
        if outcome.coverage.isPartial { partial += 1 } else { whole += 1 }
        if !outcome.united.isEmpty { united += 1 }
      } else {
        failed += 1
      }
      if !model.violations.isEmpty { return }
    }
    // The model reaches all of these often, or it would show little.
    for count in [whole, partial, failed, united] { #expect(count >= 100, "\(whole) \(partial) \(failed) \(united)") }
  }

  @Test("Where all replicas are ready and answer, no answer is partial and none fails")
  func calm() {
    for seed in 1...500 as ClosedRange<UInt64> {
      var model = QuorumReadModel(seed: seed, isCalm: true)
      model.run()
      #expect(model.violations.isEmpty && model.outcome?.coverage.isPartial == false, "seed \(seed) \(model.log)")
    }
  }

  @Test("The same seed reads the same way twice")
  func determinism() {
    for seed in 1...50 as ClosedRange<UInt64> {
      var (one, other) = (QuorumReadModel(seed: seed), QuorumReadModel(seed: seed))
      one.run()
      other.run()
      #expect(one.log == other.log)
    }
  }

  private static let bugs: [PlantedReadBug] = [
    .unreadyVotes, .missingPartial, .digestsOverFewerWindows, .unionDropsSecondReplica, .repairToTheWrongSide,
    .hedgeCountedTwice, .differenceIgnored,
  ]

  private static func seedThatFinds(
    _ bug: PlantedReadBug?, _ replicaBug: QuorumReadModel.ReplicaBug? = nil, within seeds: UInt64 = 500
  ) -> UInt64? {
    (1...seeds).first { seed in
      var model = QuorumReadModel(seed: seed, bug: bug, replicaBug: replicaBug)
      model.run()
      return !model.violations.isEmpty
    }
  }

  @Test("A planted mistake of the read is found within 500 seeds", arguments: bugs)
  private func planted(_ bug: PlantedReadBug) { #expect(Self.seedThatFinds(bug) != nil) }

  @Test("A replica that makes its digest after its data is found within 3,000 seeds")
  func digestAfterData() {
    #expect(Self.seedThatFinds(nil, .digestAfterData, within: 3_000) != nil)
  }

  // MARK: - Shape

  private func plan(_ count: Int, form: QuorumRead.Form = .reduced) -> QuorumRead.Plan {
    let assignment = SlotAssignment(HashRing((0..<count).map { RingMember(NodeID("n\($0)")) }), replicaCount: 3)
    return QuorumRead.Plan(
      groups: SlotGroup.groups(of: SlotSet(0..<1024), replicas: assignment.replicas, isReady: { _, _ in true }),
      windows: 5...6, readQuorum: 2, form: form,
      peers: Dictionary(uniqueKeysWithValues: (0..<count).map { (NodeID("n\($0)"), QuorumRead.Peer()) }),
      deadline: 1_000, hedgeAfter: 100)
  }

  private func asks(_ actions: [QuorumRead.Action]) -> [QuorumRead.Ask] {
    actions.compactMap { if case .ask(let ask) = $0 { ask } else { nil } }
  }

  @Test(
    "A read over all slots asks each of five nodes once, for data of about a fifth and digests of as much",
    arguments: [1, 2, 3])
  func spread(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var read = QuorumRead(plan(5))
    let asks = asks(read.begin(now: 0, using: &generator))
    #expect(asks.count == 5 && Set(asks.map(\.node)).count == 5)
    #expect(asks.reduce(0) { $0 + $1.reduced.reduce(0) { $0 + $1.count } } == 1024)
    for ask in asks { #expect(ask.reduced.reduce(0) { $0 + $1.count } <= 410, "\(ask.node)") }
    #expect(asks.reduce(0) { $0 + $1.digests.count } == 1024)
    var last: [QuorumRead.Action] = []
    for ask in asks {
      let digests = Dictionary(uniqueKeysWithValues: ask.slots.map { ($0, RangeDigest(high: 1, low: 2, count: 3)) })
      let answer = QuorumRead.Answer(windows: 5...6, digests: digests, reduced: Array(ask.reduced.indices))
      last = read.answered(ask.id, answer, now: 1)
    }
    guard case .complete(let outcome)? = last.first else {
      Issue.record("\(last)")
      return
    }
    #expect(outcome.coverage.text == "slots=1024/1024 replicas=2/3 partial=false windows=5..6")
    #expect(outcome.united.isEmpty && last.count == 1)
  }

  @Test("A slow replica is hedged once, the first data wins, and what comes late still tells what its node has")
  func hedge() {
    var generator = SeededGenerator(seed: 4)
    var plan = plan(3, form: .series)
    plan.groups = [
      SlotGroup(slots: [7], replicas: ["a", "b", "c"].map { NodeID($0) }, ready: ["a", "b", "c"].map { NodeID($0) })
    ]
    plan.peers = Dictionary(uniqueKeysWithValues: ["a", "b", "c"].map { (NodeID($0), QuorumRead.Peer()) })
    var read = QuorumRead(plan)
    let first = asks(read.begin(now: 0, using: &generator))
    guard let slow = first.first(where: { !$0.series.isEmpty }), let quick = first.first(where: { $0.series.isEmpty })
    else {
      Issue.record("\(first)")
      return
    }
    #expect(first.count == 2 && read.wakeAt == 100)
    func answer(_ low: UInt64, _ series: SlotSet = []) -> QuorumRead.Answer {
      QuorumRead.Answer(windows: 5...6, digests: [7: RangeDigest(high: 0, low: low, count: 1)], series: series)
    }
    #expect(read.answered(quick.id, answer(1), now: 50).isEmpty)
    let hedges = asks(read.tick(now: 100))
    // The one whose digest is there is asked for its data, and another one tells what it has.
    #expect(hedges.count == 2 && hedges.contains { $0.node == quick.node && $0.series == [7] })
    #expect(read.tick(now: 101).isEmpty)
    guard let data = hedges.first(where: { !$0.series.isEmpty }) else { return }
    #expect(read.answered(data.id, answer(1, [7]), now: 110).isEmpty)
    let last = read.answered(slow.id, answer(1, [7]), now: 120)
    guard case .complete(let outcome)? = last.last else {
      Issue.record("\(last)")
      return
    }
    #expect(outcome.uses == [QuorumRead.Use(ask: data.id, node: data.node, reduction: nil, slots: [7])])
    #expect(outcome.coverage.agreed == 2 && !outcome.coverage.isPartial)
  }

  /// The two who are asked first are slow. The second one's data comes, then the third one's digest of something more,
  /// then at last the digest that the second one was asked for first: by now it has that too, and its data has not.
  private func endsWithLateDigest(_ bug: PlantedReadBug?, seed: UInt64) -> Bool {
    var generator = SeededGenerator(seed: seed)
    var plan = plan(3, form: .series)
    let nodes = ["a", "b", "c"].map { NodeID($0) }
    plan.groups = [SlotGroup(slots: [7], replicas: nodes, ready: nodes)]
    plan.peers = Dictionary(uniqueKeysWithValues: nodes.map { ($0, QuorumRead.Peer()) })
    var read = QuorumRead(plan)
    read.bug = bug
    let first = asks(read.begin(now: 0, using: &generator))
    let second = asks(read.tick(now: 100))
    func answer(_ low: UInt64, _ series: SlotSet) -> QuorumRead.Answer {
      QuorumRead.Answer(windows: 5...6, digests: [7: RangeDigest(high: 0, low: low, count: low)], series: series)
    }
    guard let late = first.first(where: { $0.series.isEmpty }), let data = second.first(where: { !$0.series.isEmpty }),
      let third = second.first(where: { $0.series.isEmpty }), data.node == late.node
    else { return false }
    _ = read.answered(data.id, answer(1, [7]), now: 110)
    let more = asks(read.answered(third.id, answer(2, []), now: 120))
    #expect(more.count == 1 && more.first?.node == third.node && more.first?.series == [7])
    return !read.answered(late.id, answer(2, []), now: 130).isEmpty
  }

  @Test(
    "A digest that comes late does not stand for data that was read before it", arguments: 1...20 as ClosedRange<UInt64>
  )
  func lateDigest(seed: UInt64) {
    #expect(!endsWithLateDigest(nil, seed: seed))
    #expect(endsWithLateDigest(.lateDigestReplacesThatOfData, seed: seed))
  }

  @Test("A slot that is done stays whole, whatever its replicas have later")
  func done() {
    var generator = SeededGenerator(seed: 6)
    var plan = plan(3, form: .series)
    let nodes = ["a", "b", "c"].map { NodeID($0) }
    plan.groups = nodes.map { SlotGroup(slots: [UInt16($0.rawValue.utf8.first ?? 0)], replicas: nodes, ready: nodes) }
    plan.peers = Dictionary(uniqueKeysWithValues: nodes.map { ($0, QuorumRead.Peer()) })
    var read = QuorumRead(plan)
    var open = asks(read.begin(now: 0, using: &generator))
    open += asks(read.tick(now: 100))
    var last: [QuorumRead.Action] = []
    // Every answer tells of more than the one before it, but for the first of each node.
    var seen: Set<NodeID> = []
    while !open.isEmpty, last.isEmpty {
      let ask = open.removeFirst()
      let more: UInt64 = seen.insert(ask.node).inserted ? 1 : UInt64(2 + open.count)
      let digests = Dictionary(
        uniqueKeysWithValues: ask.slots.map { ($0, RangeDigest(high: 0, low: more, count: more)) })
      let answer = QuorumRead.Answer(windows: 5...6, digests: digests, series: ask.series)
      let actions = read.answered(ask.id, answer, now: 101)
      open += asks(actions)
      if asks(actions).isEmpty { last = actions }
    }
    guard case .complete(let outcome)? = last.last else {
      Issue.record("\(last)")
      return
    }
    #expect(!outcome.coverage.isPartial)
  }

  @Test("What groups come to as a whole is asked first, and slot by slot only where that differs or is not enough")
  func sums() {
    func answer(_ ask: QuorumRead.Ask, _ digests: [UInt16: UInt64], notReady: SlotSet = []) -> QuorumRead.Answer {
      let digests = ask.digests { RangeDigest(high: 0, low: digests[$0] ?? 0, count: digests[$0] ?? 0) }
      return QuorumRead.Answer(windows: 5...6, digests: digests, notReady: notReady, series: ask.series)
    }
    let nodes = ["a", "b", "c"].map { NodeID($0) }
    var plan = plan(3)
    (plan.sumsFirst, plan.form) = (true, .series)
    plan.groups = [SlotGroup(slots: [1, 2, 3], replicas: nodes, ready: nodes)]
    plan.peers[nodes[0]]?.isOwn = true
    let same: [UInt16: UInt64] = [1: 4, 2: 5, 3: 6]
    let cases: [(other: [UInt16: UInt64], notReady: SlotSet)] = [(same, []), ([1: 4, 2: 7, 3: 6], []), (same, [2])]
    for (other, notReady) in cases {
      var generator = SeededGenerator(seed: 5)
      var read = QuorumRead(plan)
      let first = asks(read.begin(now: 0, using: &generator))
      let all: SlotSet = [1, 2, 3]
      #expect(first.map(\.sums) == [[all], [all]] && first.map(\.series) == [all, SlotSet()])
      #expect(first.map { answer($0, same).digests.count } == [1, 1])
      var open = first
      var last: [QuorumRead.Action] = []
      while !open.isEmpty {
        let ask = open.removeFirst()
        last = read.answered(
          ask.id, answer(ask, ask.node == nodes[0] ? same : other, notReady: ask.node == nodes[1] ? notReady : []),
          now: 1)
        open += asks(last)
        #expect(open.allSatisfy { $0.sums.isEmpty == ($0.id > 1) } || !notReady.isEmpty)
      }
      guard case .complete(let outcome)? = last.last else {
        Issue.record("\(last)")
        return
      }
      #expect(!outcome.coverage.isPartial && outcome.coverage.asked == all)
      #expect(outcome.uses.reduce(into: SlotSet()) { $0.formUnion($1.slots) } == all)
      #expect(outcome.united == (other == same ? SlotSet() : [2]))
      #expect(read.isSummed == (other == same))
      #expect(
        last.contains { if case .repair(let pair) = $0 { pair.slots == [2] } else { false } } == (other != same))
    }
  }

  @Test("Too few ready replicas fail a read at once where partial answers are denied, and are told where they are not")
  func partial() {
    var generator = SeededGenerator(seed: 5)
    var plan = plan(3)
    plan.groups = [SlotGroup(slots: [1, 2], replicas: ["a", "b", "c"].map { NodeID($0) }, ready: [NodeID("b")])]
    var read = QuorumRead(plan)
    guard case .fail(.partial(let coverage))? = read.begin(now: 0, using: &generator).first else {
      Issue.record("no failure")
      return
    }
    #expect(coverage.text == "slots=0/2 replicas=0/3 partial=true windows=5..6")
    // Of another group it is not known yet, and nothing is said against it.
    let names = ["a", "b", "c"].map { NodeID($0) }
    let others = SlotGroup(slots: [3, 4, 5], replicas: names, ready: names)
    var both = plan
    both.groups.append(others)
    read = QuorumRead(both)
    guard case .fail(.partial(let lost))? = read.begin(now: 0, using: &generator).first else {
      Issue.record("no failure")
      return
    }
    #expect(lost.asked == [1, 2, 3, 4, 5] && lost.short == [1, 2])
    plan.partial = .allow
    read = QuorumRead(plan)
    let asks = asks(read.begin(now: 0, using: &generator))
    #expect(asks.map(\.node) == [NodeID("b")])
    let digests = [1: RangeDigest(), 2: RangeDigest()] as [UInt16: RangeDigest]
    let last = read.answered(0, QuorumRead.Answer(windows: 5...6, digests: digests, reduced: [0]), now: 1)
    guard case .complete(let outcome)? = last.last else {
      Issue.record("\(last)")
      return
    }
    #expect(outcome.coverage.text == "slots=0/2 replicas=1/3 partial=true windows=5..6")
    #expect(outcome.coverage.unanswered.isEmpty && outcome.uses.count == 1)
  }
}
