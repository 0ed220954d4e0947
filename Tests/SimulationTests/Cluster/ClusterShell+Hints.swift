import NeedletailTelemetry

@testable import NeedletailCluster

extension ClusterShell {
  /// A hint is wanted of what a node missed.
  mutating func hint(_ write: WriteID, _ node: NodeID, _ world: inout ClusterWorld) {
    if plants.shell == .hintsStayInMemory { return perform(writes.hinted(write, node), &world) }
    guard node != id else {
      // Its own disk did not take the rows, and so takes no hint: repair brings them.
      payloads[write]?.cared.insert(id)
      isMissed(slots(of: write, for: id), by: id, &world)
      return perform(writes.hintGivenUp(write, id), &world)
    }
    guard let rows = rows(of: write, for: node, &world) else { return }
    let (now, slots) = (time(world), HintedSlots(rows.map(\.slot)))
    let actions =
      hints[node]?.append(write, bytes: rows.count * SimulatedRow.byteCount, slots: slots, now: now) ?? []
    perform(actions, of: node, &world)
  }

  mutating func perform(_ actions: [HintQueue.Action], of node: NodeID, _ world: inout ClusterWorld) {
    let isTold = actions.contains { if case .gaveUp = $0 { true } else { false } }
    for action in actions {
      switch action {
      case .store(let sequence, let write): store(sequence, write, of: node, &world)
      case .hinted(let write):
        let isDurable = disk.hints[node]?.values.contains { $0.write == write } ?? false
        if isDurable { payloads[write]?.cared.insert(node) }
        perform(writes.hinted(write, node), &world)
      case .hintGivenUp(let write):
        // Only aloud, or where nobody is left who would lack it.
        if isTold || hints[node]?.isRemoved == true { payloads[write]?.cared.insert(node) }
        perform(writes.hintGivenUp(write, node), &world)
      case .deliver(let sequence, let attempt): deliver(sequence, attempt: attempt, to: node, &world)
      case .release(let last):
        checkRelease(of: node, upTo: last, &world)
        write([.release(node, upTo: last)], then: nil, &world)
      case .gaveUp(let slots, let count):
        world.count("hints given up", count)
        givenUpHints[node, default: 0] += count
        isMissed(slots.slots, by: node, &world)
      }
    }
  }

  private mutating func store(_ sequence: UInt64, _ write: WriteID, of node: NodeID, _ world: inout ClusterWorld) {
    guard world.now >= fullUntil else {
      let now = time(world)
      let actions = hints[node]?.storeFailed(sequence, now: now) ?? []
      return perform(actions, of: node, &world)
    }
    guard let rows = rows(of: write, for: node, &world) else { return }
    let hint = NodeDisk.Hint(
      write: write, epoch: payloads[write]?.layout.epoch ?? 0, slots: Set(rows.map(\.slot)).sorted(),
      frame: SimulatedRow.encode(rows), time: clock.wall(at: world.now))
    world.count("hints")
    self.write([.hint(node, sequence, hint)], then: .hint(node, sequence), &world)
  }

  private mutating func deliver(_ sequence: UInt64, attempt: UInt32, to node: NodeID, _ world: inout ClusterWorld) {
    guard let hint = disk.hints[node]?[sequence], let to = world.node(node) else {
      return world.violation("a hint is to be delivered that is not on disk")
    }
    if attempt > 1 {
      world.reach(.hintDeliveredAgain)
    } else if sequence < firstDelivered[node] ?? 0 {
      world.violation("\(id) sends hint \(sequence) after one that came later")
    }
    firstDelivered[node] = max(firstDelivered[node] ?? 0, sequence)
    guard
      let append = WriteAppend(hint.write, attempt: 0, epoch: hint.epoch, slots: hint.slots, frames: [hint.frame[...]])
    else { return world.violation("a hint without rows is sent") }
    var underWay = deliveries[node]?[hint.write] ?? []
    underWay.removeAll { $0.sequence == sequence }
    deliveries[node, default: [:]][hint.write] = underWay + [(sequence, attempt)]
    if deliveries[node]?.count ?? 0 > HintLimits().window * 4 { world.violation("\(id) sends hints without end") }
    world.send(WriteMessage.append(append).encoded, from: number, to: to)
  }

  /// What is known of a delivery that was answered; of two hints of one write the earlier one.
  mutating func takeDelivery(_ write: WriteID, to node: NodeID) -> (sequence: UInt64, attempt: UInt32)? {
    guard let delivery = deliveries[node]?[write]?.first else { return nil }
    deliveries[node]?[write]?.removeFirst()
    if deliveries[node]?[write]?.isEmpty == true { deliveries[node]?[write] = nil }
    return delivery
  }

  /// A log lets go of what its node has, or was told to lack.
  private mutating func checkRelease(of node: NodeID, upTo last: UInt64, _ world: inout ClusterWorld) {
    guard hints[node]?.isRemoved == false else { return }
    let before = releasedHints[node] ?? 0
    releasedHints[node] = last
    let released = (disk.hints[node] ?? [:]).keys.filter { $0 > before && $0 <= last }
    let open = released.count { settledHints[node]?.contains($0) != true }
    let givenUp = givenUpHints[node] ?? 0
    if open > givenUp { world.violation("\(id) lets go of a hint that \(node) has not") }
    givenUpHints[node] = max(0, givenUp - open)
  }
}
