@testable import NeedletailCluster

// What goes wrong, and who comes and goes meanwhile.

extension ClusterSimulation {
  mutating func fault() {
    guard case .faults = phase else { return }
    world.schedule(.fault, after: world.time(1...(2 * faults.interval)))
    let number = Int.random(in: shells.indices, using: &world.generator)
    switch Int.random(in: 0..<9, using: &world.generator) {
    case 0 where faults.crashes: crash(number)
    case 1 where faults.pauses: pause(number)
    case 2 where faults.cuts: cut(number)
    case 3 where faults.lostDisks: loseDisks()
    case 4 where faults.damage: damage(number)
    case 5 where faults.fullDisks:
      world.count("fault: full disks")
      shells[number].fullUntil = world.now + world.time(200...4_000)
    case 6 where faults.slowNodes:
      world.count("fault: slow nodes")
      world.reach(.slowNode)
      world.slowUntil[number] = world.now + world.time(500...4_000)
    case 7 where faults.slowDisks:
      world.count("fault: slow disks")
      shells[number].slowDiskUntil = world.now + world.time(500...4_000)
    case 8 where faults.clocks: upset(number)
    default: break
    }
  }

  private mutating func crash(_ number: Int) {
    if world.chance(3) {
      // The power of all is cut.
      for number in shells.indices { end(number) }
      return world.reach(.everybodyDown)
    }
    end(number)
  }

  private mutating func end(_ number: Int) {
    guard shells[number].isUp else { return }
    if faults.stops, world.chance(40) {
      // What is under way goes on for a while, and others do without the node already.
      shells[number].stop(&world)
      return world.schedule(.stopped(number, life: shells[number].life), after: world.time(1...3_000))
    }
    stopped(number)
  }

  /// A node has ended, in order or not.
  mutating func stopped(_ number: Int) {
    shells[number].crash(&world)
    // Some stay away so long that others take their place.
    world.schedule(.restart(number), after: world.time(world.chance(15) ? 6_000...15_000 : 100...6_000))
  }

  private mutating func pause(_ number: Int) {
    guard shells[number].isUp else { return }
    world.count("fault: pauses")
    shells[number].pausedUntil = world.now + world.time(200...4_000)
  }

  /// One way or both, to one node or to all.
  private mutating func cut(_ number: Int) {
    world.count("fault: cuts")
    let others = shells.indices.filter { $0 != number }
    let chosen = world.chance(50) ? others : Array(others.prefix(1))
    let (isOut, isIn) =
      [(true, true), (true, false), (false, true)].randomElement(using: &world.generator) ?? (true, true)
    let duration = world.time(200...5_000)
    for other in chosen {
      for pair in [[number, other], [other, number]] where pair[0] == number ? isOut : isIn {
        world.cuts.insert(pair)
        world.schedule(.mend(from: pair[0], to: pair[1]), after: duration)
      }
    }
  }

  /// A clock goes at another pace, leaps, or tells another time.
  private mutating func upset(_ number: Int) {
    world.count("fault: clocks")
    switch Int.random(in: 0..<3, using: &world.generator) {
    case 0:
      let drift = Int64.random(in: -200_000...200_000, using: &world.generator)
      shells[number].clock.setDrift(drift, at: world.now)
    case 1:
      world.reach(.monotonicJump)
      shells[number].clock.leap(by: world.time(100...20_000), at: world.now)
    default:
      let before = shells[number].clock.wallOffset
      setClock(number)
      if shells[number].clock.wallOffset < before { world.reach(.wallClockSetBack) }
    }
    shells[number].scheduleWake(&world)
  }

  /// Anywhere within what clocks are off in this cluster.
  mutating func setClock(_ number: Int) {
    let skew = world.settings.retention.skewMax
    set(Int64.random(in: -skew...skew, using: &world.generator), of: number)
  }

  mutating func set(_ offset: Int64, of number: Int) {
    shells[number].clock.wallOffset = offset
    world.set(offset, of: number)
  }

  // MARK: - Losses

