import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

/// A node: the state machines that ship, and around them what performs their actions, on a simulated disk and network.
struct ClusterShell {
  /// What is done when the disk has what was given to it before.
  enum Continuation {
    case acknowledge(WriteID, attempt: UInt8, to: Int)
    case ownRows(WriteID)
    case hint(NodeID, UInt64)
    case repair(AntiEntropy.Ticket)
    case epoch(UInt64)
  }

  /// A write of which the payload is held, and the assignment by which it was begun.
  struct Payload {
    var rows: [SimulatedRow]
    var epoch: UInt64
  }

  struct ReadUnderWay {
    var machine: QuorumRead
    /// How many writes were acknowledged when it began.
    var began: Int
    var data: [Int: [SimulatedRow]] = [:]
  }

  let number: Int
  let id: NodeID
  /// Whether this disk is not the node's first.
  private var hadOther = false
  var plants = Plants()
  var disk: NodeDisk
  private(set) var life = 0
  private(set) var isUp = false
  /// Until when the process stands still.
  var pausedUntil: Int64 = 0
  /// Until when the disk takes no more rows and hints.
  var fullUntil: Int64 = 0
  private var wakeAt = Int64.max
  private var isSyncing = false
  private var continuations: [(after: Int, Continuation)] = []
  private var syncedOperations = 0

  var membership: Membership
  var writes = ReplicatedWrites()
  var hints: [NodeID: HintQueue] = [:]
  /// The rows that a write has for each node, for as long as it is held.
  var payloads: [WriteID: Payload] = [:]
  /// The newest assignment that this node knows and has on disk; 0 for none.
  private(set) var epoch: UInt64 = 0
  /// The hints that are on their way, by their write.
  var deliveries: [NodeID: [WriteID: (sequence: UInt64, attempt: UInt32)]] = [:]
  var reads: [UInt64: ReadUnderWay] = [:]
  var nextRead: UInt64 = 0
  var repair: AntiEntropy
  var readiness: ReplicaReadiness
  var trees: [UInt16: MerkleTree] = [:]
  var rows: [UInt16: Set<SimulatedRow>] = [:]

  init(_ number: Int, _ world: inout ClusterWorld) {
    self.number = number
    id = world.nodes[number]
    disk = NodeDisk(NodeIdentity(Hash128(high: world.generator.next(), low: world.generator.next())))
    membership = Self.membership(id, disk, &world)
    repair = Self.repair(disk, &world)
    readiness = ReplicaReadiness(id, records: [:])
  }

  private static func membership(_ id: NodeID, _ disk: NodeDisk, _ world: inout ClusterWorld) -> Membership {
    var options = MembershipOptions()
    options.period = 200_000_000
    options.pingTimeout = 60_000_000
    options.exchangeInterval = 2_000_000_000
    options.takeOverAfter = 2_000_000_000
    options.settleAfter = 2_000_000_000
    guard
      let record = try? NodeRecord(
        node: id, identity: disk.identity, address: PeerAddress(id.rawValue), isEmpty: disk.isEmpty)
    else { preconditionFailure("a node of the simulation has no record") }
    return Membership(
      record, run: world.generator.next(), options: options, seeds: world.nodes.map { PeerAddress($0.rawValue) })
  }

  private static func repair(_ disk: NodeDisk, _ world: inout ClusterWorld) -> AntiEntropy {
    var settings = AntiEntropy.Settings()
    settings.pause = 30_000_000
    settings.timeout = 1_000_000_000
    return AntiEntropy(settings, cursor: disk.cursor, using: &world.generator)
  }

  // MARK: - Life and death

  mutating func start(_ world: inout ClusterWorld) {
    life += 1
    isUp = true
    (isSyncing, continuations, syncedOperations, wakeAt) = (false, [], 0, .max)
    membership = Self.membership(id, disk, &world)
    writes = ReplicatedWrites()
    (payloads, deliveries, reads) = ([:], [:], [:])
    repair = Self.repair(disk, &world)
    readiness = ReplicaReadiness(id, records: disk.records)
    plant()
    (trees, rows) = ([:], [:])
    for slot in world.assignment.slots(of: id) {
      trees[slot] = MerkleTree()
      trees[slot]?.bug = plants.read
      rows[slot] = []
    }
    keep(disk.rows.sorted())
    hints = [:]
    for peer in world.nodes where peer != id {
      let stored = (disk.hints[peer] ?? [:]).sorted { $0.key < $1.key }.map { sequence, hint in
        HintQueue.Stored(
          sequence: sequence, bytes: hint.frame.count, time: hint.time, slots: HintedSlots(hint.slots))
      }
      hints[peer] = HintQueue(for: peer, stored: stored, next: disk.nextHint[peer] ?? 1, isUp: true)
      hints[peer]?.planted = plants.write
    }
    var duties: [UInt16: [NodeID]] = [:]
    for slot in world.assignment.slots(of: id) {
      duties[slot] = world.assignment.replicas(of: slot).filter { $0 != id }
    }
    if plants.shell == .forgetsToRepair { duties = [:] }
    repair.setDuties(duties)
    epoch = 0
    if disk.epoch > 0 { adopt(disk.epoch, &world) } else { learn(hadOther ? world.makeEpoch(by: number) : 1, &world) }
    world.note("start \(id) life \(life)")
    tick(&world)
  }

