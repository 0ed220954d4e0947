import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

/// Rows and disks under changes of members, weights, zones, N and W, in every order of events: rows reach nodes one by
/// one, topologies are heard of late, replicas are filled piece by piece, disks are lost, nodes stop and start, reads ask
/// one node after the other.
///
/// That nodes agree on one topology an epoch is taken for granted here (`TopologyWorld` is about that). A disk is lost
/// only where fewer than W of the replicas of its slots, by each W that counts, lack something with it.
struct ChangeTrial {
  static let pieces = 2
  private static let rowsMax = 64

  /// What operators do; the seed says it.
  enum Plan {
    /// Anything.
    case anything
    /// N and W change, of nodes that stay.
    case quorums
    /// W changes alone.
    case writeQuorum
    /// N and W go to and fro between two, by the seed.
    case toAndFro
  }

  private static let pairs: [(Replication, Replication)] = [
    (.init(count: 2, writeQuorum: 2), .init(count: 1, writeQuorum: 1)),
    (.init(count: 3, writeQuorum: 2), .init(count: 3, writeQuorum: 3)),
    (.init(count: 5, writeQuorum: 3), .init(count: 3, writeQuorum: 2)),
    (.init(count: 3, writeQuorum: 2), .init(count: 5, writeQuorum: 4)),
  ]

  /// A topology, and what is worked out from it.
  struct Version {
    let topology: Topology
    let ring: SlotAssignment
    let beside: SlotAssignment?
    let groups: ReplicaGroups

    init(_ topology: Topology, _ bug: PlantedChangeBug?) {
      self.topology = topology
      (ring, beside) = (topology.assignment, topology.besideAssignment)
      groups = ReplicaGroups(ring, topology.replication, beside: beside, topology.sideReplication, bug: bug)
    }
  }

  struct Fill {
    let slot: UInt16
    let partner: Int
    let identity: NodeIdentity
    let number: UInt64
    var piece = 0
    var isReady = true
  }

  struct Node {
    let name: NodeID
    var identity: NodeIdentity
    var isUp = true
    /// The newest topology on its disk; 0 for none.
    var known = 0
    var settled: UInt64 = 0
    /// A bit for each row, by slot.
    var rows: [UInt64]
    var records: [UInt16: ReplicaReadiness.Record] = [:]
    var readiness: ReplicaReadiness
    var kept: KeptSlots
    var fill: Fill?

    init(_ name: NodeID, _ identity: NodeIdentity, slots: Int) {
      self.name = name
      rows = [UInt64](repeating: 0, count: slots)
      self.identity = identity
      readiness = ReplicaReadiness(name, records: [:])
      kept = KeptSlots(of: name)
    }
  }

  struct Row {
    let slot: UInt16
    let bit: UInt64
    /// The topology by which the writer sends it.
    let epoch: Int
    let targets: WriteTargets
    var missing: [Int]
    var holders: Set<Int> = []
    var isAcknowledged: Bool { missing.allSatisfy { $0 <= 0 } }
  }

  struct Read {
    let slot: UInt16
    let epoch: Int
    /// What was acknowledged before it began.
    let wanted: UInt64
    var asked: Set<Int> = []
    var found = [UInt64](repeating: 0, count: pieces)
    var answers = 0
  }

  var random: SeededGenerator
  let bug: PlantedChangeBug?
  let plan: Plan
  private let pair: (Replication, Replication)
  /// Whether nodes that have nothing to fill compare all the time; rows stay with few nodes for longer where not.
  private let isThorough: Bool
  var versions: [Version] = []
  var nodes: [Node] = []
  var rows: [Row] = []
  let slotCount: Int
  var counts: [Int]
  var acknowledged: [UInt64]
  var reads: [Read] = []
  var change: RingChange?
  var problem: String?
  var log: [String] = []
  var seen: [String: Int] = [:]
  private var identities: UInt64 = 0

  init(seed: UInt64, bug: PlantedChangeBug? = nil) throws {
    random = SeededGenerator(seed: seed)
    self.bug = bug
    plan = [.anything, .toAndFro, seed & 4 == 0 ? .quorums : .writeQuorum, .toAndFro][Int(seed & 3)]
    pair = Self.pairs[Int((seed >> 2) % UInt64(Self.pairs.count))]
    isThorough = seed & 32 != 0
    slotCount = plan == .anything ? 2 : 1
    counts = [Int](repeating: 0, count: slotCount)
    acknowledged = [UInt64](repeating: 0, count: slotCount)
    for number in 0..<(plan == .anything ? Int.random(in: 4...6, using: &random) : 5) {
      nodes.append(Node(NodeID("n\(number)"), newIdentity(), slots: slotCount))
    }
    let founders = try nodes.prefix(plan == .anything ? Int.random(in: 2...nodes.count, using: &random) : 5).map {
      try TopologyMember(node: $0.name, identity: $0.identity)
    }
    let replication = replication()
    append(
      try Topology.founding(
        clusterID: Hash128(high: 0, low: 1), slotCount: slotCount, replicaCount: replication.count,
        writeQuorum: replication.writeQuorum, members: founders))
    for number in nodes.indices { adopt(number, 1) }
  }

