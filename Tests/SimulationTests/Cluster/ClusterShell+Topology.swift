import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

extension ClusterShell {
  /// What an operator asks of a node.
  enum Wish {
    case add(NodeID)
    case drain(NodeID)
    case remove(NodeID)
    case place(NodeID, zone: String?, weight: UInt32)
    case replicate(Replication)
    case cancel
  }

  private static let proposalTimeout: Int64 = 5_000_000_000

  // MARK: - Agreement

  mutating func perform(_ actions: [TopologyAction], _ world: inout ClusterWorld) {
    outbox += actions
    pump(&world)
  }

  /// Does what the register wants, in its order: nothing goes ahead of a store that is under way.
  mutating func pump(_ world: inout ClusterWorld) {
    while isUp, !isStoring, !outbox.isEmpty {
      if case .store = outbox[0], world.now < fullUntil {
        // It is silent until its disk takes it.
        return world.reach(.topologyNotKept)
      }
      switch outbox.removeFirst() {
      case .store(let state):
        isStoring = true
        write([.topology(state.encoded)], then: .topologyStored, &world)
      case .send(let message, let node):
        if let to = world.node(node) { world.send(message.encoded, from: number, to: to) }
      case .learned(let topology): take(topology, &world)
      case .proposalEnded(let outcome): world.note("\(id): a proposal is \(Self.word(outcome))")
      case .unlike(let node, _): world.violation("\(id) hears of another decider from \(node)")
      case .foreign(let node, _): world.violation("\(id) hears of another cluster from \(node)")
      }
    }
  }

  private static func word(_ outcome: TopologyOutcome) -> String {
    switch outcome {
    case .chosen: "chosen"
    case .overtaken(let topology): "overtaken by epoch \(topology.epoch)"
    case .timedOut: "timed out"
    }
  }

  /// A topology is decided, and on this disk.
  mutating func take(_ topology: Topology, _ world: inout ClusterWorld) {
    let before = layout?.topology
    if world.known[number] != topology.epoch || before != nil {
      let layout = world.layout(of: topology, plants)
      self.layout = layout
      world.learned(topology, by: number)
    } else {
      layout = world.layout(of: topology, plants)
    }
    guard let layout else { return }
    founding.learned(topology)
    change = RingChange(topology, bug: plants.change)
    change?.bug = plants.topology
    world.note("\(id) knows epoch \(topology.epoch)")
    write([], then: .adopt(layout), &world)
    let held = (before?.ring ?? []) + (before?.former ?? [])
    // Whoever was dead and gave way to others is gone for good, and its name is free.
    for node in held.map(\.node) where topology.member(node) == nil && membership.member(node)?.status == .dead {
      world.reach(.deadNodeRemoved)
      let actions = try? membership.remove(node, now: time(world), random: &world.generator)
      perform(actions ?? [], &world)
    }
    endWaits(&world)
  }

  mutating func tickTopology(_ world: inout ClusterWorld) {
    pump(&world)
    perform(register.tick(now: time(world), using: &world.generator), &world)
    perform(founding.tick(now: time(world), using: &world.generator), &world)
    let now = time(world)
    if let next = change?.nextTick, now >= next {
      let others = membership.members.filter { $0.node != id && $0.status.isPresent }
        .map { TopologyVoter($0.node, $0.record.identity) }
      for action in change?.tick(now: now, own: id, present: others + [register.voter]) ?? [] {
        switch action {
        case .ask(let node): askProgress(of: node, &world)
        case .propose(let topology): proposeOwn(topology, &world)
        }
      }
    }
    if let topology = changeOfOwn { proposeOwn(topology, &world) }
  }

  /// The topology in which this node is what it is: with its disk, and with what was lost on it.
  private var changeOfOwn: Topology? {
    guard let layout, register.topology == layout.topology, let own = layout.topology.member(id) else { return nil }
    if own.identity != disk.identity {
      // As long as another one may hold the name, it is no member.
      return membership.own.tenure > 0 ? try? layout.topology.replacing(id, with: disk.identity) : nil
    }
    guard let owed, isOwedStored, !isKnown(owed, in: layout) else { return nil }
    return try? layout.topology.damaged(id)
  }

