import NeedletailTelemetry

@testable import NeedletailCluster

// What has to hold of who holds what: one topology an epoch, each made of the one before it by one change that may be made.

extension ClusterWorld {
  /// The layout of a topology, which is the same for all.
  mutating func layout(of topology: Topology, _ plants: Plants) -> SimulatedLayout {
    if let known = layouts[topology.epoch], known.topology == topology { return known }
    let layout = SimulatedLayout(topology, first: settings.replication, plants)
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
      committed(topology, after: before)
    } else if before.former != nil, topology == (try? before.finished()) {
      reach(.changeOver)
      count("changes: over")
      checkEnd(of: before)
    } else if topology == (try? before.cancelled()) {
      reach(.changeCancelled)
      if before.replication != before.besideReplication { reach(.changeOfQuorumsCancelled) }
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

  /// What is otherwise since a change is committed.
  private mutating func committed(_ topology: Topology, after before: Topology) {
    let (old, new) = (before.replication, topology.replication)
    if new != old { count("changes: committed, of N or W") }
    if new.count > old.count { reach(.replicasGrew) }
    if new.count < old.count { reach(.replicasShrank) }
    if new.writeQuorum > old.writeQuorum { reach(.writeQuorumRose) }
    if new.writeQuorum < old.writeQuorum { reach(.writeQuorumFell) }
    if topology.ring.count < new.count { reach(.ringOfFewerNodesThanReplicas) }
    let owners = (min(old.count, before.ring.count), min(new.count, topology.ring.count))
    if new == old, old.readers(of: owners.0) != new.readers(of: owners.1) { reach(.quorumsChangedByARing) }
    for member in topology.ring {
      guard let was = Topology.find(member.node, in: before.ring) else { continue }
      if was.weight != member.weight { reach(.weightChanged) }
      if was.zone != member.zone { reach(.zoneChanged) }
    }
  }

  private mutating func checkOther(_ topology: Topology, after before: Topology) {
    for member in topology.members {
      if let old = before.member(member.node) {
        if old.identity != member.identity, (try? before.replacing(member.node, with: member.identity)) == topology {
          count("disks replaced by the agreement")
          reach(.diskReplaced)
          if topology.beside != nil { reach(.diskReplacedInAChange) }
          if topology.replication != topology.besideReplication { reach(.diskReplacedInAChangeOfQuorums) }
          return
        }
        if (try? before.damaged(member.node)) == topology { return reach(.damageCounted) }
      } else if let added = try? TopologyMember(
        node: member.node, identity: member.identity, zone: member.zone, weight: member.weight),
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
    if before.beside == nil, let next = topology.next {
      for member in next {
        guard (try? before.placing(member.node, zone: member.zone, weight: member.weight)) == topology else { continue }
        return count("changes: weights or zones")
      }
      if (try? before.replicating(topology.besideReplication)) == topology { return count("changes: N or W") }
    }
    violation("epoch \(topology.epoch) does not follow from the one before")
  }

  /// A change is over only when of no slot so many former owners lack its commit that a reader that lacks it too would be
  /// answered by them, without what is written from now on.
  private mutating func checkEnd(of before: Topology) {
    guard let former = before.besideAssignment, let names = before.former?.map(\.node),
      let replication = before.formerReplication
    else { return }
    if hasUnknowing(of: before, among: names) { reach(.overWithAFormerOwnerAway) }
    for number in 0..<before.slotCount {
      let slot = UInt16(truncatingIfNeeded: number)
      let owners = former.replicas(of: slot)
      let now = before.assignment.replicas(of: slot)
      let isFewer = before.acknowledgements(of: now.count) < replication.acknowledgements(of: owners.count)
      guard isFewer || Set(owners) != Set(now) else { continue }
      let behind = owners.count { owner in
        node(owner).map { known[$0].map { $0 < before.epoch } ?? false } ?? false
      }
      guard behind >= replication.readers(of: owners.count) else { continue }
      return violation("epoch \(before.epoch + 1) ends a change of which former owners of slot \(slot) do not know")
    }
  }

  /// Every slot has as many replicas as there can be, of the ring alone; and what moves goes to or comes from the one node
  /// that comes, goes or gets another weight, or is a replica more or less of each slot where N changes.
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
    var coming = Set(next.map(\.node)).subtracting(ring)
    var going = ring.subtracting(next.map(\.node))
    for member in next {
      guard let was = Topology.find(member.node, in: topology.ring), was.ringMember != member.ringMember else {
        continue
      }
      // A node that leaves one zone for another may make room in the one, and take another's place in the other.
      if was.zone != member.zone { return }
      coming.insert(member.node)
      going.insert(member.node)
    }
    let change = topology.besideReplication.count - topology.replicaCount
    for move in layout.assignment.moves(to: assignment) {
      let isComing = move.to.map { coming.contains($0) } ?? false
      let isGoing = move.from.map { going.contains($0) } ?? false
      if isComing || isGoing || change > 0 && move.from == nil || change < 0 && move.to == nil { continue }
      return violation("slot \(move.slot) moves between nodes of which nothing is changed")
    }
  }
}
