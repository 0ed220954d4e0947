import NeedletailTelemetry

@testable import NeedletailCluster

extension ClusterShell {
  static let allWindows: ClosedRange<Int64> = 0...10_000
  /// How long it waits to hear of a layout that another node knows.
  private static let patience: Int64 = 1_000_000_000

  /// A client asks this node for all rows of some slots.
  mutating func read(_ question: Question, _ world: inout ClusterWorld) {
    guard let layout else { return }
    if layout.slots(of: id).isEmpty { world.reach(.readAtANodeWithoutSlots) }
    let windows = readWindows(&world)
    let groups = SlotGroup.groups(
      of: question.slots, replicas: { layout.readers(of: $0) },
      isReady: { slot, node in node != id || isReady(slot, windows) })
    let peers = Dictionary(
      uniqueKeysWithValues: world.nodes.map { node in
        (node, QuorumRead.Peer(isAvailable: isPresent(node), isOwn: node == id))
      })
    let now = UInt64(time(world))
    let quorum = question.slots.map { layout.readQuorum(of: $0) }.max() ?? 1
    let plan = QuorumRead.Plan(
      groups: groups, windows: windows, readQuorum: quorum,
      partial: question.partial, peers: peers, deadline: now + 4_000_000_000, hedgeAfter: 300_000_000,
      sumsFirst: nextRead.isMultiple(of: 2))
    nextRead += 1
    let number = nextRead
    reads[number] = ReadUnderWay(
      machine: QuorumRead(plan), question: question, windows: windows, wall: clock.wall(at: world.now),
      epoch: layout.epoch, newest: layout.epoch)
    reads[number]?.machine.bug = plants.read
    let actions = reads[number]?.machine.begin(now: now, using: &world.generator) ?? []
    perform(actions, of: number, &world)
    scheduleWake(&world)
  }

  mutating func perform(_ actions: [QuorumRead.Action], of read: UInt64, _ world: inout ClusterWorld) {
    if let underWay = reads[read], !underWay.isHedged, underWay.machine.asks.contains(where: \.isLate) {
      reads[read]?.isHedged = true
      world.reach(.readWasHedged)
    }
    for action in actions {
      switch action {
      case .ask(let ask): self.ask(ask, of: read, &world)
      case .repair(let pair):
        world.count("read repairs")
        world.reach(.digestsDiffered)
        compare(pair.slots, pair.node, with: pair.with, isFound: true, &world)
      case .complete(let outcome): complete(read, outcome, &world)
      case .fail:
        guard let underWay = reads.removeValue(forKey: read) else { continue }
        if beginsAgain(underWay, &world) { continue }
        world.count("reads: failed")
        world.reach(.readWasDenied)
      }
    }
  }

  private mutating func ask(_ ask: QuorumRead.Ask, of read: UInt64, _ world: inout ClusterWorld) {
    guard let underWay = reads[read] else { return }
    let request = ReadMessage.Request(
      read: read, ask: ask, epoch: underWay.epoch, reader: id, windows: underWay.windows, timeLeft: 4_000_000_000,
      selection: [])
    guard ask.node != id else { return answer(request, from: number, &world) }
    guard let to = world.node(ask.node) else { return }
    world.send(ReadMessage.request(request).bytes, from: number, to: to)
  }

  /// Where some node knows a newer layout, a read that came to too little is begun once more by that.
  private mutating func beginsAgain(_ read: ReadUnderWay, _ world: inout ClusterWorld) -> Bool {
    guard !read.question.isSecond, read.newest > read.epoch else { return false }
    world.reach(.readBegunAgain)
    var question = read.question
    question.isSecond = true
    waiters.append(Waiter(epoch: read.newest, until: time(world) + Self.patience, subject: .read(question)))
    endWaits(&world)
    return true
  }

  private mutating func complete(_ read: UInt64, _ outcome: QuorumRead.Outcome, _ world: inout ClusterWorld) {
    guard let underWay = reads.removeValue(forKey: read) else { return }
    if outcome.coverage.isPartial, beginsAgain(underWay, &world) { return }
    var rows = RowSet()
    for use in outcome.uses {
      for row in underWay.data[use.ask] ?? [] where use.slots.contains(row.slot) {
        rows.insert(row, byArrival: plants.shell == .tieByArrival)
      }
      let isUnready = use.slots.contains { outcome.coverage.short.contains($0) }
      if isUnready, outcome.coverage.agreed == 0 { world.reach(.readFromAnUnreadyReplica) }
    }
    if !outcome.united.isEmpty { world.reach(.readUnitedReplicas) }
    world.completed(
      outcome.coverage, rows: rows, began: underWay.question.began, windows: underWay.windows, at: underWay.wall)
    let isOfAll = underWay.question.slots.count == ClusterWorld.slotCount
    if isOfAll, !outcome.coverage.isPartial { world.wholeReads.insert(number) }
  }

