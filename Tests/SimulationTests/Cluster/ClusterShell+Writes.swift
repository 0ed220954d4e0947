import NeedletailTelemetry

@testable import NeedletailCluster

extension ClusterShell {
  /// A client sends a write to this node.
  mutating func begin(_ sent: WriteID, _ written: [SimulatedRow], _ world: inout ClusterWorld) {
    guard let layout else { return }
    let write = plants.shell == .namesByContentAlone ? sent : WriteID(of: sent.bits, epoch: layout.epoch)
    // What is too old is decided once, by the node that takes the write.
    let taken = unexpired(written, &world)
    if taken.count < written.count { world.reach(.writeOfExpiredRows) }
    guard !taken.isEmpty else { return world.isSettled(sent) }
    let targets = WriteTargets(slots: taken.map(\.slot), in: layout.groups)
    let bytes = taken.count * SimulatedRow.byteCount
    if layout.slots(of: id).isEmpty { world.reach(.writeOfANodeWithoutSlots) }
    if layout.beside != nil { world.reach(.writeToOldAndNewOwners) }
    if layout.replication != layout.besideReplication { world.reach(.writeByTwoQuorums) }
    do throws(WriteRefused) {
      let before = brokenPeers
      let actions = try writes.begin(
        write, bytes: bytes, to: targets, now: time(world), deadline: time(world) + 8_000_000_000)
      payloads[write] = Payload(sent: sent, rows: taken, layout: layout)
      if !before.isEmpty { noteProbes(actions, before, &world) }
      perform(actions, &world)
    } catch {
      world.note("write \(sent) is not begun: \(error)")
      world.count("writes: not begun")
      if error == .underWay { world.reach(.writeWasUnderWayAlready) }
    }
    scheduleWake(&world)
  }

  /// The nodes whose breakers are not closed.
  private var brokenPeers: Set<NodeID> { Set(writes.peers.filter { !$0.breaker.isClosed }.map(\.node)) }

  private func noteProbes(
    _ actions: [ReplicatedWrites.Action], _ broken: Set<NodeID>, _ world: inout ClusterWorld
  ) {
    world.reach(.breakerOpened)
    for case .send(_, let node, _, _) in actions where broken.contains(node) { world.reach(.breakerHalfOpened) }
  }

  mutating func perform(_ actions: [ReplicatedWrites.Action], _ world: inout ClusterWorld) {
    for action in actions {
      switch action {
      case .send(let write, let node, let attempt, _): send(write, to: node, attempt: attempt, &world)
      case .hint(let write, let node): hint(write, node, &world)
      case .gaveUp(let write, let node):
        payloads[write]?.cared.insert(node)
        isMissed(slots(of: write, for: node), by: node, &world)
      case .complete(let write, let outcome):
        guard let payload = payloads[write] else { continue }
        payloads[write]?.isAcknowledged = outcome == .acknowledged
        let isSomebodyAway = payload.layout.topology.ring.contains { !present.contains($0.node) }
        world.completed(payload.sent, outcome, by: payload.layout, isSomebodyAway: isSomebodyAway)
      case .forget(let write): forget(write, &world)
      }
    }
  }

  /// Nothing acknowledged is let go of before each replica has it, has a hint of it or was told to lack it.
  private mutating func forget(_ write: WriteID, _ world: inout ClusterWorld) {
    guard let payload = payloads.removeValue(forKey: write), payload.isAcknowledged else { return }
    for node in WriteTargets(slots: payload.rows.map(\.slot), in: payload.layout.groups).nodes
    where !payload.cared.contains(node) && membership.member(node)?.status.isFinal != true {
      world.violation("\(id) lets go of a write that \(node) has not, without a hint of it and without a word")
    }
  }

  /// The rows of a write that a node holds; what was forgotten cannot be sent.
  func rows(of write: WriteID, for node: NodeID, _ world: inout ClusterWorld) -> [SimulatedRow]? {
    guard let payload = payloads[write] else {
      world.violation("a payload is wanted that was forgotten")
      return nil
    }
    return payload.rows.filter { payload.layout.writers(of: $0.slot).contains(node) }.sorted()
  }

  func slots(of write: WriteID, for node: NodeID) -> [UInt16] {
    guard let payload = payloads[write] else { return [] }
    return Set(payload.rows.map(\.slot)).filter { payload.layout.writers(of: $0).contains(node) }.sorted()
  }

  // MARK: - Attempts

  private mutating func send(_ write: WriteID, to node: NodeID, attempt: UInt8, _ world: inout ClusterWorld) {
    guard let rows = rows(of: write, for: node, &world), let to = world.node(node) else { return }
    if node == id { return takeOwn(write, rows, attempt: attempt, &world) }
    let slots = Set(rows.map(\.slot)).sorted()
    let frame = SimulatedRow.encode(rows)
    guard
      let append = WriteAppend(
        write, attempt: attempt, epoch: payloads[write]?.layout.epoch ?? 0, slots: slots, frames: [frame[...]])
    else {
      return world.violation("a write without rows is sent")
    }
    world.send(WriteMessage.append(append).encoded, from: number, to: to)
  }

  private mutating func takeOwn(
    _ write: WriteID, _ rows: [SimulatedRow], attempt: UInt8, _ world: inout ClusterWorld
  ) {
    let isOld = (payloads[write]?.layout.epoch ?? 0) < layout?.epoch ?? 0 && plants.shell != .takesOldAssignments
    guard world.now >= fullUntil, !isOld else {
      world.reach(.ownRowsNotTaken)
      // Later, as every answer.
      let failure: ReplicaFailure = isOld ? .notReplica : .overloaded(retryAfterMilliseconds: 200)
      return self.write([], then: .ownRefused(write, attempt: attempt, failure), &world)
    }
    keep(rows)
    self.write([.rows(rows)], then: .ownRows(write), &world)
  }

