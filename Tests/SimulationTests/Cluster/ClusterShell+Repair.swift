import NeedletailTelemetry

@testable import NeedletailCluster

extension ClusterShell {
  /// The first byte of a request to compare: a call of its own between real nodes.
  static let compareTag: UInt8 = 0xf0
  /// How long a window is left alone when it is over, in ns.
  private static let settleAfter: Int64 = 500_000_000

  mutating func perform(_ actions: [AntiEntropy.Action], _ world: inout ClusterWorld) {
    for action in actions { perform(action, &world) }
  }

  private mutating func perform(_ action: AntiEntropy.Action, _ world: inout ClusterWorld) {
    let now = UInt64(time(world))
    switch action {
    case .send(let node, let message):
      world.count("messages of repair")
      if case .question(.push) = message.body { world.reach(.rowsPushed) }
      if case .question(.pull) = message.body { world.reach(.rowsPulled) }
      if let to = world.node(node) { world.send(message.bytes, from: number, to: to) }
    case .summarize(let ticket, let slot, let windows):
      let tree = told(windows, world).map { trees[Int(slot)].summary($0) } ?? SlotTree()
      perform(repair.summarized(ticket, tree, now: now, view(world)), &world)
    case .expand(let ticket, let slot, let node, let windows):
      let children = told(windows, world).map { trees[Int(slot)].children(of: node, within: $0) } ?? []
      perform(repair.expanded(ticket, children, now: now, view(world)), &world)
    case .listSeries(let ticket, let slot, let window, let bucket):
      var series: [Hash128: RangeDigest] = [:]
      let isTold = told(window...window, world) != nil
      // All rows are of metrics, the first of the signals.
      let bucket = RepairMessage.Bucket(bucket)
      for row in rows[Int(slot)].filter({
        $0.window == window && bucket.signal == 0 && bucket.share.contains($0.series)
      }) where isTold {
        series[row.series, default: RangeDigest()].add(row.digest)
      }
      let list = series.sorted { $0.key < $1.key }.map { RepairMessage.Series(id: $0.key, digest: $0.value) }
      perform(repair.listed(ticket, list, now: now, view(world)), &world)
    case .readSeries(let ticket, let slot, let window, let bucket, let request):
      let isTold = RepairMessage.Bucket(bucket).signal == 0 && told(window...window, world) != nil
      let found = isTold ? rows[Int(slot)].filter { $0.window == window && request.isAskedFor($0.series) } : []
      perform(repair.read(ticket, SimulatedRow.encode(found.sorted()), now: now, view(world)), &world)
    case .store(let ticket, let slot, let payload): store(ticket, slot, payload, &world)
    case .compared(let comparison): compared(comparison, &world)
    case .behind(let node, _, let epoch):
      let actions = register.heard(epoch, from: node, now: time(world), using: &world.generator)
      perform(actions, &world)
    case .keep(let cursor): write([.cursor(cursor)], then: nil, &world)
    case .unfinished(_, _, let reason): noteUnfinished(reason, &world)
    }
  }

  private mutating func store(
    _ ticket: AntiEntropy.Ticket, _ slot: UInt16, _ payload: [UInt8], _ world: inout ClusterWorld
  ) {
    let now = UInt64(time(world))
    guard world.now >= fullUntil else {
      world.reach(.exchangeMetAFullDisk)
      return perform(repair.failed(ticket, "the disk is full", now: now, view(world)), &world)
    }
    let brought = SimulatedRow.decode(payload)
    let added = unexpired(brought, &world)
    world.expired(brought.count - added.count, at: number)
    if added.contains(where: { $0.slot != slot }) { world.violation("repair brought rows of another slot") }
    world.count("rows by repair", added.count)
    keep(added)
    if plants.shell == .repairsInMemory {
      perform(repair.stored(ticket, now: now, view(world)), &world)
    } else {
      write([.rows(added)], then: .repair(ticket), &world)
    }
  }

  private func noteUnfinished(_ reason: String, _ world: inout ClusterWorld) {
    world.count("exchanges that ended early")
    switch reason {
    case "no answer": world.reach(.exchangeWithoutAnswer)
    case "the other replica's disk was replaced meanwhile": world.reach(.exchangeWithAReplacedDisk)
    case "the other replica knows a newer assignment": world.reach(.exchangeOverANewerEpoch)
    default: break
    }
  }

  // MARK: - Filling

  private mutating func compared(_ comparison: ReplicaReadiness.Comparison, _ world: inout ClusterWorld) {
    // Before the loss has its epoch, the other one may still take writes that name what is gone.
    guard owed == nil || plants.shell == .fillsBeforeTheLossIsKnown else {
      return world.reach(.comparisonHeldBackByAnOwedLoss)
    }
    if kept.compared(comparison) {
      world.reach(.keptSlotCompared)
      unsyncedKept.insert(comparison.slot)
      write([], then: .keptSynced(comparison.slot), &world)
    }
    let fill = readiness.fill(of: comparison.slot)
    perform(readiness.compared(comparison), &world)
    guard readiness.fill(of: comparison.slot) != fill else { return }
    world.reach(.fillBegunAnew)
    urgeFill(comparison.slot)
  }

  mutating func urgeFills() {
    for slot in readiness.unready { urgeFill(slot) }
    guard owed == nil, plants.shell != .forgetsToRepair else { return }
    for slot in kept.left {
      for partner in kept.awaited(slot) { repair.urge(slot, with: partner, windows: .min ... .max, isFill: true) }
    }
  }

