@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// One read of replicas whose contents are known, with everything else left to chance: who is down, slow, emptied or
/// not what the reader takes it for, what is written meanwhile, in which order answers come, how often, and of which
/// instant they are.
struct QuorumReadModel {
  /// Mistakes of a replica, which a reader cannot make up for: the rules bar them.
  enum ReplicaBug { case digestAfterData }

  private struct Pending {
    var ask: QuorumRead.Ask
    var epoch: Int
    /// The answer's first half, and what the data had; nil before that was made.
    var digests: [UInt16: RangeDigest]?
    var notReady: SlotSet = []
    var data: [UInt16: Set<ClusterItem>]?
    var windows: ClosedRange<Int64>
  }

  private var generator: SeededGenerator
  private let nodes: [NodeID]
  private let slotCount: Int
  private let isCalm: Bool
  /// Of a hundred steps how many write.
  private let writeRate: Int
  private let writeQuorum: Int
  private var replicas: [[Int]] = []
  private var items: [ClusterItem] = []
  private var held: [Set<ClusterItem>] = []
  private var acknowledged: Set<ClusterItem> = []
  private var isDown: [Bool]
  private var epochs: [Int]
  private var unready: [Set<UInt16>]
  private var plan: QuorumRead.Plan
  private var read: QuorumRead
  private var now: UInt64 = 0
  private var pending: [Pending] = []
  private var answered: [(node: Int, ask: Int, answer: QuorumRead.Answer)] = []
  private var delivered: [Int: [UInt16: Set<ClusterItem>]] = [:]
  /// By their number.
  private var asks: [Int: QuorumRead.Ask] = [:]
  private var askCount: [NodeID: [UInt16: Int]] = [:]
  private let replicaBug: ReplicaBug?
  private(set) var violations: [String] = []
  private(set) var log: [String] = []

  /// What became of the read.
  private(set) var outcome: QuorumRead.Outcome?
  private(set) var failure: QuorumRead.Failure?

  init(seed: UInt64, bug: PlantedReadBug? = nil, replicaBug: ReplicaBug? = nil, isCalm: Bool = false) {
    var generator = SeededGenerator(seed: seed)
    self.replicaBug = replicaBug
    self.isCalm = isCalm
    writeRate = [2, 10, 30][generator.below(3)]
    let count = 3 + generator.below(3)
    let replicaCount = 3 + generator.below(count - 2)
    writeQuorum = replicaCount / 2 + 1
    slotCount = 1 + generator.below(4)
    nodes = (0..<count).map { NodeID("n\($0)") }
    isDown = (0..<count).map { _ in !isCalm && generator.chance(0.12) }
    epochs = Array(repeating: 0, count: count)
    unready = Array(repeating: [], count: count)
    held = Array(repeating: [], count: count)
    for _ in 0..<slotCount {
      replicas.append(Array((0..<count).shuffled(using: &generator).prefix(replicaCount)).sorted())
    }
    let first = Int64(generator.below(2))
    plan = QuorumRead.Plan(
      groups: [], windows: first...(first + Int64(generator.below(3))), readQuorum: replicaCount - writeQuorum + 1,
      peers: [:], deadline: 400, hedgeAfter: UInt64(10 + generator.below(60)))
    read = QuorumRead(plan)
    self.generator = generator
    fillReplicas()
    makePlan()
    read = QuorumRead(plan)
    read.bug = bug
  }

  private mutating func fillReplicas() {
    for number in 0..<(generator.chance(0.5) ? 1 + generator.below(4) : 4 + generator.below(16)) {
      let item = ClusterItem(number, slots: slotCount, windows: 4, using: &generator)
      items.append(item)
      let all = replicas[Int(item.slot)].shuffled(using: &generator)
      let some = all.prefix(1 + generator.below(all.count))
      for node in some { held[node].insert(item) }
      if some.count >= writeQuorum { acknowledged.insert(item) }
    }
    for slot in replicas.indices where !isCalm {
      for node in replicas[slot].shuffled(using: &generator).prefix(generator.below(writeQuorum)) {
        unready[node].insert(UInt16(slot))
        // By number: a run follows from its seed, not from the order of a set.
        for item in items where Int(item.slot) == slot && !generator.chance(0.3) { held[node].remove(item) }
      }
    }
  }