  mutating func ownRowsRefused(
    _ write: WriteID, attempt: UInt8, _ failure: ReplicaFailure, _ world: inout ClusterWorld
  ) {
    let actions = writes.failed(
      write, at: id, attempt: attempt, failure, now: time(world), using: &world.generator)
    perform(actions, &world)
  }

  mutating func ownRowsStored(_ write: WriteID, _ world: inout ClusterWorld) {
    payloads[write]?.cared.insert(id)
    perform(writes.acknowledged(write, by: id, now: time(world)), &world)
  }

  mutating func receive(_ message: WriteMessage, from sender: Int, _ world: inout ClusterWorld) {
    switch message {
    case .append(let append): take(append, from: sender, &world)
    case .acknowledge(let write, let attempt): acknowledged(write, attempt: attempt, by: world.nodes[sender], &world)
    case .refuse(let write, let attempt, let refusal):
      world.count("refused writes")
      let node = world.nodes[sender]
      guard attempt == 0 else {
        let actions = writes.failed(
          write, at: node, attempt: attempt, refusal.failure, now: time(world), using: &world.generator)
        return perform(actions, &world)
      }
      guard let delivery = takeDelivery(write, to: node) else { return }
      let now = time(world)
      let actions =
        hints[node]?.failed(
          delivery.sequence, attempt: delivery.attempt, refusal.failure, now: now, using: &world.generator) ?? []
      perform(actions, of: node, &world)
    }
  }

  private mutating func acknowledged(
    _ write: WriteID, attempt: UInt8, by node: NodeID, _ world: inout ClusterWorld
  ) {
    // Attempt 0 is a hint's.
    guard attempt == 0 else {
      if payloads[write]?.cared.contains(node) == true { world.reach(.replicaAcknowledgedTwice) }
      payloads[write]?.cared.insert(node)
      return perform(writes.acknowledged(write, by: node, now: time(world)), &world)
    }
    guard let delivery = takeDelivery(write, to: node) else { return }
    if let hint = disk.hints[node]?[delivery.sequence], let place = world.node(node), world.losses == 0,
      !SimulatedRow.decode(hint.frame).allSatisfy({ world.durable[place].covers($0) || !world.isKept($0) })
    {
      world.violation("\(node) acknowledges a hint and has not all of it on disk")
    }
    settledHints[node, default: []].insert(delivery.sequence)
    let now = time(world)
    let actions = hints[node]?.acknowledged(delivery.sequence, now: now) ?? []
    perform(actions, of: node, &world)
  }

  // MARK: - As a replica

  private mutating func take(_ append: WriteAppend, from sender: Int, _ world: inout ClusterWorld) {
    guard let layout else {
      // It does not know yet what it holds: that is no reason to give a hint up.
      return refuse(append.write, append.attempt, .overloaded(retryAfterMilliseconds: 200), to: sender, &world)
    }
    let isOld = append.epoch < layout.epoch
    if isOld, append.attempt > 0, plants.shell != .takesOldAssignments {
      world.reach(.writeOfAnOlderEpochRefused)
      return refuse(append.write, append.attempt, .notReplica, to: sender, &world)
    }
    guard append.slots.allSatisfy({ layout.writers(of: $0).contains(id) }) else {
      return refuse(append.write, append.attempt, .notReplica, to: sender, &world)
    }
    guard world.now >= fullUntil else {
      world.reach(.writeRefusedByAFullDisk)
      return refuse(append.write, append.attempt, .overloaded(retryAfterMilliseconds: 200), to: sender, &world)
    }
    if isOld, append.attempt == 0 { world.reach(.hintOfAnOlderEpochTaken) }
    var rows = append.frames.flatMap { SimulatedRow.decode($0) }
    if append.attempt == 0 {
      // Of a hint that was long on its way nothing may be left: it counts as stored.
      let taken = unexpired(rows, &world)
      if taken.count < rows.count { world.reach(.hintOfExpiredRows) }
      rows = taken
    }
    if rows.contains(where: { self.rows[Int($0.slot)].covers($0) && !self.rows[Int($0.slot)].contains($0) }) {
      world.reach(.olderValueLost)
    }
    let isKept = plants.shell != .acknowledgesWithoutStoring || append.attempt > 0
    if isKept { keep(rows) }
    let next = Continuation.acknowledge(
      append.write, attempt: append.attempt, epoch: append.epoch, to: sender)
    write(isKept ? [.rows(rows)] : [], then: next, &world)
  }

  private func refuse(
    _ write: WriteID, _ attempt: UInt8, _ refusal: WriteRefusal, to sender: Int, _ world: inout ClusterWorld
  ) {
    world.send(WriteMessage.refuse(write, attempt: attempt, refusal).encoded, from: number, to: sender)
  }

  /// The rows are on disk. A newer assignment that came meanwhile may have been compared before they were there.
  func acknowledge(_ write: WriteID, attempt: UInt8, epoch: UInt64, to sender: Int, _ world: inout ClusterWorld) {
    if attempt > 0, epoch < layout?.epoch ?? 0, plants.shell != .takesOldAssignments {
      world.reach(.writeRefusedAfterItWasStored)
      return refuse(write, attempt, .notReplica, to: sender, &world)
    }
    world.send(WriteMessage.acknowledge(write, attempt: attempt).encoded, from: number, to: sender)
  }
}
