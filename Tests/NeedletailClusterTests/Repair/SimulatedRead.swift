@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// A read of the simulation, with what must be in its answer.
struct SimulatedRead {
  var read: QuorumRead
  let windows: ClosedRange<Int64>
  let expected: Set<Int>
  var delivered: [Int: [ClusterItem]] = [:]
  /// Who told, as a ready replica, of each slot.
  var voters: [UInt16: Set<Int>] = [:]
  var asks: [Int: QuorumRead.Ask] = [:]

  static func bytes(_ items: [ClusterItem]) -> [UInt8] {
    var writer = ByteWriter()
    for item in items { writer.appendVarint(UInt64(item.number)) }
    return writer.bytes
  }

  static func items(_ bytes: [UInt8], _ rows: [RepairSimulation.Row]) -> [ClusterItem] {
    bytes.withUnsafeBytes { raw in
      var reader = ByteReader(raw)
      var items: [ClusterItem] = []
      while let number = try? reader.readVarint(), rows.indices.contains(Int(number)) {
        items.append(rows[Int(number)].item)
      }
      return items
    }
  }
}

extension RepairSimulation {
  mutating func beginRead() {
    let first = Int64(generator.below(3))
    let windows = first...(first + Int64(generator.below(3)))
    // What the reader takes for ready may be old.
    let isStale = generator.chance(0.3)
    let groups = SlotGroup.groups(
      of: SlotSet((0..<slots).map { UInt16($0) }), slotsMax: 2,
      replicas: { slot in replicas(Int(slot)).map { ids[$0] } },
      isReady: { slot, node in
        isStale || (ids.firstIndex(of: node).map { nodes[$0].readiness.isReady(slot, windows) } ?? false)
      })
    var plan = QuorumRead.Plan(
      groups: groups, windows: windows, readQuorum: replicaCount - writeQuorum + 1,
      partial: generator.chance(0.6) ? .allow : .deny, form: generator.chance(0.5) ? .reduced : .series,
      peers: [:], deadline: now + 600, hedgeAfter: 80, sumsFirst: reads.count.isMultiple(of: 2))
    for id in ids { plan.peers[id] = QuorumRead.Peer(latency: UInt64(1 + generator.below(40))) }
    let expected = rows.indices.filter { rows[$0].isAcknowledged && windows.contains(rows[$0].item.window) }
    var read = QuorumRead(plan)
    read.bug = bug
    let actions = read.begin(now: now, using: &generator)
    reads.append(SimulatedRead(read: read, windows: windows, expected: Set(expected)))
    perform(actions, reads.count - 1)
  }

  private mutating func perform(_ actions: [QuorumRead.Action], _ number: Int) {
    for action in actions {
      switch action {
      case .ask(let ask):
        reads[number].asks[ask.id] = ask
        guard let node = ids.firstIndex(of: ask.node) else { continue }
        let request = ReadMessage.Request(
          read: UInt64(number), ask: ask, epoch: 1, reader: NodeID("reader"), windows: reads[number].windows,
          timeLeft: 600, selection: [1, 2, 3])
        send(from: nil, to: node, .asked(node, ReadMessage.request(request).bytes))
      case .repair(let repair):
        guard let node = ids.firstIndex(of: repair.node), nodes[node].isUp else { continue }
        for slot in repair.slots { nodes[node].repair.urge(slot, with: repair.with, windows: repair.windows) }
      case .complete(let outcome): check(outcome, reads[number])
      case .fail(.partial(let coverage)):
        count(true)
        if !coverage.isPartial { report("a read failed that was not partial") }
      }
    }
    if let wakeAt = reads[number].read.wakeAt { at(Int(wakeAt > now ? wakeAt - now : 1), .readTick(number)) }
  }

  mutating func tickRead(_ number: Int) {
    let actions = reads[number].read.tick(now: now)
    if !actions.isEmpty { perform(actions, number) }
  }

  /// The digests are made now, the data a little later.
  mutating func asked(_ node: Int, _ bytes: [UInt8]) {
    guard case .request(let request)? = try? ReadMessage(bytes, node: ids[node]) else {
      report("a request cannot be read")
      return
    }
    let slots = request.ask.slots
    var answer = QuorumRead.Answer(
      windows: request.windows,
      digests: request.ask.digests { nodes[node].trees[$0]?.digest(request.windows) ?? RangeDigest() },
      reduced: Array(request.ask.reduced.indices), series: request.ask.series)
    for slot in slots {
      if !nodes[node].readiness.isReady(slot, request.windows) { answer.notReady.insert(slot) }
    }
    let response = ReadMessage.Response(
      read: request.read, ask: request.ask.id, epoch: request.epoch, answer: answer,
      data: Array(request.ask.slots.map { UInt8($0) }))
    at(1 + generator.below(40), .answered(node, response, epoch: nodes[node].epoch, disk: nodes[node].disk))
  }

  mutating func answer(_ node: Int, _ response: ReadMessage.Response) {
    var response = response
    let slots = response.data.map { UInt16($0) }
    response.data = SimulatedRead.bytes(slots.flatMap { nodes[node].rows($0, response.answer.windows) })
    send(from: node, to: nil, .heard(ReadMessage.response(response).bytes, from: node))
  }

  mutating func heard(_ bytes: [UInt8], _ node: Int) {
    guard case .response(let response)? = try? ReadMessage(bytes, node: ids[node]),
      reads.indices.contains(Int(response.read))
    else {
      report("a response cannot be read")
      return
    }
    let number = Int(response.read)
    if reads[number].delivered[response.ask] == nil {
      reads[number].delivered[response.ask] = SimulatedRead.items(response.data, rows)
    }
    for slot in reads[number].asks[response.ask]?.votes(response.answer) ?? [] {
      reads[number].voters[slot, default: []].insert(node)
    }
    let actions = reads[number].read.answered(response.ask, response.answer, now: now)
    perform(actions, number)
  }

  private mutating func check(_ outcome: QuorumRead.Outcome, _ read: SimulatedRead) {
    count(outcome.coverage.isPartial)
    var found: Set<Int> = []
    for use in outcome.uses {
      for item in read.delivered[use.ask] ?? [] where use.slots.contains(item.slot) { found.insert(item.number) }
    }
    for slot in 0..<UInt16(slots) where !outcome.coverage.short.contains(slot) {
      let voters = read.voters[slot]?.count ?? 0
      if voters < replicaCount - writeQuorum + 1 { report("\(slot) is not flagged: \(voters) answered") }
      for row in read.expected.sorted() where rows[row].item.slot == slot && !found.contains(row) {
        report("an answer lacks \(row) of \(slot)")
      }
    }
  }
}
