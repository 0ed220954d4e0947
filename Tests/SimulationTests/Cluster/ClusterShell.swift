import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

/// A node: the state machines that ship, and around them what performs their actions, on a simulated disk and network.
struct ClusterShell {
  /// What is done when the disk has what was given to it before.
  enum Continuation {
    case acknowledge(WriteID, attempt: UInt8, epoch: UInt64, to: Int)
    case ownRows(WriteID)
    case ownRefused(WriteID, attempt: UInt8, ReplicaFailure)
    case hint(NodeID, UInt64)
    case repair(AntiEntropy.Ticket)
    case topologyStored
    case adopt(SimulatedLayout)
    case damageNoted(NodeDisk.Damage)
    /// What was in memory when the slot was compared is on disk.
    case keptSynced(UInt16)
    case owedNoted(NodeDisk.Owed?)
  }

  /// A write of which the payload is held, and the layout by which it was begun.
  struct Payload {
    /// What the client calls it.
    let sent: WriteID
    var rows: [SimulatedRow]
    let layout: SimulatedLayout
    /// Who has it, has a hint of it, or was reported as lacking it.
    var cared: Set<NodeID> = []
    var isAcknowledged = false
  }

  struct ReadUnderWay {
    var machine: QuorumRead
    let question: Question
    let windows: ClosedRange<Int64>
    /// What the reader's clock on the wall showed when it began.
    let wall: Int64
    let epoch: UInt64
    /// The newest epoch of which it was told.
    var newest: UInt64
    var isHedged = false
    var data: [Int: [SimulatedRow]] = [:]
  }

  /// What a client asks.
  struct Question {
    let slots: SlotSet
    let partial: QuorumRead.Partial
    /// How many writes were acknowledged when it was asked.
    let began: Int
    var isSecond = false
  }

  /// What waits until the node knows an epoch, or has waited long enough.
  struct Waiter {
    enum Subject {
      case question(ReadMessage.Request, from: Int)
      case read(Question)
    }

    let epoch: UInt64
    let until: Int64
    let subject: Subject
  }

  let number: Int
  let id: NodeID
  let seeds: [PeerAddress]
  var clock: NodeClock
  var plants = Plants()
  var disk: NodeDisk
  private(set) var life = 0
  private(set) var isUp = false
  /// Until when the process stands still.
  var pausedUntil: Int64 = 0
  /// Until when the disk takes no more rows and hints.
  var fullUntil: Int64 = 0
  var slowDiskUntil: Int64 = 0
  private var wakeAt = Int64.max
  /// When it is looked next whether something is to be filled.
  private var lookAt = Int64.min
  /// When it is looked next what has expired.
  var expireAt = Int64.min
  private var isSyncing = false
  private var continuations: [(after: Int, Continuation)] = []
  private var syncedOperations = 0

  var membership: Membership
  /// Who is there, as far as this node knows.
  var present: Set<NodeID> = []
  var writes = ReplicatedWrites()
  var hints: [NodeID: HintQueue] = [:]
  /// Up to which number hints were sent for the first time.
  var firstDelivered: [NodeID: UInt64] = [:]
  /// Hints that their node has, and how many were given up aloud.
  var settledHints: [NodeID: Set<UInt64>] = [:]
  var givenUpHints: [NodeID: Int] = [:]
  /// Up to which number each log was let go of.
  var releasedHints: [NodeID: UInt64] = [:]
  var payloads: [WriteID: Payload] = [:]
  /// The hints that are on their way, by their write.
  var deliveries: [NodeID: [WriteID: [(sequence: UInt64, attempt: UInt32)]]] = [:]
  var reads: [UInt64: ReadUnderWay] = [:]
  var nextRead: UInt64 = 0
  var waiters: [Waiter] = []
  var repair: AntiEntropy
  var readiness: ReplicaReadiness
  /// What a change under way wants compared, and of that what was compared and may be in memory alone.
  var kept: KeptSlots
  var unsyncedKept: SlotSet = []
  var trees: [MerkleTree] = []
  var rows: [RowSet] = []

  var register: TopologyRegister
  var founding: Founding
  var change: RingChange?
  /// What the register wants done: behind a store that is under way all waits.
  var outbox: [TopologyAction] = []
  var isStoring = false
  var proposeAt = Int64.min
  /// The newest that this node knows; it is on disk.
  var layout: SimulatedLayout?
  /// The one by whose slots the replicas go.
  var adopted: SimulatedLayout?
  var held: SlotSet = []
  var records: [UInt16: ReplicaReadiness.Record] = [:]
  var settled: UInt64 = 0
  var owed: NodeDisk.Owed?
  var isOwedStored = false