  /// The members that hold slots, all of them whole and of one mind; empty where some are not: then nothing may be lost.
  private var wholeRing: [Int] {
    guard let newest = world.chosen.last else { return [] }
    var ring: [Int] = []
    for member in newest.ring {
      guard let number = world.node(member.node), isWhole(number, newest, member) else { return [] }
      ring.append(number)
    }
    return ring
  }

  private func isWhole(_ number: Int, _ newest: Topology, _ member: TopologyMember) -> Bool {
    let shell = shells[number]
    guard shell.isUp, shell.pausedUntil <= world.now, shell.disk.identity == member.identity, shell.owed == nil,
      shell.adopted?.epoch == newest.epoch, let layout = shell.adopted
    else { return false }
    return layout.assignment.slots(of: shell.id).allSatisfy { shell.readiness.state(of: $0) == .ready }
  }

  /// How many replicas of a slot may lose what they have now, by each W that counts: less than a write needs, of those who
  /// hold it, of those who will, and of those who held it.
  private func lossesMax(_ newest: Topology) -> Int {
    var quorums = [newest.acknowledgements(of: min(newest.replicaCount, newest.ring.count))]
    if let beside = newest.beside {
      let replication = newest.besideReplication
      quorums.append(replication.acknowledgements(of: min(replication.count, beside.count)))
    }
    let most = (quorums.min() ?? 1) - (world.settings.isBeyondTheModel ? 0 : 1)
    let lacking = (newest.former ?? []).count { member in
      guard Topology.find(member.node, in: newest.ring) == nil, let number = world.node(member.node) else {
        return false
      }
      let shell = shells[number]
      return shell.disk.identity != member.identity || shell.isUp && !shell.readiness.unready.isEmpty
    }
    return max(0, most - lacking)
  }

  /// Whether enough of those who decide on the next epoch would still have what they promised, and of those who decide on
  /// the one after, should a change under way end before the losses are known.
  private func canDecide(without lost: [Int]) -> Bool {
    guard let newest = world.chosen.last else { return false }
    let ends = [try? newest.committed(), try? newest.finished(), try? newest.cancelled()].compactMap { $0 }
    return (world.chosen.suffix(2) + ends).allSatisfy { topology in
      let voters = topology.electorate.voters
      let gone = voters.count { voter in
        world.node(voter.node).map { lost.contains($0) || shells[$0].disk.identity != voter.identity } ?? true
      }
      return 2 * gone < voters.count
    }
  }

  private mutating func damage(_ number: Int) {
    let isWhole = world.settings.isBeyondTheModel || wholeRing.contains(number)
    guard let newest = world.chosen.last, lossesMax(newest) > 0, isWhole, shells[number].disk.damages.isEmpty else {
      return
    }
    let slot = UInt16.random(in: 0..<UInt16(ClusterWorld.slotCount), using: &world.generator)
    shells[number].damage(slot, newWindow(), &world)
    // Before it is noted, for example.
    if world.chance(30), shells[number].isUp {
      shells[number].crash(&world)
      world.schedule(.restart(number), after: world.time(100...2_000))
    }
  }

  /// One that does not come back before it is removed; then as it was, which nobody wants any more, or with another disk.
  private mutating func die() {
    let ring = wholeRing
    // Where others can take its place.
    guard let newest = world.chosen.last, lossesMax(newest) > 0, ring.count > 1, !newest.endNeedsAll,
      let node = ring.randomElement(using: &world.generator), canDecide(without: [node])
    else { return }
    let name = world.nodes[node]
    world.note("\(name) is dead for good")
    deadForGood.insert(node)
    if world.chance(50) { shells[node].loseDisk(&world) } else { shells[node].crash(&world) }
  }