  private mutating func proposeOwn(_ topology: Topology, _ world: inout ClusterWorld) {
    guard time(world) >= proposeAt else { return }
    proposeAt = time(world) + 500_000_000
    propose(topology, &world)
  }

  private mutating func propose(_ topology: Topology, _ world: inout ClusterWorld) {
    let deadline = time(world) + Self.proposalTimeout
    let actions = try? register.propose(topology, deadline: deadline, now: time(world), using: &world.generator)
    perform(actions ?? [], &world)
  }

  /// An operator asks for a change of members; false where it cannot be made now.
  mutating func make(_ wish: Wish, _ world: inout ClusterWorld) -> Bool {
    guard isUp, let topology = register.topology, topology == layout?.topology else { return false }
    let next: Topology?
    switch wish {
    case .add(let node):
      guard let member = membership.member(node), member.status.isPresent, member.tenure > 0 else { return false }
      next = try? topology.adding(TopologyMember(member.record))
    case .drain(let node), .remove(let node):
      // The node refuses what would be committed and never over.
      guard isPresent(node) || !topology.endNeedsAll else {
        world.reach(.changeRefusedForItsEnd)
        return false
      }
      next = try? topology.draining(node)
    case .place(let node, let zone, let weight): next = try? topology.placing(node, zone: zone, weight: weight)
    case .replicate(let replication): next = try? topology.replicating(replication)
    case .cancel: next = try? topology.cancelled()
    }
    guard let next else { return false }
    world.note("\(id) is asked for \(wish)")
    propose(next, &world)
    scheduleWake(&world)
    return true
  }

  // MARK: - Messages

  mutating func receive(_ message: TopologyMessage, from sender: Int, _ world: inout ClusterWorld) {
    switch message.purpose {
    case .agreement: perform(register.receive(message, now: time(world), using: &world.generator), &world)
    case .founding:
      let address = PeerAddress(world.nodes[sender].rawValue)
      perform(founding.receive(message, from: address, now: time(world)), &world)
    case .progressQuestion:
      if let answer = answer(message) { world.send(answer.encoded, from: number, to: sender) }
    case .progress: change?.receive(message)
    }
  }

  private mutating func perform(_ actions: [Founding.Action], _ world: inout ClusterWorld) {
    for action in actions {
      switch action {
      case .send(let message, let address):
        if let to = world.node(NodeID(address.text)) { world.send(message.encoded, from: number, to: to) }
      case .waits: break
      case .founds(let members, let leads):
        perform(register.setFounders(members.map { TopologyVoter($0.node, $0.identity) }), &world)
        guard leads else { continue }
        let cluster = Hash128(high: world.generator.next(), low: world.generator.next())
        let founded = try? Topology.founding(
          clusterID: cluster, slotCount: ClusterWorld.slotCount, replicaCount: world.settings.replication.count,
          writeQuorum: world.settings.replication.writeQuorum, members: members)
        if let founded { proposeOwn(founded, &world) }
      }
    }
  }

  private mutating func askProgress(of node: NodeID, _ world: inout ClusterWorld) {
    guard let question = change?.question(from: register.voter) else { return }
    guard node != id else {
      if let answer = answer(question) { change?.receive(answer) }
      return
    }
    if let to = world.node(node) { world.send(question.encoded, from: number, to: to) }
  }

  private func answer(_ question: TopologyMessage) -> TopologyMessage? {
    guard let change, question.sender.epoch == change.topology.epoch else { return nil }
    if plants.shell == .claimsToBeFilled { return change.answer(ready: change.due(of: id), from: register.voter) }
    // Of slots that this change gives the node, its replicas know nothing before they have adopted it.
    guard adopted?.epoch == change.topology.epoch else { return change.answer(ready: [], from: register.voter) }
    var open = plants.shell == .claimsToBeCompared ? [] : kept.left
    if plants.shell != .comparesInMemory { open.formUnion(unsyncedKept) }
    let done = change.done(by: id) { slots in
      SlotSet(slots.filter { readiness.state(of: $0) != .ready || open.contains($0) })
    }
    return change.answer(ready: done, from: register.voter)
  }

