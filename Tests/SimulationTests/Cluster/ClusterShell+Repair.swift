import NeedletailTelemetry

@testable import NeedletailCluster

extension ClusterShell {
  mutating func perform(_ actions: [AntiEntropy.Action], _ world: inout ClusterWorld) {
    let now = UInt64(world.now)
    for action in actions {
      switch action {
      case .send(let node, let message):
        world.count("messages of repair")
        if let to = world.node(node) { world.send(message.bytes, from: number, to: to) }
      case .summarize(let ticket, let slot, let windows):
        let tree = trees[slot]?.summary(windows) ?? SlotTree()
        perform(repair.summarized(ticket, tree, now: now, view), &world)
      case .expand(let ticket, let slot, let node, let windows):
        let children = trees[slot]?.children(of: node, within: windows) ?? []
        perform(repair.expanded(ticket, children, now: now, view), &world)
      case .listSeries(let ticket, let slot, let window, let bucket):
        var series: [Hash128: RangeDigest] = [:]
        for row in rows[slot] ?? [] where row.window == window && RepairMessage.Bucket(bucket).has(row.series) {
          series[row.series, default: RangeDigest()].add(row.digest)
        }
        let list = series.sorted { $0.key < $1.key }.map { RepairMessage.Series(id: $0.key, digest: $0.value) }
        perform(repair.listed(ticket, list, now: now, view), &world)
      case .readSeries(let ticket, let slot, let window, let bucket, let request):
        let all = RepairMessage.Bucket(bucket).signal == 0 ? rows[slot] ?? [] : []
        let found = all.filter { $0.window == window && request.isAskedFor($0.series) }.sorted()
        perform(repair.read(ticket, SimulatedRow.encode(found), now: now, view), &world)
      case .store(let ticket, let slot, let payload):
        guard world.now >= fullUntil else {
          perform(repair.failed(ticket, "the disk is full", now: now, view), &world)
          continue
        }
        let added = SimulatedRow.decode(payload)
        if added.contains(where: { $0.slot != slot }) { world.violation("repair brought rows of another slot") }
        world.count("rows by repair", added.count)
        keep(added)
        if plants.shell == .repairsInMemory {
          perform(repair.stored(ticket, now: now, view), &world)
        } else {
          write([.rows(added)], then: .repair(ticket), &world)
        }
      case .compared(let comparison): perform(readiness.compared(comparison), &world)
      case .behind(_, _, let epoch): learn(epoch, &world)
      case .keep(let cursor): write([.cursor(cursor)], then: nil, &world)
      case .unfinished: world.count("exchanges that ended early")
      }
    }
  }

  mutating func perform(_ actions: [ReplicaReadiness.Action], _ world: inout ClusterWorld) {
    for action in actions {
      switch action {
      case .store(let slot, let record): write([.record(slot, record)], then: nil, &world)
      case .ready(let slot, let grounds):
        world.note("\(id) is ready for \(slot): \(grounds)")
        world.count("slots that became ready")
      }
    }
  }

  /// A part is found damaged: what it had of a slot's window is gone, and the node knows it.
  mutating func damage(_ slot: UInt16, _ window: Int64, _ world: inout ClusterWorld) {
    guard isUp, let held = rows[slot] else { return }
    world.note("damage at \(id): \(slot), window \(window)")
    world.count("damaged windows")
    perform(readiness.damaged(slot, window...window), &world)
    disk.rot(slot, window)
    rows[slot] = held.filter { $0.window != window }
    trees[slot]?.removeWindows(window...window)
    learn(world.makeEpoch(by: number), &world)
    scheduleWake(&world)
  }
}