  private mutating func took(
    _ read: UInt64, _ ask: Int, _ answer: QuorumRead.Answer, _ rows: [SimulatedRow], _ world: inout ClusterWorld
  ) {
    guard let underWay = reads[read] else { return world.reach(.answerCameLate) }
    guard underWay.machine.asks.indices.contains(ask) else { return world.violation("an answer to no question") }
    if !underWay.machine.asks[ask].isOpen { return }
    reads[read]?.data[ask] = rows
    let now = UInt64(time(world))
    let actions = reads[read]?.machine.answered(ask, answer, now: now) ?? []
    perform(actions, of: read, &world)
  }

  // MARK: - Answering

  /// Answers by the layout of the question alone: waits for a newer one, and refuses by an older one.
  private mutating func answer(_ request: ReadMessage.Request, from sender: Int, _ world: inout ClusterWorld) {
    let known = layout?.epoch ?? 0
    let isOtherEpochAllowed = plants.shell == .answersByAnyLayout
    if request.epoch > known, !isOtherEpochAllowed {
      world.reach(.questionWaitedForALayout)
      if let node = world.node(request.reader), node != number {
        perform(
          register.heard(request.epoch, from: request.reader, now: time(world), using: &world.generator), &world)
      }
      let until = time(world) + Self.patience
      return waiters.append(Waiter(epoch: request.epoch, until: until, subject: .question(request, from: sender)))
    }
    guard request.epoch == known || isOtherEpochAllowed else { return refuse(request, from: sender, known, &world) }
    let rows = data(of: request, world)
    guard plants.shell == .digestAfterData, sender != number else {
      return finish(request, rows, to: sender, &world)
    }
    world.schedule(
      .lateAnswer(number, life: life, request, rows: rows, to: sender), after: world.time(20...200))
  }

  private mutating func refuse(
    _ request: ReadMessage.Request, from sender: Int, _ known: UInt64, _ world: inout ClusterWorld
  ) {
    world.reach(.readOfAnotherEpochRefused)
    let failure = ReadMessage.failure(
      read: request.read, ask: request.ask.id, epoch: known, reason: "it knows another layout")
    guard sender != number else { return receive(failure, from: sender, &world) }
    world.send(failure.bytes, from: number, to: sender)
  }

  private func data(of request: ReadMessage.Request, _ world: ClusterWorld) -> [SimulatedRow] {
    let earliest = world.settings.retention.earliest(at: clock.wall(at: world.now))
    var data: [SimulatedRow] = []
    for slot in request.ask.series {
      data += rows[Int(slot)].sorted.filter { request.windows.contains($0.window) && $0.instant >= earliest }
    }
    return plants.shell == .losesLastRow ? data.dropLast() : data
  }

  /// The digests are made with the data, at one instant.
  mutating func finish(
    _ request: ReadMessage.Request, _ rows: [SimulatedRow], to sender: Int, _ world: inout ClusterWorld
  ) {
    let told = told(request.windows, world)
    let digests = request.ask.digests { slot in told.map { trees[Int(slot)].digest($0) } ?? RangeDigest() }
    let notReady = SlotSet(request.ask.slots.filter { !isReady($0, request.windows) })
    let answer = QuorumRead.Answer(
      windows: request.windows, digests: digests, notReady: notReady, series: request.ask.series)
    guard sender != number else { return took(request.read, request.ask.id, answer, rows, &world) }
    let response = ReadMessage.Response(
      read: request.read, ask: request.ask.id, epoch: request.epoch, answer: answer, data: SimulatedRow.encode(rows))
    world.send(ReadMessage.response(response).bytes, from: number, to: sender)
  }

  /// Whether this node may vote on a slot.
  func isReady(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> Bool {
    plants.shell == .emptyNodeVotes || held.contains(slot) && readiness.isReady(slot, windows)
  }

  mutating func receive(_ message: ReadMessage, from sender: Int, _ world: inout ClusterWorld) {
    switch message {
    case .request(let request): answer(request, from: sender, &world)
    case .response(let response):
      took(response.read, response.ask, response.answer, SimulatedRow.decode(response.data), &world)
    case .failure(let read, let ask, let epoch, let reason):
      if epoch > layout?.epoch ?? 0 {
        let node = world.nodes[sender]
        perform(register.heard(epoch, from: node, now: time(world), using: &world.generator), &world)
      }
      guard reads[read] != nil else { return }
      let (now, newest) = (UInt64(time(world)), max(reads[read]?.newest ?? 0, epoch))
      reads[read]?.newest = newest
      let actions = reads[read]?.machine.failed(ask, reason, now: now) ?? []
      perform(actions, of: read, &world)
    }
  }

  /// Goes on with what waited for a layout, or has waited long enough.
  mutating func endWaits(_ world: inout ClusterWorld) {
    guard !waiters.isEmpty else { return }
    let (now, own) = (time(world), layout?.epoch ?? 0)
    let due = waiters.filter { $0.epoch <= own || $0.until <= now }
    waiters.removeAll { $0.epoch <= own || $0.until <= now }
    for waiter in due {
      switch waiter.subject {
      case .read(let question): read(question, &world)
      case .question(let request, let sender):
        if waiter.epoch <= own {
          answer(request, from: sender, &world)
        } else {
          refuse(request, from: sender, own, &world)
        }
      }
    }
  }
}