  init(_ number: Int, _ world: inout ClusterWorld) {
    self.number = number
    id = world.nodes[number]
    seeds = world.nodes.prefix(world.settings.founders).map { PeerAddress($0.rawValue) }
    clock = NodeClock(base: Int64.random(in: 0...1_000_000_000_000_000, using: &world.generator))
    disk = NodeDisk(Self.identity(&world))
    let record = Self.record(number, disk, world)
    membership = Self.membership(record, seeds, &world)
    founding = Founding(record, seeds: seeds)
    register = TopologyRegister(id, identity: disk.identity, state: TopologyState())
    repair = Self.repair(disk, &world)
    readiness = ReplicaReadiness(id, records: [:])
    kept = KeptSlots(of: id)
  }

  static func identity(_ world: inout ClusterWorld) -> NodeIdentity {
    NodeIdentity(Hash128(high: world.generator.next(), low: world.generator.next()))
  }

  private static func record(_ number: Int, _ disk: NodeDisk, _ world: ClusterWorld) -> NodeRecord {
    let id = world.nodes[number]
    guard
      let record = try? NodeRecord(
        node: id, identity: disk.identity, address: PeerAddress(id.rawValue), zone: world.settings.zones[number],
        weight: world.settings.weights[number], isEmpty: disk.isEmpty)
    else { preconditionFailure("a node of the simulation has no record") }
    return record
  }

  private static func membership(
    _ record: NodeRecord, _ seeds: [PeerAddress], _ world: inout ClusterWorld
  ) -> Membership {
    var options = MembershipOptions()
    options.period = 200_000_000
    options.pingTimeout = 60_000_000
    options.exchangeInterval = 2_000_000_000
    options.takeOverAfter = 2_000_000_000
    options.settleAfter = 2_000_000_000
    return Membership(record, run: world.generator.next(), options: options, seeds: seeds)
  }

  private static func register(_ id: NodeID, _ disk: NodeDisk, _ plants: Plants) -> TopologyRegister {
    var options = TopologyOptions()
    options.attemptTimeout = 600_000_000
    options.resendInterval = 150_000_000
    options.backoff = Backoff(base: 60_000_000, cap: 1_000_000_000)
    options.helloInterval = 1_000_000_000
    options.fetchTimeout = 200_000_000
    options.recoverAfter = 2_000_000_000
    var state = disk.topology.flatMap { try? TopologyState(decoding: $0) } ?? TopologyState()
    if plants.topology == .forgetsPromises { (state.promised, state.accepted) = (nil, nil) }
    return TopologyRegister(id, identity: disk.identity, state: state, options: options)
  }

  private static func repair(_ disk: NodeDisk, _ world: inout ClusterWorld) -> AntiEntropy {
    var settings = AntiEntropy.Settings()
    settings.pause = 40_000_000
    settings.timeout = 1_000_000_000
    return AntiEntropy(settings, cursor: disk.cursor, using: &world.generator)
  }

  /// What its monotonic clock shows.
  func time(_ world: ClusterWorld) -> Int64 { clock.monotonic(at: world.now) }

  // MARK: - Life and death

  mutating func start(_ world: inout ClusterWorld) {
    life += 1
    isUp = true
    world.down.remove(number)
    (isSyncing, continuations, syncedOperations, wakeAt, lookAt) = (false, [], 0, .max, .min)
    expireAt = world.now
    (disk.forgetsNames, disk.tieByArrival) = (plants.shell == .skipsDirectorySync, plants.shell == .tieByArrival)
    let record = Self.record(number, disk, world)
    membership = Self.membership(record, seeds, &world)
    present = [id]
    (payloads, deliveries, reads, waiters) = ([:], [:], [:], [])
    repair = Self.repair(disk, &world)
    (records, settled, owed) = (disk.records, disk.settled, disk.owed)
    isOwedStored = owed != nil
    readiness = ReplicaReadiness(id, records: records)
    (kept, unsyncedKept) = (KeptSlots(of: id), [])
    register = Self.register(id, disk, plants)
    founding = Founding(record, seeds: seeds)
    if let topology = register.topology { founding.learned(topology) }
    if register.state.promised != nil { world.reach(.startedWithAVote) }
    (change, outbox, isStoring, proposeAt) = (nil, [], false, .min)
    (layout, adopted, held) = (nil, nil, [])
    startWrites(&world)
    plant()
    let empty: MerkleTree = {
      var tree = MerkleTree()
      tree.bug = plants.read
      return tree
    }()
    trees = (0..<ClusterWorld.slotCount).map { _ in empty }
    rows = (0..<ClusterWorld.slotCount).map { _ in RowSet() }
    keep(disk.rows.sorted)
    world.note("start \(id) life \(life)")
    if let topology = register.topology { take(topology, &world) }
    tick(&world)
  }