  mutating func newIdentity() -> NodeIdentity {
    identities += 1
    return NodeIdentity(Hash128(high: 0, low: identities))
  }

  var newest: Topology { versions[versions.count - 1].topology }

  private mutating func replication() -> Replication {
    var count = Int.random(in: 1...5, using: &random)
    switch plan {
    case .anything: break
    case .quorums: count = Int.random(in: 3...5, using: &random)
    case .writeQuorum: count = versions.isEmpty ? Int.random(in: 3...4, using: &random) : newest.replicaCount
    case .toAndFro: return versions.last?.topology.replication == pair.0 ? pair.1 : pair.0
    }
    let quorum =
      random.chance(plan == .anything ? 0.6 : 0.2) ? count / 2 + 1 : Int.random(in: 1...count, using: &random)
    return Replication(count: count, writeQuorum: quorum)
  }

  mutating func append(_ topology: Topology) {
    versions.append(Version(topology, bug))
    change = RingChange(topology, bug: bug)
  }

  // MARK: - What nodes know

  /// The node has the topology of an epoch on disk, and goes by it.
  mutating func adopt(_ number: Int, _ epoch: Int) {
    let version = versions[epoch - 1]
    let node = nodes[number]
    let tenures = SlotTenures(of: node.name, identity: node.identity, in: version.topology)
    nodes[number].known = epoch
    for slot in node.records.keys.sorted() where !tenures.slots.contains(slot) {
      perform(number, nodes[number].readiness.unassigned(slot))
      nodes[number].rows[Int(slot)] = 0
    }
    for slot in tenures.slots {
      let since = tenures.since(slot, record: node.records[slot]?.since, settled: node.settled) ?? UInt64(epoch)
      let (replicas, quorum) = filling(node.name, slot, version)
      perform(
        number,
        nodes[number].readiness.assigned(
          slot, replicas: replicas, writeQuorum: quorum, since: since, epoch: UInt64(epoch),
          isFromTheStart: tenures.isFromTheStart(slot)))
    }
    let readiness = nodes[number].readiness
    let next = version.topology.next == nil ? nil : version.beside
    nodes[number].kept.adopt(version.topology, ring: version.ring, next: next) { readiness.fill(of: $0) }
    nodes[number].settled = UInt64(epoch)
  }

  private func filling(_ node: NodeID, _ slot: UInt16, _ version: Version) -> (replicas: [NodeID], writeQuorum: Int) {
    let owners = version.ring.replicas(of: slot)
    guard bug == .fillsByNextQuorum, let next = version.topology.nextReplication, !owners.contains(node) else {
      return version.topology.filling(node, from: owners)
    }
    return (owners + [node], next.acknowledgements(of: owners.count) + 1)
  }

  mutating func perform(_ number: Int, _ actions: [ReplicaReadiness.Action]) {
    for action in actions {
      switch action {
      case .store(let slot, let record): nodes[number].records[slot] = record
      case .ready(let slot, let grounds):
        note("n\(number) has all of slot \(slot): \(grounds)")
        seen["\(grounds)", default: 0] += 1
      }
    }
  }

  mutating func start(_ number: Int) {
    nodes[number].isUp = true
    nodes[number].fill = nil
    nodes[number].readiness = ReplicaReadiness(nodes[number].name, records: nodes[number].records)
    nodes[number].kept = KeptSlots(of: nodes[number].name)
    nodes[number].kept.bug = bug
    if nodes[number].known > 0 { adopt(number, nodes[number].known) }
  }

  mutating func note(_ line: String) { log.append("\(newest.epoch): \(line)") }

  // MARK: - Events

  mutating func run(steps: Int) {
    for number in nodes.indices { nodes[number].kept.bug = bug }
    for _ in 0..<steps where problem == nil {
      step()
      check()
    }
  }