  private mutating func plant() {
    membership.planted = plants.membership
    writes.planted = plants.write
    repair.bug = plants.read
    readiness.bug = plants.read
  }

  mutating func crash(_ world: inout ClusterWorld) {
    guard isUp else { return }
    world.note("crash \(id)")
    world.count("crashes")
    isUp = false
    pausedUntil = 0
    disk.crash(&world.generator)
  }

  /// The disk is gone; the node comes back with another one.
  mutating func loseDisk(_ world: inout ClusterWorld) {
    crash(&world)
    world.count("lost disks")
    hadOther = true
    disk = NodeDisk(NodeIdentity(Hash128(high: world.generator.next(), low: world.generator.next())))
  }

  // MARK: - Events

  mutating func wake(life: Int, _ world: inout ClusterWorld) {
    guard isUp, life == self.life, world.now >= wakeAt else { return }
    wakeAt = .max
    tick(&world)
  }

  mutating func tick(_ world: inout ClusterWorld) {
    let now = world.now
    perform(membership.tick(now: now, random: &world.generator), &world)
    perform(writes.tick(now: now, using: &world.generator), &world)
    for peer in hints.keys.sorted() {
      let actions = hints[peer]?.tick(now: now, using: &world.generator) ?? []
      perform(actions, of: peer, &world)
    }
    for read in reads.keys.sorted() { perform(reads[read]?.machine.tick(now: UInt64(now)) ?? [], of: read, &world) }
    perform(repair.tick(now: UInt64(now), view), &world)
    scheduleWake(&world)
  }

  mutating func receive(_ bytes: [UInt8], from sender: Int, _ world: inout ClusterWorld) {
    guard isUp, let kind = bytes.first.flatMap(MessageKind.init(rawValue:)) else { return }
    let node = world.nodes[sender]
    switch kind {
    case .membership:
      let message = bytes.withUnsafeBytes { try? MembershipMessage(decoding: $0) }
      guard let message else { return world.violation("a message about members cannot be read") }
      let address = PeerAddress(node.rawValue)
      perform(membership.receive(message, from: address, now: world.now, random: &world.generator), &world)
    case .write:
      guard let message = try? WriteMessage(decoding: bytes) else {
        return world.violation("a message about a write cannot be read")
      }
      receive(message, from: sender, &world)
    case .read:
      guard let message = try? ReadMessage(bytes, node: id) else {
        return world.violation("a message about a read cannot be read")
      }
      receive(message, from: sender, &world)
    case .repair:
      guard let message = try? RepairMessage(bytes) else {
        return world.violation("a message about repair cannot be read")
      }
      perform(repair.received(message, from: node, now: UInt64(world.now), view), &world)
    }
    scheduleWake(&world)
  }

  mutating func scheduleWake(_ world: inout ClusterWorld) {
    guard isUp else { return }
    let now = world.now
    var next = Int64(clamping: repair.wakeAt(now: UInt64(now)))
    next = min(next, membership.nextDeadline ?? .max, writes.nextTick ?? .max)
    for queue in hints.values { next = min(next, queue.nextTick ?? .max) }
    for read in reads.values { next = min(next, read.machine.wakeAt.map { Int64(clamping: $0) } ?? .max) }
    // Not for ever at one instant, whatever a machine says.
    next = max(next, now + 100_000)
    guard next < wakeAt, next < .max else { return }
    wakeAt = next
    world.schedule(.wake(number, life: life), at: next)
  }

  // MARK: - The disk

  /// Gives operations to the disk; what follows is done when they are on it.
  mutating func write(_ operations: [NodeDisk.Operation], then next: Continuation?, _ world: inout ClusterWorld) {
    for operation in operations { disk.write(operation) }
    if let next {
      if plants.shell == .answersBeforeSync {
        perform(next, &world)
      } else {
        continuations.append((syncedOperations + disk.pending, next))
      }
    }
    sync(&world)
  }

  private mutating func sync(_ world: inout ClusterWorld) {
    guard !isSyncing, disk.pending > 0 || !continuations.isEmpty else { return }
    isSyncing = true
    world.schedule(.synced(number, life: life, count: disk.pending), after: world.time(1...world.plan.syncMax))
  }

