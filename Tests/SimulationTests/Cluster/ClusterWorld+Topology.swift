import NeedletailTelemetry

@testable import NeedletailCluster

// What has to hold of who holds what: one topology an epoch, each made of the one before it by one change that may be made.

extension ClusterWorld {
  /// The layout of a topology, which is the same for all.
  mutating func layout(of topology: Topology, _ plants: Plants) -> SimulatedLayout {
    if let known = layouts[topology.epoch], known.topology == topology { return known }
    let layout = SimulatedLayout(topology, level: settings.level, plants)
    layouts[topology.epoch] = layout
    return layout
  }

  /// A node takes a topology for decided; it is on its disk.
  mutating func learned(_ topology: Topology, by node: Int) {
    if let before = known[node] {
      if before >= topology.epoch { violation("\(nodes[node]) goes back from epoch \(before) to \(topology.epoch)") }
      if topology.epoch > before + 1 { reach(.epochsSkipped) }
    }
    known[node] = topology.epoch
    let place = Int(topology.epoch) - 1
    guard place >= chosen.count else {
      if chosen[place] != topology { violation("two topologies of epoch \(topology.epoch)") }
      return
    }
    guard place == chosen.count else { return violation("epoch \(topology.epoch) after \(chosen.count)") }
    if let before = chosen.last { check(topology, after: before) }
    chosen.append(topology)
    count("epochs")
    note("epoch \(topology.epoch) of \(topology.ring.map(\.node)) beside \(topology.beside?.map(\.node) ?? [])")
    checkRing(topology)
  }

  private mutating func check(_ topology: Topology, after before: Topology) {
    if topology == (try? before.committed()) {
      reach(.changeCommitted)
      count("changes: committed")
      if hasUnknowing(of: before, among: before.ring.map(\.node)) { reach(.committedWithAFormerOwnerAway) }
    } else if before.former != nil, topology == (try? before.finished()) {
      reach(.changeOver)
      count("changes: over")
      checkEnd(of: before)
    } else if topology == (try? before.cancelled()) {
      reach(.changeCancelled)
      count("changes: cancelled")
    } else {
      checkOther(topology, after: before)
    }
  }

  /// Whether some of these nodes do not run, or know less than a topology.
  private func hasUnknowing(of topology: Topology, among names: [NodeID]) -> Bool {
    names.contains { name in
      node(name).map { down.contains($0) || (known[$0] ?? 0) < topology.epoch } ?? false
    }
  }

  private mutating func checkOther(_ topology: Topology, after before: Topology) {
    for member in topology.members {
      if let old = before.member(member.node) {
        if old.identity != member.identity, (try? before.replacing(member.node, with: member.identity)) == topology {
          count("disks replaced by the agreement")
          reach(.diskReplaced)
          if topology.beside != nil { reach(.diskReplacedInAChange) }
          return
        }
        if (try? before.damaged(member.node)) == topology { return reach(.damageCounted) }
      } else if let added = try? TopologyMember(node: member.node, identity: member.identity),
        (try? before.adding(added)) == topology
      {
        count("changes: added")
        return reach(.nodeAdded)
      }
    }
    for member in before.ring where (try? before.draining(member.node)) == topology {
      count("changes: drained or removed")
      return reach(.nodeDrained)
    }
    violation("epoch \(topology.epoch) does not follow from the one before")
  }

  /// A change is over only when of no slot so many former owners lack its commit that a reader that lacks it too would be
  /// answered by them, without what is written from now on.
  private mutating func checkEnd(of before: Topology) {
    guard let former = before.besideAssignment, let names = before.former?.map(\.node) else { return }
    if hasUnknowing(of: before, among: names) { reach(.overWithAFormerOwnerAway) }
    for number in 0..<before.slotCount {
      let slot = UInt16(truncatingIfNeeded: number)
      let owners = former.replicas(of: slot)
      guard Set(owners) != Set(before.assignment.replicas(of: slot)) else { continue }
      let behind = owners.count { owner in
        node(owner).map { known[$0].map { $0 < before.epoch } ?? false } ?? false
      }
      guard behind >= before.readers(of: owners.count) else { continue }
      return violation("epoch \(before.epoch + 1) ends a change of which former owners of slot \(slot) do not know")
    }
  }

  /// Every slot has as many replicas as there can be, of the ring alone; and what moves goes to or comes from the one node
  /// that comes or goes.
  private mutating func checkRing(_ topology: Topology) {
    guard let layout = layouts[topology.epoch] else { return }
    let ring = Set(topology.ring.map(\.node))
    for slot in layout.allSlots {
      let owners = layout.readers(of: slot)
      guard Set(owners).count == owners.count, owners.count == min(topology.replicaCount, ring.count),
        ring.isSuperset(of: owners)
      else { return violation("slot \(slot) of epoch \(topology.epoch) has the replicas \(owners)") }
    }
    guard let next = topology.next, let assignment = topology.nextAssignment else { return }
    let coming = Set(next.map(\.node)).subtracting(ring)
    let going = ring.subtracting(next.map(\.node))
    for move in layout.assignment.moves(to: assignment) {
      let isComing = move.to.map { coming.contains($0) } ?? false
      let isGoing = move.from.map { going.contains($0) } ?? false
      if isComing || isGoing { continue }
      return violation("slot \(move.slot) moves between nodes that neither come nor go")
    }
  }
}