  private mutating func step() {
    let number = random.below(nodes.count)
    switch random.below(60) {
    case 0..<5: write()
    case 5..<22: store()
    case 22..<27: learn(number)
    case 27, 28: random.chance(0.7) ? lose(number) : damage(number)
    case 29, 30: giveBack()
    case 31:
      note("n\(number) \(nodes[number].isUp ? "stops" : "starts")")
      if nodes[number].isUp { nodes[number].isUp = false } else { start(number) }
    case 32..<34:
      for number in nodes.indices where !nodes[number].isUp && random.chance(0.7) {
        start(number)
      }
    case 34, 35: operate()
    case 36..<40: for number in nodes.indices { drive(number) }
    case 40..<44: read(number)
    default:
      // Mostly those that have something to fill.
      let busy = nodes.indices.filter { other in
        let node = nodes[other]
        return node.isUp && (node.fill != nil || !node.readiness.unready.isEmpty || !node.kept.left.isEmpty)
      }
      if isThorough { return fill(random.chance(0.8) ? busy.randomElement(using: &random) ?? number : number) }
      let isRound = busy.isEmpty || random.chance(0.1)
      if !isRound || random.chance(0.3) { fill(isRound ? number : busy.randomElement(using: &random) ?? number) }
    }
  }

  /// A writer may not have heard yet of what happened last.
  private mutating func write() {
    let slot = random.below(slotCount)
    guard counts[slot] < Self.rowsMax else { return }
    let epoch = versions.count - random.below(min(3, versions.count))
    let targets = WriteTargets(slots: [UInt16(slot)], in: versions[epoch - 1].groups)
    rows.append(
      Row(
        slot: UInt16(slot), bit: 1 << UInt64(counts[slot]), epoch: epoch, targets: targets,
        missing: targets.groupNeeds.map { Int($0) }))
    counts[slot] += 1
  }

  /// A row reaches a node, which acknowledges it at once.
  private mutating func store() {
    guard let place = rows.indices.suffix(4).randomElement(using: &random) else { return }
    let row = rows[place]
    // What is acknowledged comes late to the others, if at all.
    guard !row.isAcknowledged || random.chance(0.2) else { return }
    let open = nodes.indices.filter { number in
      nodes[number].isUp && nodes[number].known > 0 && nodes[number].known <= row.epoch
        && !row.holders.contains(number) && row.targets.nodes.contains(nodes[number].name)
    }
    guard let number = open.randomElement(using: &random),
      let target = row.targets.place(of: nodes[number].name)
    else { return }
    if row.epoch > nodes[number].known { adopt(number, row.epoch) }
    nodes[number].rows[Int(row.slot)] |= row.bit
    rows[place].holders.insert(number)
    for group in row.targets.groupsOfNode[target] { rows[place].missing[Int(group)] -= 1 }
    guard rows[place].isAcknowledged, acknowledged[Int(row.slot)] & row.bit == 0 else { return }
    acknowledged[Int(row.slot)] |= row.bit
    seen["acknowledged", default: 0] += 1
    note(
      "row \(row.bit.trailingZeroBitCount) of slot \(row.slot), by epoch \(row.epoch), is on \(rows[place].holders.sorted())"
    )
  }

  private mutating func learn(_ number: Int) {
    let known = nodes[number].known
    guard nodes[number].isUp, known > 0, known < versions.count else { return }
    adopt(number, random.chance(0.7) ? versions.count : Int.random(in: known + 1...versions.count, using: &random))
  }

  private mutating func lose(_ number: Int) {
    guard mayLose(number) else { return }
    note("n\(number) loses its disk")
    seen["lost", default: 0] += 1
    nodes[number] = Node(nodes[number].name, newIdentity(), slots: slotCount)
    nodes[number].isUp = false
  }

  /// A disk that was lost gets its epoch, and its node works again. Meanwhile anything may have been decided.
  mutating func giveBack() {
    for number in nodes.indices where nodes[number].known == 0 {
      let node = nodes[number]
      guard let topology = try? newest.replacing(node.name, with: node.identity) else {
        // It was taken out meanwhile: it may be added again.
        nodes[number].known = 1
        start(number)
        continue
      }
      append(topology)
      nodes[number].known = versions.count
      start(number)
    }
  }

  private mutating func damage(_ number: Int) {
    guard nodes[number].isUp, nodes[number].known == versions.count, mayLose(number),
      let topology = try? newest.damaged(nodes[number].name), let slot = nodes[number].records.keys.min()
    else { return }
    note("n\(number) is damaged in slot \(slot)")
    seen["damaged", default: 0] += 1
    let piece = random.below(Self.pieces)
    nodes[number].rows[Int(slot)] &= random.next() | ~Self.mask(of: piece)
    append(topology)
    adopt(number, versions.count)
    perform(number, nodes[number].readiness.damaged(slot, Int64(piece)...Int64(piece)))
  }

  static func mask(of piece: Int) -> UInt64 { piece == 0 ? 0x5555_5555_5555_5555 : 0xAAAA_AAAA_AAAA_AAAA }