  mutating func synced(life: Int, count: Int, _ world: inout ClusterWorld) {
    guard isUp, life == self.life else { return }
    isSyncing = false
    disk.synced(count)
    syncedOperations += count
    let due = continuations.filter { $0.after <= syncedOperations }
    continuations.removeAll { $0.after <= syncedOperations }
    for (_, next) in due { perform(next, &world) }
    sync(&world)
    scheduleWake(&world)
  }

  private mutating func perform(_ next: Continuation, _ world: inout ClusterWorld) {
    switch next {
    case .acknowledge(let write, let attempt, let node):
      world.send(WriteMessage.acknowledge(write, attempt: attempt).encoded, from: number, to: node)
    case .ownRows(let write): perform(writes.acknowledged(write, by: id, now: world.now), &world)
    case .hint(let peer, let sequence):
      let actions = hints[peer]?.stored(sequence, now: world.now) ?? []
      perform(actions, of: peer, &world)
    case .epoch(let epoch): adopt(epoch, &world)
    case .repair(let ticket): perform(repair.stored(ticket, now: UInt64(world.now), view), &world)
    }
  }

  /// Rows become part of what the node knows; those of slots that it does not hold are left out.
  mutating func keep(_ added: [SimulatedRow]) {
    for row in added where rows[row.slot]?.insert(row).inserted == true {
      trees[row.slot]?.add(row.digest, window: row.window, bucket: row.bucket)
    }
  }

  // MARK: - Assignments

  /// Hears of an assignment: it counts when it is on disk.
  mutating func learn(_ epoch: UInt64, _ world: inout ClusterWorld) {
    if isUp, epoch > self.epoch { write([.epoch(epoch)], then: .epoch(epoch), &world) }
  }

  private mutating func adopt(_ epoch: UInt64, _ world: inout ClusterWorld) {
    guard epoch > self.epoch else { return }
    self.epoch = epoch
    world.note("\(id) knows assignment \(epoch)")
    for slot in world.assignment.slots(of: id) {
      let replicas = world.assignment.replicas(of: slot)
      perform(readiness.assigned(slot, replicas: replicas, writeQuorum: 2, since: 1, epoch: epoch), &world)
    }
  }

  // MARK: - Members

  mutating func perform(_ actions: [MembershipAction], _ world: inout ClusterWorld) {
    for action in actions {
      switch action {
      case .send(let message, let address):
        guard let to = world.node(NodeID(address.text)) else { continue }
        world.send(message.encoded(), from: number, to: to)
      case .changed(let member): changed(member, &world)
      case .refused(let refusal):
        world.note("\(id) is refused: \(refusal)")
        world.count("refusals of a node")
        crash(&world)
        world.schedule(.restart(number), after: 2_000_000_000)
      case .left: break
      }
    }
  }

  private mutating func changed(_ member: Member, _ world: inout ClusterWorld) {
    guard member.node != id else { return }
    world.note("\(id) sees \(member.node) \(member.status)")
    if member.status.isPresent {
      writes.nodeUp(member.node)
      let actions = hints[member.node]?.nodeUp(now: world.now) ?? []
      perform(actions, of: member.node, &world)
    } else {
      world.count("nodes seen as dead")
      perform(writes.nodeDown(member.node), &world)
      hints[member.node]?.nodeDown()
    }
  }

  /// Whether this node may vote on a slot.
  func isReady(_ slot: UInt16) -> Bool {
    plants.shell == .emptyNodeVotes || readiness.isReady(slot, Self.allWindows)
  }

  func isPresent(_ node: NodeID) -> Bool { node == id || membership.member(node)?.status.isPresent ?? false }

  var view: ShellView {
    ShellView(
      identity: disk.identity, trees: trees, readiness: readiness,
      epoch: epoch, present: Set(membership.members.filter(\.status.isPresent).map(\.node)))
  }
}

/// What repair sees of its node.
struct ShellView: RepairSource {
  let identity: NodeIdentity
  let trees: [UInt16: MerkleTree]
  let readiness: ReplicaReadiness
  let epoch: UInt64
  let present: Set<NodeID>

  var firstWindow: Int64 { .min }
  var lastWindow: Int64 { .max }
  func holds(_ slot: UInt16) -> Bool { trees[slot] != nil }
  func epoch(of slot: UInt16) -> UInt64 { epoch }
  func isReady(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> Bool { readiness.isReady(slot, windows) }
  func fill(of slot: UInt16) -> UInt64 { readiness.fill(of: slot) }
  func isAvailable(_ node: NodeID) -> Bool { present.contains(node) }
}