  private mutating func urgeFill(_ slot: UInt16) {
    guard owed == nil, plants.shell != .forgetsToRepair, let awaited = readiness.awaited(slot) else { return }
    for partner in awaited.partners { repair.urge(slot, with: partner, windows: awaited.windows, isFill: true) }
  }

  mutating func perform(_ actions: [ReplicaReadiness.Action], _ world: inout ClusterWorld) {
    for action in actions {
      switch action {
      case .store(let slot, let record):
        if let lacks = records[slot]?.lacks, !lacks.isEmpty, lacks.allSatisfy({ $0.lowerBound > .min }),
          record?.lacks.isEmpty == true
        {
          world.reach(.damagedWindowRefilled)
        }
        records[slot] = record
        write([.record(slot, record)], then: nil, &world)
      case .ready(let slot, let grounds):
        world.note("\(id) is ready for \(slot): \(grounds)")
        world.count("slots that became ready")
        switch grounds {
        case .quorum: world.reach(.filledFromAQuorum)
        case .everybody: world.reach(.filledFromEverybody)
        case .expiry: world.reach(.lackedWindowExpired)
        }
      }
    }
  }

  // MARK: - Damage

  /// A part is found damaged: what it had of a slot's window is gone, and the node knows it.
  mutating func damage(_ slot: UInt16, _ window: Int64, _ world: inout ClusterWorld) {
    guard isUp, held.contains(slot) else { return }
    let damage = NodeDisk.Damage(slot: slot, window: window)
    world.count("fault: damaged windows")
    world.reach(.windowDamaged)
    world.losses += 1
    disk.rot(damage)
    world.durable[number] = disk.rows
    note(damage, &world)
    scheduleWake(&world)
  }

  /// It is noted what is lacked, and then what is damaged goes out of the way.
  mutating func note(_ damage: NodeDisk.Damage, _ world: inout ClusterWorld) {
    world.note("damage at \(id): \(damage.slot), window \(damage.window)")
    owe(&world)
    perform(readiness.damaged(damage.slot, damage.window...damage.window), &world)
    rows[Int(damage.slot)].remove(window: damage.window)
    trees[Int(damage.slot)].removeWindows(damage.window...damage.window)
    // What is on its way to the disk is not damaged.
    keep(disk.unsyncedRows.filter { $0.slot == damage.slot && $0.window == damage.window })
    write([], then: .damageNoted(damage), &world)
    urgeFills()
  }

  // MARK: - Comparing out of turn

  /// A node has less of some slots than another: who holds them compares, this one or the one that is asked to.
  mutating func compare(
    _ slots: SlotSet, _ node: NodeID, with other: NodeID, isFound: Bool, _ world: inout ClusterWorld
  ) {
    guard plants.shell != .forgetsToRepair else { return }
    if node == id || other == id {
      let partner = node == id ? other : node
      for slot in slots where isPartner(partner, slot) { repair.urge(slot, with: partner, isFound: isFound) }
    } else if let to = world.node(node) {
      world.reach(.compareAskedOfAnother)
      let request = CompareRequest(with: other, slots, windows: .min ... .max)
      world.send([Self.compareTag] + request.encoded, from: number, to: to)
    }
  }

  private func isPartner(_ node: NodeID, _ slot: UInt16) -> Bool {
    held.contains(slot) && node != id && adopted?.writers(of: slot).contains(node) ?? false
  }

  mutating func receiveCompare(_ bytes: [UInt8], _ world: inout ClusterWorld) {
    guard let request = try? CompareRequest(decoding: Array(bytes.dropFirst())) else {
      return world.violation("a request to compare cannot be read")
    }
    for slot in request.slots where isPartner(request.partner, slot) {
      repair.urge(slot, with: request.partner, windows: request.windows, isFound: true)
    }
    scheduleWake(&world)
  }

  /// A node misses what no hint will bring it: it is compared with the others in these slots.
  mutating func isMissed(_ slots: [UInt16], by node: NodeID, _ world: inout ClusterWorld) {
    world.reach(.replicaReportedAsLacking)
    guard let layout else { return }
    for slot in slots {
      guard let other = layout.readers(of: slot).first(where: { $0 != node }) else { continue }
      compare([slot], node, with: held.contains(slot) && node != id ? id : other, isFound: true, &world)
    }
  }

  func view(_ world: ClusterWorld) -> ShellView {
    ShellView(
      identity: disk.identity, held: held, readiness: readiness, epoch: adopted?.epoch ?? 0,
      firstWindow: plants.shell == .comparesWhatExpired ? .min : firstWindow(world),
      lastWindow: SimulatedRetention.window(at: clock.wall(at: world.now) - Self.settleAfter) - 1, present: present)
  }
}

/// What repair sees of its node.
struct ShellView: RepairSource {
  let identity: NodeIdentity
  let held: SlotSet
  let readiness: ReplicaReadiness
  let epoch: UInt64
  let firstWindow: Int64
  let lastWindow: Int64
  let present: Set<NodeID>

  func holds(_ slot: UInt16) -> Bool { held.contains(slot) }
  func epoch(of slot: UInt16) -> UInt64 { epoch }
  func isReady(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> Bool { readiness.isReady(slot, windows) }
  func fill(of slot: UInt16) -> UInt64 { readiness.fill(of: slot) }
  func isAvailable(_ node: NodeID) -> Bool { present.contains(node) }
}
