@testable import NeedletailCluster

// What a run goes through, and what has to hold when it comes to rest.

extension ClusterSimulation {
  mutating func check() {
    world.schedule(.check, after: Self.second)
    checkReaders()
    switch phase {
    case .founding:
      guard isSettled else {
        if world.now > 60 * Self.second { world.violation("a new cluster does not become ready: \(unsettled)") }
        return
      }
      begin()
    case .faults(let end):
      bringBackRemoved()
      // Who is dead for good is waited for until it is out.
      let isOut = deadForGood.isEmpty || world.now >= end + 15 * Self.second
      if world.now >= end, isOut { heal() }
    case .healing(let end):
      if isSettled { return hasConverged ? finish() : converged() }
      if world.now >= end { world.violation("replicas do not converge after the faults: \(unsettled)") }
    case .resting(let end): if world.now >= end { phase = .healing(until: world.now + 90 * Self.second) }
    case .someAway(let end):
      let up = shells.indices.filter { shells[$0].isUp }
      let isDone = up.allSatisfy { number in
        let isWritten = persistent[number].map { world.writes[$0]?.isAcknowledged ?? false } ?? false
        return isWritten && world.wholeReads.contains(number)
      }
      if isDone { return heal() }
      if world.now >= end { world.violation("while \(shells.count - up.count) nodes are away nothing goes on") }
    case .done: break
    }
  }

  private mutating func begin() {
    world.plan = faults
    let length = Int64.random(in: faults.changes ? 10...20 : 8...15, using: &world.generator)
    phase = .faults(until: world.now + length * Self.second)
    world.schedule(.client, after: 0)
    world.schedule(.fault, after: 0)
    world.schedule(.operate, after: world.time(0...2_000))
  }

  /// A node that was dead for good and has been removed comes back some time, as a new one.
  private mutating func bringBackRemoved() {
    guard let newest = world.chosen.last else { return }
    for number in deadForGood.sorted() where newest.member(world.nodes[number]) == nil {
      deadForGood.remove(number)
      world.schedule(.restart(number), after: world.time(100...4_000))
    }
  }

  private mutating func heal() {
    world.note("healing")
    world.healedAt = world.healedAt ?? world.now
    world.plan = .none
    world.cuts = []
    deadForGood = []
    for number in shells.indices {
      shells[number].pausedUntil = min(shells[number].pausedUntil, world.now)
      shells[number].fullUntil = world.now
      shells[number].slowDiskUntil = world.now
      shells[number].clock.setDrift(0, at: world.now)
      // Where rows expire, clocks go on to differ.
      if world.settings.retention.length == nil { set(0, of: number) }
      world.slowUntil[number] = world.now
      if !shells[number].isUp { shells[number].start(&world) }
    }
    phase = .healing(until: world.now + 90 * Self.second)
  }

  /// All is well. Now as many nodes go away as may: writes and reads go on.
  private mutating func converged() {
    hasConverged = true
    if world.settings.retention.length != nil, !isRested, world.chance(50) {
      (hasConverged, isRested) = (false, true)
      phase = .resting(until: world.now + 4 * SimulatedRetention.hour)
      return
    }
    guard world.settings.endsWithSomeAway, let newest = world.chosen.last else { return finish() }
    let replicas = min(newest.replicaCount, newest.ring.count)
    let writers = newest.acknowledgements(of: replicas)
    let count = min(replicas - writers, writers - 1)
    guard count > 0 else { return finish() }
    world.count("runs that went on while nodes were away")
    world.note("\(count) nodes go away")
    let ring = newest.ring.compactMap { world.node($0.node) }.shuffled(using: &world.generator)
    for number in ring.prefix(count) { shells[number].crash(&world) }
    phase = .someAway(until: world.now + 20 * Self.second)
    world.schedule(.client, after: 0)
  }

  /// Whether all nodes are there, of one mind, ready, and the replicas of each slot hold the same.
  private var isSettled: Bool { unsettled.isEmpty }