  // MARK: - Changes

  private mutating func operate() {
    guard let topology = begun() else { return }
    append(topology)
    note("a change begins to \(topology.next?.map { "\($0.node) x\($0.weight)" } ?? []), \(topology.besideReplication)")
  }

  private mutating func begun() -> Topology? {
    let (member, weight) = (random.below(nodes.count), UInt32.random(in: 1...3, using: &random))
    let zone = random.chance(0.5) ? nil : "z\(random.below(2))"
    let name = nodes[member].name
    switch plan == .anything ? random.below(10) : 9 {
    case 0, 1:
      guard nodes[member].known > 0, let new = try? TopologyMember(node: name, identity: nodes[member].identity) else {
        return nil
      }
      return try? newest.adding(new)
    case 2: return try? newest.draining(name)
    case 3: return random.chance(0.3) ? try? newest.cancelled() : nil
    case 4, 5, 6: return try? newest.placing(name, zone: zone, weight: weight)
    default: return try? newest.replicating(replication())
    }
  }

  /// A node says how far it is, and what may be done next is done.
  mutating func drive(_ number: Int) {
    let node = nodes[number]
    guard var change, node.isUp, node.known == versions.count else { return }
    let done = change.done(by: node.name) { slots in
      SlotSet(slots.filter { node.readiness.state(of: $0) != .ready || node.kept.left.contains($0) })
    }
    change.progressed(TopologyVoter(node.name, node.identity), epoch: newest.epoch, ready: done)
    self.change = change
    guard change.left.isEmpty, random.chance(0.5) else { return }
    let isFilled = change.stage == .filling
    guard let next = try? isFilled ? newest.committed() : newest.finished() else { return }
    seen[isFilled ? "committed" : "over", default: 0] += 1
    append(next)
    note(isFilled ? "committed" : "over")
  }

  // MARK: - Comparing

  mutating func fill(_ number: Int) {
    guard nodes[number].isUp, nodes[number].known > 0 else { return }
    guard let fill = nodes[number].fill else { return beginFill(number) }
    continueFill(number, fill)
  }

  private mutating func beginFill(_ number: Int) {
    let node = nodes[number]
    var wanted: [(slot: UInt16, partner: NodeID)] = []
    for slot in node.readiness.unready { wanted += node.readiness.awaited(slot)?.partners.map { (slot, $0) } ?? [] }
    for slot in node.kept.left { wanted += node.kept.awaited(slot).map { (slot, $0) } }
    if wanted.isEmpty || random.chance(0.1) {
      // What a round compares.
      for slot in node.records.keys.sorted() {
        wanted += versions[node.known - 1].ring.replicas(of: slot).filter { $0 != node.name }.map { (slot, $0) }
      }
    }
    guard let (slot, name) = wanted.randomElement(using: &random),
      let partner = nodes.firstIndex(where: { $0.name == name }), nodes[partner].isUp, nodes[partner].known > 0
    else { return }
    meet(number, partner)
    nodes[number].fill = Fill(
      slot: slot, partner: partner, identity: nodes[partner].identity,
      number: nodes[number].readiness.fill(of: slot))
  }

  /// Two that compare know the same topology.
  private mutating func meet(_ one: Int, _ other: Int) {
    let known = max(nodes[one].known, nodes[other].known)
    for number in [one, other] where nodes[number].known < known { adopt(number, known) }
  }

  private mutating func continueFill(_ number: Int, _ begun: Fill) {
    var fill = begun
    let partner = nodes[fill.partner]
    guard partner.isUp, partner.identity == fill.identity, partner.known <= nodes[number].known else {
      nodes[number].fill = nil
      return
    }
    nodes[number].rows[Int(fill.slot)] |= partner.rows[Int(fill.slot)] & Self.mask(of: fill.piece)
    fill.isReady = fill.isReady && (0..<Self.pieces).allSatisfy { isReady(partner, fill.slot, $0) }
    fill.piece += 1
    nodes[number].fill = fill.piece < Self.pieces ? fill : nil
    guard fill.piece == Self.pieces else { return }
    let comparison = ReplicaReadiness.Comparison(
      slot: fill.slot, node: partner.name, wasReady: fill.isReady, windows: .min ... .max, fill: fill.number)
    if nodes[number].kept.compared(comparison) {
      seen["kept", default: 0] += 1
      note("n\(number) keeps slot \(fill.slot) with all")
    }
    perform(number, nodes[number].readiness.compared(comparison))
  }

  func isReady(_ node: Node, _ slot: UInt16, _ piece: Int) -> Bool {
    node.readiness.isReady(slot, Int64(piece)...Int64(piece))
  }
}