  private mutating func makePlan() {
    plan.consistency = isCalm || generator.chance(0.8) ? .quorum : generator.chance(0.5) ? .one : .all
    plan.partial = Bool.random(using: &generator) ? .allow : .deny
    plan.form = Bool.random(using: &generator) ? .reduced : .series
    plan.sumsFirst = Bool.random(using: &generator)
    let reader = generator.below(2 * nodes.count)
    for node in nodes.indices {
      let isSeenDown = isDown[node] ? generator.chance(0.5) : !isCalm && generator.chance(0.05)
      plan.peers[nodes[node]] = QuorumRead.Peer(
        isAvailable: !isSeenDown, latency: UInt64(1 + generator.below(50)), isOwn: node == reader)
    }
    // The reader may take an emptied replica for a ready one, and the other way round.
    var taken: [Set<UInt16>] = unready
    for node in nodes.indices where !isCalm {
      for slot in 0..<UInt16(slotCount) where generator.chance(0.3) {
        if taken[node].contains(slot) {
          taken[node].remove(slot)
        } else if generator.chance(0.1) {
          taken[node].insert(slot)
        }
      }
    }
    plan.groups = SlotGroup.groups(
      of: SlotSet(0..<UInt16(slotCount)), slotsMax: 1 + generator.below(4),
      replicas: { [replicas, nodes] slot in replicas[Int(slot)].map { nodes[$0] } },
      isReady: { [nodes] slot, node in !(nodes.firstIndex(of: node).map { taken[$0].contains(slot) } ?? true) })
  }

  // MARK: - Running

  mutating func run() {
    let before = acknowledged
    var reading = generator
    perform(read.begin(now: now, using: &reading))
    generator = reading
    var steps = 0
    while outcome == nil, failure == nil, steps < 500 {
      steps += 1
      if isCalm, pending.isEmpty { break }
      step()
    }
    if outcome == nil, failure == nil { violations.append("the read does not end") }
    check(before)
  }

  private mutating func step() {
    let chance = isCalm ? 99 : generator.below(100)
    switch chance {
    case 0..<writeRate: writeSomething()
    case 31..<35 where !pending.isEmpty: fail(generator.below(pending.count))
    case 35..<38: loseDisk()
    case 38..<46:
      now += UInt64(generator.below(30))
      perform(read.tick(now: now))
    case 46..<50 where !answered.isEmpty:
      // An answer that comes once more.
      let again = answered[generator.below(answered.count)]
      perform(read.answered(again.ask, again.answer, now: now))
    default:
      if !pending.isEmpty { advance(generator.below(pending.count)) }
      if !isCalm { now += 1 }
    }
  }

  private mutating func writeSomething() {
    let item: ClusterItem
    if generator.chance(0.9) {
      item = items[generator.below(items.count)]
    } else {
      item = ClusterItem(items.count, slots: slotCount, windows: 4, using: &generator)
      items.append(item)
    }
    let all = replicas[Int(item.slot)]
    let lacking = all.filter { !held[$0].contains(item) }
    held[(lacking.isEmpty ? all : lacking).randomElement(using: &generator) ?? 0].insert(item)
  }

  private mutating func fail(_ place: Int) {
    let gone = pending.remove(at: place)
    perform(read.failed(gone.ask.id, "refused", now: now))
  }

  private mutating func loseDisk() {
    let node = generator.below(nodes.count)
    for slot in replicas.indices where replicas[slot].contains(node) {
      let lost = replicas[slot].count { $0 != node && unready[$0].contains(UInt16(slot)) }
      guard lost < writeQuorum - 1 else { return }
    }
    log.append("\(nodes[node]) loses its disk")
    epochs[node] += 1
    held[node] = []
    unready[node] = Set(0..<UInt16(slotCount))
  }

  /// A node takes the next step towards an answer: the digests, then the data, then it is there.
  private mutating func advance(_ place: Int) {
    var one = pending[place]
    guard let node = nodes.firstIndex(of: one.ask.node), !isDown[node], epochs[node] == one.epoch else {
      pending.remove(at: place)
      return
    }
    let isDataFirst = replicaBug == .digestAfterData
    if one.digests == nil, !isDataFirst || one.data != nil {
      one.notReady = SlotSet(one.ask.slots.filter { unready[node].contains($0) })
      one.digests = digests(node, one)
      pending[place] = one
    } else if one.data == nil {
      one.data = Dictionary(uniqueKeysWithValues: one.ask.slots.map { ($0, rows(node, $0, one.windows)) })
      pending[place] = one
    } else {
      pending.remove(at: place)
      deliver(one, node)
    }
  }