  private mutating func startWrites(_ world: inout ClusterWorld) {
    var limits = WriteLimits()
    limits.writesMax = world.settings.writesMax
    writes = ReplicatedWrites(limits: limits)
    (hints, firstDelivered, settledHints, givenUpHints, releasedHints) = ([:], [:], [:], [:], [:])
    for peer in world.nodes where peer != id {
      let stored = (disk.hints[peer] ?? [:]).sorted { $0.key < $1.key }.map { sequence, hint in
        // Of an age by the clock on the wall, whatever that shows now.
        let age = max(0, clock.wall(at: world.now) - hint.time)
        return HintQueue.Stored(
          sequence: sequence, bytes: hint.frame.count, time: time(world) - age, slots: HintedSlots(hint.slots))
      }
      if !stored.isEmpty { world.reach(.hintsFoundAtStart) }
      var limits = HintLimits()
      limits.countMax = world.settings.hintsMax
      limits.ageMax = world.settings.hintAgeMax
      limits.timeout = 2_000_000_000
      limits.backoff = Backoff(base: 200_000_000, cap: 3_000_000_000)
      hints[peer] = HintQueue(
        for: peer, limits: limits, stored: stored, next: disk.nextHint[peer] ?? 1, isUp: false)
    }
  }

  private mutating func plant() {
    membership.planted = plants.membership
    #if DEBUG
      writes.planted = plants.write
      for peer in hints.keys { hints[peer]?.planted = plants.write }
    #endif
    repair.bug = plants.read
    readiness.bug = plants.read
    kept.bug = plants.change
    register.bug = plants.topology
    founding.bug = plants.topology
  }

  /// Is asked to stop: tells the others so, and goes on until it has ended.
  mutating func stop(_ world: inout ClusterWorld) {
    let actions = membership.suspend(now: time(world), random: &world.generator)
    guard !actions.isEmpty else { return }
    world.note("stop \(id)")
    world.count("fault: stops in order")
    world.reach(.nodeStopsInOrder)
    perform(actions, &world)
  }

  mutating func crash(_ world: inout ClusterWorld) {
    guard isUp else { return }
    world.note("crash \(id)")
    world.count("fault: crashes")
    if isSyncing { world.reach(.crashDuringASync) }
    tellCounters(&world)
    isUp = false
    world.down.insert(number)
    pausedUntil = 0
    if disk.crash(&world.generator) > 0 { world.reach(.tornLogCut) }
    world.durable[number] = disk.rows
  }

  /// The disk is gone; the node comes back with another one.
  mutating func loseDisk(_ world: inout ClusterWorld) {
    crash(&world)
    world.count("fault: lost disks")
    world.losses += 1
    disk = NodeDisk(Self.identity(&world))
    world.durable[number] = RowSet()
    world.known[number] = nil
  }

  // MARK: - Events

  mutating func wake(life: Int, _ world: inout ClusterWorld) {
    guard isUp, life == self.life, world.now >= wakeAt else { return }
    wakeAt = .max
    tick(&world)
  }

  mutating func tick(_ world: inout ClusterWorld) {
    perform(membership.tick(now: time(world), random: &world.generator), &world)
    tickTopology(&world)
    perform(writes.tick(now: time(world), using: &world.generator), &world)
    let now = time(world)
    for peer in hints.keys.sorted() {
      let actions = hints[peer]?.tick(now: now, using: &world.generator) ?? []
      perform(actions, of: peer, &world)
    }
    for read in reads.keys.sorted() {
      perform(reads[read]?.machine.tick(now: UInt64(now)) ?? [], of: read, &world)
    }
    endWaits(&world)
    if now >= lookAt {
      // An exchange that came to nothing has to be asked for again.
      lookAt = now + 400_000_000
      urgeFills()
    }
    expire(&world)
    perform(repair.tick(now: UInt64(time(world)), view(world)), &world)
    scheduleWake(&world)
  }