  /// As many as may, at the most.
  private mutating func loseDisks() {
    let ring = wholeRing.shuffled(using: &world.generator)
    let others = shells.indices.filter { world.chosen.last?.member(world.nodes[$0]) == nil }
    if let other = others.randomElement(using: &world.generator), world.chance(30) {
      return lose([other])
    }
    let most = world.chosen.last.map { lossesMax($0) } ?? 0
    let count = Int.random(in: 1...max(1, most), using: &world.generator)
    guard most > 0, ring.count > 1 else { return }
    let lost = Array(ring.prefix(count))
    guard canDecide(without: lost) else { return }
    if lost.count > 1 { world.reach(.twoDisksReplacedAtOnce) }
    lose(lost)
  }

  private mutating func lose(_ lost: [Int]) {
    for number in lost {
      shells[number].loseDisk(&world)
      world.schedule(.restart(number), after: world.time(100...2_000))
    }
  }

  // MARK: - Members

  /// An operator looks, and asks for something.
  mutating func operate() {
    guard case .faults = phase, faults.changes else { return }
    world.schedule(.operate, after: world.time(deadForGood.isEmpty ? 300...2_500 : 200...600))
    if faults.lostDisks, deadForGood.isEmpty, world.chance(20) { die() }
    guard let newest = world.chosen.last, let number = shells.indices.randomElement(using: &world.generator),
      shells[number].isUp, shells[number].pausedUntil <= world.now
    else { return }
    if newest.next != nil {
      // One that waits for who is dead has to be taken back.
      if world.chance(deadForGood.isEmpty ? 8 : 12) { _ = shells[number].make(.cancel, &world) }
      return
    }
    guard newest.former == nil, let wish = wish(newest) else { return }
    let isAsked = shells[number].make(wish, &world)
    // Somebody else wants something else at the same time.
    if isAsked, world.chance(25), let other = shells.indices.randomElement(using: &world.generator),
      shells[other].isUp, let wish = self.wish(newest)
    {
      _ = shells[other].make(wish, &world)
    }
  }

  private mutating func wish(_ newest: Topology) -> ClusterShell.Wish? {
    let ring = newest.ring.map(\.node)
    let dead = deadForGood.sorted().first { ring.contains(world.nodes[$0]) }
    if let dead, ring.count > 1, !newest.endNeedsAll { return .remove(world.nodes[dead]) }
    if faults.resizes, world.chance(45) { return .replicate(otherReplication(newest)) }
    if faults.places, world.chance(20), let wish = otherPlace(newest) { return wish }
    let spares = shells.indices.filter { shells[$0].isUp && !ring.contains(world.nodes[$0]) }
    let isFull = ring.count > newest.replicaCount
    if let spare = spares.randomElement(using: &world.generator), !isFull || world.chance(40) {
      return .add(world.nodes[spare])
    }
    // Now and then fewer are left than a slot is to have replicas.
    guard ring.count > 1, isFull || world.chance(15) else { return nil }
    let away = ring.filter { name in world.node(name).map { world.down.contains($0) } ?? false }
    let choice = !away.isEmpty && world.chance(60) ? away : ring
    guard let node = choice.randomElement(using: &world.generator) else { return nil }
    let isDown = world.node(node).map { !shells[$0].isUp } ?? false
    return isDown ? .remove(node) : .drain(node)
  }

  /// Mostly one more or less, and a majority of it.
  private mutating func otherReplication(_ newest: Topology) -> Replication {
    var count = Int.random(in: 1...5, using: &world.generator)
    if world.chance(70) { count = newest.replicaCount + Int.random(in: -1...1, using: &world.generator) }
    count = min(max(count, world.chance(80) ? 2 : 1), min(5, shells.count + 1))
    let isMajority = world.chance(60)
    return Replication(
      count: count,
      writeQuorum: isMajority ? count / 2 + 1 : Int.random(in: min(2, count)...count, using: &world.generator))
  }

  private mutating func otherPlace(_ newest: Topology) -> ClusterShell.Wish? {
    guard let member = newest.ring.randomElement(using: &world.generator) else { return nil }
    let zone =
      world.chance(50) ? member.zone : world.chance(30) ? nil : "z\(Int.random(in: 0..<3, using: &world.generator))"
    return .place(member.node, zone: zone, weight: UInt32.random(in: 1...4, using: &world.generator))
  }
}