  // MARK: - The replicas of this node

  func isKnown(_ owed: NodeDisk.Owed, in layout: SimulatedLayout) -> Bool {
    guard let member = layout.topology.member(id), member.identity == disk.identity else { return false }
    return member.joined > owed.epoch || member.losses > owed.losses
  }

  /// Its replicas go by another layout from now on.
  mutating func adopt(_ layout: SimulatedLayout, _ world: inout ClusterWorld) {
    guard layout.epoch > adopted?.epoch ?? 0 else { return }
    let isFirst = adopted == nil
    let isNew = isFirst && records.isEmpty
    adopted = layout
    let own = SlotSet(layout.slots(of: id))
    if let owed, own.isEmpty || isKnown(owed, in: layout) { setOwed(nil, &world) }
    for slot in records.keys.sorted() where !own.contains(slot) { perform(readiness.unassigned(slot), &world) }
    held = own
    let tenures = SlotTenures(of: id, identity: disk.identity, in: layout.topology)
    var duties: [UInt16: [NodeID]] = [:]
    for slot in own {
      assign(slot, layout, tenures, isFirst: isFirst, &world)
      duties[slot] = layout.writers(of: slot).filter { $0 != id }
    }
    kept.adopt(layout.topology, ring: layout.assignment, next: layout.next) { readiness.fill(of: $0) }
    repair.setDuties(plants.shell == .forgetsToRepair ? [:] : duties)
    settled = layout.epoch
    write([.settled(settled)], then: nil, &world)
    for damage in isFirst ? disk.damages.sorted() : [] {
      world.reach(.damageFoundAtStart)
      note(damage, &world)
    }
    let isLacking = layout.assignment.slots(of: id).contains { readiness.state(of: $0) != .ready }
    let isOther = layout.topology.member(id).map { $0.identity != disk.identity } ?? false
    if isFirst && isNew && isLacking || isOther && owed == nil { owe(&world) }
    urgeFills()
  }

  private mutating func assign(
    _ slot: UInt16, _ layout: SimulatedLayout, _ tenures: SlotTenures, isFirst: Bool, _ world: inout ClusterWorld
  ) {
    let record = records[slot]?.since
    var since = tenures.since(slot, record: record, settled: settled) ?? layout.epoch
    if let record, record != since { world.reach(.recordOfAnEarlierTenure) }
    if plants.shell == .keepsOldRecords { since = record ?? since }
    let (replicas, quorum) = filling(slot, layout)
    perform(
      readiness.assigned(
        slot, replicas: replicas, writeQuorum: quorum, since: since, epoch: layout.epoch,
        isFromTheStart: isFirst && tenures.isFromTheStart(slot)), &world)
  }

  private func filling(_ slot: UInt16, _ layout: SimulatedLayout) -> (replicas: [NodeID], writeQuorum: Int) {
    let owners = layout.readers(of: slot)
    let (replicas, quorum) = layout.topology.filling(id, from: owners)
    if plants.shell == .fillsOwnersAsNewcomers, owners.contains(id) { return (replicas, quorum + 1) }
    if plants.change == .fillsByNextQuorum, let next = layout.topology.nextReplication, !owners.contains(id) {
      return (replicas, next.acknowledgements(of: owners.count) + 1)
    }
    return (replicas, quorum)
  }

  /// Something is lost: what is compared counts from a layout on that is made after it is noted on disk.
  mutating func owe(_ world: inout ClusterWorld) {
    var epoch = layout?.epoch ?? 0
    var losses = layout?.topology.member(id)?.losses ?? 0
    if let owed {
      // One that was told may be on its way into a topology, without this one.
      epoch = max(epoch, owed.epoch)
      losses = max(losses, isOwedStored ? owed.losses + 1 : owed.losses)
    }
    setOwed(NodeDisk.Owed(epoch: epoch, losses: losses), &world)
  }

  private mutating func setOwed(_ owed: NodeDisk.Owed?, _ world: inout ClusterWorld) {
    self.owed = owed
    isOwedStored = false
    write([.owed(owed)], then: .owedNoted(owed), &world)
  }
}
