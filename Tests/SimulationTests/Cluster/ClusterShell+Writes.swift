import NeedletailTelemetry

@testable import NeedletailCluster

extension ClusterShell {
  /// A client sends a write to this node.
  mutating func begin(_ write: WriteID, _ written: [SimulatedRow], _ world: inout ClusterWorld) {
    let targets = WriteTargets(slots: written.map(\.slot), in: world.groups)
    let bytes = written.count * SimulatedRow.byteCount
    do throws(WriteRefused) {
      let actions = try writes.begin(
        write, bytes: bytes, to: targets, level: plants.shell == .writesOne ? .one : .quorum, now: world.now,
        deadline: world.now + 8_000_000_000)
      payloads[write] = Payload(rows: written, epoch: epoch)
      perform(actions, &world)
    } catch {
      world.note("write \(write) is not begun: \(error)")
      world.count("writes: not begun")
    }
    scheduleWake(&world)
  }

  mutating func perform(_ actions: [ReplicatedWrites.Action], _ world: inout ClusterWorld) {
    for action in actions {
      switch action {
      case .send(let write, let node, let attempt, _): send(write, to: node, attempt: attempt, &world)
      case .hint(let write, let node) where plants.shell == .hintsStayInMemory:
        perform(writes.hinted(write, node), &world)
      case .hint(let write, let node) where node == id:
        // Its own disk did not take the rows, and so takes no hint: repair brings them.
        world.count("own rows that the disk did not take")
        perform(writes.hintGivenUp(write, id), &world)
      case .hint(let write, let node):
        guard let rows = rows(of: write, for: node, &world) else { continue }
        let actions =
          hints[node]?.append(
            write, bytes: rows.count * SimulatedRow.byteCount, slots: HintedSlots(rows.map(\.slot)), now: world.now)
          ?? []
        perform(actions, of: node, &world)
      case .gaveUp: world.count("writes that a replica will never have by a hint")
      case .complete(let write, let outcome): world.completed(write, outcome)
      case .forget(let write): payloads[write] = nil
      }
    }
  }

  /// The rows of a write that a node holds; what was forgotten cannot be sent.
  private func rows(of write: WriteID, for node: NodeID, _ world: inout ClusterWorld) -> [SimulatedRow]? {
    guard let all = payloads[write]?.rows else {
      world.violation("a payload is wanted that was forgotten")
      return nil
    }
    return all.filter { world.assignment.replicas(of: $0.slot).contains(node) }.sorted()
  }

  private mutating func send(_ write: WriteID, to node: NodeID, attempt: UInt8, _ world: inout ClusterWorld) {
    guard let rows = rows(of: write, for: node, &world), let to = world.node(node) else { return }
    if node == id {
      let isOld = (payloads[write]?.epoch ?? 0) < epoch
      guard world.now >= fullUntil, !isOld else {
        let actions = writes.failed(
          write, at: id, attempt: attempt, isOld ? .notReplica : .overloaded(retryAfterMilliseconds: 200),
          now: world.now, using: &world.generator)
        return perform(actions, &world)
      }
      keep(rows)
      self.write([.rows(rows)], then: .ownRows(write), &world)
      return
    }
    let slots = Set(rows.map(\.slot)).sorted()
    let frame = SimulatedRow.encode(rows)
    guard
      let append = WriteAppend(
        write, attempt: attempt, epoch: payloads[write]?.epoch ?? 0, slots: slots, frames: [frame[...]])
    else {
      return world.violation("a write without rows is sent")
    }
    world.send(WriteMessage.append(append).encoded, from: number, to: to)
  }

  mutating func receive(_ message: WriteMessage, from sender: Int, _ world: inout ClusterWorld) {
    let node = world.nodes[sender]
    switch message {
    case .append(let append):
      let isOld = append.epoch < epoch && append.attempt > 0 && plants.shell != .takesOldAssignments
      guard epoch > 0, append.slots.allSatisfy({ trees[$0] != nil }), !isOld else {
        let refusal = WriteMessage.refuse(append.write, attempt: append.attempt, .notReplica)
        return world.send(refusal.encoded, from: number, to: sender)
      }
      guard world.now >= fullUntil else {
        let refusal = WriteRefusal.overloaded(retryAfterMilliseconds: 200)
        let answer = WriteMessage.refuse(append.write, attempt: append.attempt, refusal)
        return world.send(answer.encoded, from: number, to: sender)
      }
      let rows = append.frames.flatMap { SimulatedRow.decode($0) }
      if plants.shell != .acknowledgesWithoutStoring || append.attempt > 0 { keep(rows) }
      let next = Continuation.acknowledge(append.write, attempt: append.attempt, to: sender)
      write([.rows(rows)], then: next, &world)
    case .acknowledge(let write, let attempt):
      // Attempt 0 is a hint's.
      guard attempt == 0 else { return perform(writes.acknowledged(write, by: node, now: world.now), &world) }
      guard let delivery = deliveries[node]?.removeValue(forKey: write) else { return }
      let actions = hints[node]?.acknowledged(delivery.sequence, now: world.now) ?? []
      perform(actions, of: node, &world)
    case .refuse(let write, let attempt, let refusal):
      world.count("refused writes")
      guard attempt == 0 else {
        let actions = writes.failed(
          write, at: node, attempt: attempt, refusal.failure, now: world.now, using: &world.generator)
        return perform(actions, &world)
      }
      guard let delivery = deliveries[node]?.removeValue(forKey: write) else { return }
      let actions =
        hints[node]?.failed(
          delivery.sequence, attempt: delivery.attempt, refusal.failure, now: world.now, using: &world.generator) ?? []
      perform(actions, of: node, &world)
    }
  }

  mutating func perform(_ actions: [HintQueue.Action], of node: NodeID, _ world: inout ClusterWorld) {
    for action in actions {
      switch action {
      case .store(let sequence, let write):
        guard world.now >= fullUntil else {
          world.count("hints that the disk did not take")
          let actions = hints[node]?.storeFailed(sequence, now: world.now) ?? []
          perform(actions, of: node, &world)
          continue
        }
        guard let rows = rows(of: write, for: node, &world) else { continue }
        let hint = NodeDisk.Hint(
          write: write, slots: Set(rows.map(\.slot)).sorted(), frame: SimulatedRow.encode(rows), time: world.now)
        world.count("hints")
        self.write([.hint(node, sequence, hint)], then: .hint(node, sequence), &world)
      case .hinted(let write): perform(writes.hinted(write, node), &world)
      case .hintGivenUp(let write): perform(writes.hintGivenUp(write, node), &world)
      case .deliver(let sequence, let attempt):
        guard let hint = disk.hints[node]?[sequence], let to = world.node(node) else {
          world.violation("a hint is to be delivered that is not on disk")
          continue
        }
        guard
          let append = WriteAppend(hint.write, attempt: 0, epoch: epoch, slots: hint.slots, frames: [hint.frame[...]])
        else {
          continue
        }
        world.count("deliveries of hints")
        deliveries[node, default: [:]][hint.write] = (sequence, attempt)
        world.send(WriteMessage.append(append).encoded, from: number, to: to)
      case .release(let last): self.write([.release(node, upTo: last)], then: nil, &world)
      case .gaveUp(_, let count): world.count("hints given up", count)
      }
    }
  }
}