  mutating func receive(_ bytes: [UInt8], from sender: Int, _ world: inout ClusterWorld) {
    guard isUp, let first = bytes.first else { return }
    guard first != Self.compareTag else { return receiveCompare(bytes, &world) }
    guard let kind = MessageKind(rawValue: first) else { return world.violation("a message of an unknown kind") }
    let node = world.nodes[sender]
    switch kind {
    case .membership:
      let message = bytes.withUnsafeBytes { try? MembershipMessage(decoding: $0) }
      guard let message else { return world.violation("a message about members cannot be read") }
      let address = PeerAddress(node.rawValue)
      perform(membership.receive(message, from: address, now: time(world), random: &world.generator), &world)
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
      perform(repair.received(message, from: node, now: UInt64(time(world)), view(world)), &world)
    case .topology:
      guard let message = try? TopologyMessage(decoding: bytes) else {
        return world.violation("a message about the topology cannot be read")
      }
      receive(message, from: sender, &world)
    }
    scheduleWake(&world)
  }

  mutating func scheduleWake(_ world: inout ClusterWorld) {
    guard isUp else { return }
    let now = time(world)
    var next = Int64(clamping: repair.wakeAt(now: UInt64(now)))
    next = min(next, membership.nextDeadline ?? .max, writes.nextTick ?? .max)
    next = min(next, register.nextTick, founding.nextTick ?? .max, change?.nextTick ?? .max)
    for queue in hints.values { next = min(next, queue.nextTick ?? .max) }
    for read in reads.values { next = min(next, read.machine.wakeAt.map { Int64(clamping: $0) } ?? .max) }
    for waiter in waiters { next = min(next, waiter.until) }
    if !outbox.isEmpty, !isStoring { next = min(next, now + 50_000_000) }
    // Not for ever at one instant, whatever a machine says; and nothing that is overdue for ever is slept over.
    next = min(max(next, now + 1_000_000), now + 1_000_000_000)
    let moment = clock.moment(of: next, after: world.now)
    guard moment < wakeAt else { return }
    wakeAt = moment
    world.schedule(.wake(number, life: life), at: moment)
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
    var time = world.time(1...world.plan.syncMax)
    if slowDiskUntil > world.now {
      world.reach(.slowDisk)
      time = time * 4 + world.time(50...400)
    }
    world.schedule(.synced(number, life: life, count: disk.pending), after: time)
  }

  mutating func synced(life: Int, count: Int, _ world: inout ClusterWorld) {
    guard isUp, life == self.life else { return }
    isSyncing = false
    for operation in disk.synced(count) {
      switch operation {
      case .rows(let rows): for row in rows { world.durable[number].insert(row) }
      case .drop(let rows): for row in rows { world.durable[number].remove(row) }
      default: break
      }
    }
    syncedOperations += count
    let due = continuations.filter { $0.after <= syncedOperations }
    continuations.removeAll { $0.after <= syncedOperations }
    for (_, next) in due { perform(next, &world) }
    sync(&world)
    scheduleWake(&world)
  }

  private mutating func perform(_ next: Continuation, _ world: inout ClusterWorld) {
    switch next {
    case .acknowledge(let write, let attempt, let epoch, let node):
      acknowledge(write, attempt: attempt, epoch: epoch, to: node, &world)
    case .ownRows(let write): ownRowsStored(write, &world)
    case .ownRefused(let write, let attempt, let failure):
      ownRowsRefused(write, attempt: attempt, failure, &world)
    case .hint(let peer, let sequence):
      let now = time(world)
      let actions = hints[peer]?.stored(sequence, now: now) ?? []
      perform(actions, of: peer, &world)
    case .topologyStored:
      isStoring = false
      pump(&world)
    case .adopt(let layout): adopt(layout, &world)
    case .damageNoted(let damage): write([.leftOut(damage)], then: nil, &world)
    case .keptSynced(let slot):
      world.reach(.keptSlotSynced)
      unsyncedKept.remove(slot)
    case .owedNoted(let noted): if noted == owed { isOwedStored = owed != nil }
    case .repair(let ticket): perform(repair.stored(ticket, now: UInt64(time(world)), view(world)), &world)
    }
  }

  /// Rows become part of what the node knows.
  mutating func keep(_ added: [SimulatedRow]) {
    for row in added {
      let slot = Int(row.slot)
      switch rows[slot].insert(row, byArrival: plants.shell == .tieByArrival) {
      case .none: continue
      case .new: break
      case .replaced(let old): trees[slot].remove(old.digest, window: old.window, bucket: old.bucket)
      }
      trees[slot].add(row.digest, window: row.window, bucket: row.bucket)
    }
  }
}
