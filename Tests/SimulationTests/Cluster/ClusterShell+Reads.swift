import NeedletailTelemetry

@testable import NeedletailCluster

extension ClusterShell {
  static let allWindows: ClosedRange<Int64> = 0...1_000

  /// A client asks this node for all rows of some slots.
  mutating func read(_ slots: SlotSet, partial: QuorumRead.Partial, _ world: inout ClusterWorld) {
    let groups = SlotGroup.groups(
      of: slots, replicas: { world.assignment.replicas(of: $0) },
      isReady: { slot, node in node != id || isReady(slot) })
    let peers = Dictionary(
      uniqueKeysWithValues: world.nodes.map { node in (node, QuorumRead.Peer(isAvailable: isPresent(node))) })
    let now = UInt64(world.now)
    let plan = QuorumRead.Plan(
      groups: groups, windows: Self.allWindows, readQuorum: plants.shell == .readsOne ? 1 : 2, partial: partial,
      peers: peers,
      deadline: now + 4_000_000_000, hedgeAfter: 300_000_000)
    nextRead += 1
    let number = nextRead
    reads[number] = ReadUnderWay(machine: QuorumRead(plan), began: world.acknowledged.count)
    reads[number]?.machine.bug = plants.read
    let actions = reads[number]?.machine.begin(now: now, using: &world.generator) ?? []
    perform(actions, of: number, &world)
    scheduleWake(&world)
  }

  mutating func perform(_ actions: [QuorumRead.Action], of read: UInt64, _ world: inout ClusterWorld) {
    for action in actions {
      switch action {
      case .ask(let ask):
        guard ask.node != id else {
          let (answer, rows) = answer(ask)
          took(read, ask.id, answer, rows, &world)
          continue
        }
        guard let to = world.node(ask.node) else { continue }
        let request = ReadMessage.Request(
          read: read, ask: ask, epoch: epoch, reader: id, windows: Self.allWindows, timeLeft: 4_000_000_000,
          selection: [])
        world.send(ReadMessage.request(request).bytes, from: number, to: to)
      case .repair(let pair):
        world.count("read repairs")
        for slot in pair.slots {
          if pair.node == id { repair.urge(slot, with: pair.with) }
          if pair.with == id { repair.urge(slot, with: pair.node) }
        }
      case .complete(let outcome): complete(read, outcome, &world)
      case .fail:
        world.count("reads: failed")
        reads[read] = nil
      }
    }
  }

  private mutating func complete(_ read: UInt64, _ outcome: QuorumRead.Outcome, _ world: inout ClusterWorld) {
    guard let underWay = reads.removeValue(forKey: read) else { return }
    var rows: Set<SimulatedRow> = []
    for use in outcome.uses { rows.formUnion((underWay.data[use.ask] ?? []).filter { use.slots.contains($0.slot) }) }
    if !outcome.united.isEmpty { world.count("reads that united replicas") }
    world.completed(outcome.coverage, rows: rows, began: underWay.began)
  }

  private mutating func took(
    _ read: UInt64, _ ask: Int, _ answer: QuorumRead.Answer, _ rows: [SimulatedRow], _ world: inout ClusterWorld
  ) {
    guard reads[read] != nil else { return }
    reads[read]?.data[ask] = rows
    let actions = reads[read]?.machine.answered(ask, answer, now: UInt64(world.now)) ?? []
    perform(actions, of: read, &world)
  }

  /// What this node has of what is asked. The digests are made with the data, at one instant.
  private func answer(_ ask: QuorumRead.Ask) -> (QuorumRead.Answer, [SimulatedRow]) {
    var digests: [UInt16: RangeDigest] = [:]
    var notReady: SlotSet = []
    for slot in ask.slots {
      guard let tree = trees[slot], isReady(slot) else {
        notReady.insert(slot)
        digests[slot] = trees[slot]?.root ?? RangeDigest()
        continue
      }
      digests[slot] = tree.digest(Self.allWindows)
    }
    var data = ask.series.flatMap { (rows[$0] ?? []).sorted() }
    if plants.shell == .losesLastRow { data = data.dropLast() }
    return (
      QuorumRead.Answer(windows: Self.allWindows, digests: digests, notReady: notReady, series: ask.series), data
    )
  }

  mutating func receive(_ message: ReadMessage, from sender: Int, _ world: inout ClusterWorld) {
    switch message {
    case .request(let request):
      let (answer, rows) = answer(request.ask)
      let response = ReadMessage.Response(
        read: request.read, ask: request.ask.id, epoch: epoch, answer: answer, data: SimulatedRow.encode(rows))
      world.send(ReadMessage.response(response).bytes, from: number, to: sender)
    case .response(let response):
      took(response.read, response.ask, response.answer, SimulatedRow.decode(response.data), &world)
    case .failure(let read, let ask, _, let reason):
      let actions = reads[read]?.machine.failed(ask, reason, now: UInt64(world.now)) ?? []
      perform(actions, of: read, &world)
    }
  }
}