  private func digests(_ node: Int, _ one: Pending) -> [UInt16: RangeDigest] {
    one.ask.digests { rows(node, $0, one.windows).digest }
  }

  private func rows(_ node: Int, _ slot: UInt16, _ windows: ClosedRange<Int64>) -> Set<ClusterItem> {
    held[node].filter { $0.slot == slot && windows.contains($0.window) }
  }

  private mutating func deliver(_ one: Pending, _ node: Int) {
    delivered[one.ask.id] = one.data
    let answer = QuorumRead.Answer(
      windows: one.windows, digests: one.digests ?? [:], notReady: one.notReady,
      reduced: Array(one.ask.reduced.indices), series: one.ask.series)
    answered.append((node, one.ask.id, answer))
    log.append("\(now) \(nodes[node]) answers \(one.ask.id)")
    perform(read.answered(one.ask.id, answer, now: now))
  }

  private mutating func perform(_ actions: [QuorumRead.Action]) {
    for action in actions {
      log.append("\(now) \(action)")
      switch action {
      case .ask(let ask):
        let node = nodes.firstIndex(of: ask.node) ?? 0
        var windows = plan.windows
        // A node that can tell of less than it was asked for says so.
        if !isCalm, generator.chance(0.06), windows.count > 1 {
          windows = windows.lowerBound...(windows.upperBound - 1)
        }
        asks[ask.id] = ask
        pending.append(Pending(ask: ask, epoch: epochs[node], windows: windows))
        for slot in ask.slots { askCount[ask.node, default: [:]][slot, default: 0] += 1 }
      case .repair(let repair): check(repair)
      case .complete(let done): outcome = done
      case .fail(let error): failure = error
      }
    }
  }

  // MARK: - Checking

  private func told(_ node: NodeID, _ slot: UInt16) -> Set<RangeDigest> {
    // What groups come to as a whole tells of no slot.
    let told = answered.filter { nodes[$0.node] == node && asks[$0.ask]?.sums.isEmpty ?? true }
    return Set(told.compactMap { $0.answer.digests[slot] })
  }

  private mutating func check(_ repair: QuorumRead.Repair) {
    for slot in repair.slots {
      let (one, other) = (told(repair.node, slot), told(repair.with, slot))
      if one.isEmpty || other.isEmpty || one.union(other).count < 2 {
        violations.append("a repair of \(slot) names \(repair.node) and \(repair.with), which do not differ")
      }
    }
  }

  private func needed(_ slot: UInt16) -> Int {
    switch plan.consistency {
    case .one: 1
    case .quorum: plan.readQuorum
    case .all: replicas[Int(slot)].count
    }
  }

  private mutating func check(_ before: Set<ClusterItem>) {
    for (node, slots) in askCount {
      let most = plan.sumsFirst ? 6 : 3
      for (slot, count) in slots where count > most {
        violations.append("\(node) was asked \(count) times for \(slot)")
      }
    }
    if case .partial(let coverage)? = failure {
      if plan.partial == .allow || !coverage.isPartial { violations.append("a failure that was not asked for") }
    }
    guard let outcome else { return }
    if plan.partial == .deny, outcome.coverage.isPartial { violations.append("a partial answer that was denied") }
    for slot in 0..<UInt16(slotCount) {
      let uses = outcome.uses.filter { $0.slots.contains(slot) }
      if uses.contains(where: { $0.reduction != nil }), uses.count != 1 {
        violations.append("slot \(slot) is counted twice")
      }
      guard !outcome.coverage.short.contains(slot) else { continue }
      let voters = Set(
        answered.filter {
          asks[$0.ask]?.votes($0.answer).contains(slot) ?? false && $0.answer.windows == plan.windows
        }.map(\.node))
      if voters.count < needed(slot) { violations.append("slot \(slot) is not flagged: \(voters.count) answered") }
      guard plan.consistency != .one else { continue }
      let found = uses.reduce(into: Set<ClusterItem>()) { $0.formUnion(delivered[$1.ask]?[slot] ?? []) }
      let wanted = before.filter { $0.slot == slot && plan.windows.contains($0.window) }
      for item in wanted.subtracting(found).sorted(by: { $0.number < $1.number }) {
        violations.append("the answer lacks \(item.number) of slot \(slot)")
      }
    }
  }
}