  private var unsettled: String {
    guard let newest = world.chosen.last else { return "there is no cluster" }
    if newest.beside != nil { return "a change is not over: \(shells.compactMap { left($0) }.first ?? "")" }
    for shell in shells {
      if !shell.isUp { return "\(shell.id) is down" }
      if shell.adopted?.epoch != newest.epoch { return "\(shell.id) does not know epoch \(newest.epoch)" }
      if newest.member(shell.id).map({ $0.identity != shell.disk.identity }) ?? false {
        return "another disk is named for \(shell.id)"
      }
      if shell.owed != nil { return "a loss of \(shell.id) is not known" }
      if let slot = shell.readiness.unready.first { return "\(shell.id) is not ready for \(slot)" }
      if shell.writes.count > 0 { return "\(shell.id) still holds \(shell.writes.count) writes" }
      if let gone = world.nodes.first(where: { !shell.isPresent($0) }) { return "\(shell.id) does not see \(gone)" }
    }
    guard let layout = shells[0].adopted else { return "nobody knows the cluster" }
    let first = shells.map { $0.firstWindow(world) }.max() ?? .min
    for slot in layout.allSlots {
      let held = layout.readers(of: slot).compactMap { world.node($0) }.map { shells[$0].rows[Int(slot)].from(first) }
      if held.dropFirst().contains(where: { $0 != held[0] }) { return "replicas of \(slot) differ" }
    }
    return ""
  }

  private func left(_ shell: ClusterShell) -> String? {
    guard let change = shell.change, let share = change.left.first else { return nil }
    return "\(shell.id) waits for \(share.node), slots \(share.slots)"
  }

  /// Everything is at rest: all that was acknowledged is everywhere, and nothing else than what was sent.
  private mutating func finish() {
    phase = .done
    guard let layout = shells[0].adopted else { return }
    for slot in layout.allSlots {
      let wanted = world.acknowledgedOfSlot[Int(slot)].filter { world.isKept($0) }
      for node in layout.readers(of: slot).compactMap({ world.node($0) }) {
        let held = shells[node].rows[Int(slot)]
        if !world.settings.isBeyondTheModel, !wanted.allSatisfy({ held.covers($0) }) {
          world.violation("\(shells[node].id) lacks acknowledged rows of \(slot)")
        }
        if !held.isSubset(of: world.sent) { world.violation("\(shells[node].id) holds rows that nobody sent") }
      }
    }
    for shell in shells {
      if shell.writes.bytes != 0 { world.violation("\(shell.writes.bytes) bytes of payload are held for no write") }
      for node in world.nodes where shell.writes.queued(for: node) != (0, 0) {
        world.violation("\(shell.id) takes something for queued for \(node) that is not")
      }
    }
  }

  // MARK: - At any instant

  /// As many ready replicas of a slot as a read asks, that would answer by one layout, have all that is acknowledged.
  private mutating func checkReaders() {
    guard !world.settings.isBeyondTheModel else { return }
    var epochs: [UInt64: [Int]] = [:]
    for shell in shells where shell.isUp {
      if let epoch = shell.layout?.epoch { epochs[epoch, default: []].append(shell.number) }
    }
    for (_, numbers) in epochs.sorted(by: { $0.key < $1.key }) {
      guard let layout = shells[numbers[0]].layout else { continue }
      for slot in layout.allSlots {
        let owners = numbers.filter {
          layout.readers(of: slot).contains(shells[$0].id) && shells[$0].held.contains(slot)
        }
        let quorum = layout.readQuorum(of: slot)
        guard owners.count >= quorum else { continue }
        for row in world.acknowledgedOfSlot[Int(slot)] where world.isKept(row) {
          let lacking = owners.count { number in
            !shells[number].rows[Int(slot)].covers(row) && shells[number].isReady(slot, row.window...row.window)
          }
          guard lacking >= quorum else { continue }
          return world.violation(
            "\(lacking) ready replicas of slot \(slot) lack an acknowledged row, by epoch \(layout.epoch)")
        }
      }
    }
  }
}
