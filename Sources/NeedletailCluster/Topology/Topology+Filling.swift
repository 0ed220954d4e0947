// How a replica gets all of a slot, and how many acknowledge, where a cluster has fewer nodes than N or changes its ring.

extension Topology {
  /// W of the ring for a slot of so many replicas: all of them where there are fewer.
  package func acknowledgements(of replicas: Int) -> Int { replication.acknowledgements(of: replicas) }

  /// R of the ring for a slot of so many replicas.
  package func readers(of replicas: Int) -> Int { replication.readers(of: replicas) }

  /// With whom a node has to compare a slot to have all of it, as `ReplicaReadiness.assigned` takes it.
  ///
  /// `owners` are the replicas of the slot in the ring. What was acknowledged is on W of them. A node that is one of
  /// them and lost its disk may have been one of these W, so that N-W+1 others are needed. One that holds the slot only
  /// by `next` was none: N-W+1 of the owners are enough. One that holds it, lost nothing and is to have all (`RingChange`
  /// says when) needs N-W: it has itself what it acknowledged.
  package func filling(
    _ node: NodeID, from owners: [NodeID], hasLostNothing: Bool = false
  ) -> (replicas: [NodeID], writeQuorum: Int) {
    let quorum = acknowledgements(of: owners.count)
    // `ReplicaReadiness` asks for as many others as there are, plus 2, less this quorum.
    if !owners.contains(node) { return (owners + [node], quorum + 1) }
    return (owners, hasLostNothing ? quorum + 1 : quorum)
  }
  /// The slots that a node holds and will hold, and of which it has to have all before the change is committed, whether it
  /// acknowledged that or not: `KeptSlots`. None where no change is under way. O(slots x replicas).
  ///
  /// They are those of which fewer replicas will agree on a read: the new owners, which are filled, and those old ones
  /// that took a write may be fewer than the new W.
  func keptSlots(of node: NodeID, in ring: SlotAssignment, next: SlotAssignment) -> SlotSet {
    keptSlots(of: node, ring, next) { old, new in
      besideReplication.readers(of: new) < replication.readers(of: old)
    }
  }

  /// Those that it keeps and has to be ready for before the change is committed, all of `keptSlots` among them.
  ///
  /// Where a write will be on fewer nodes, fewer of them may lack something at a time.
  func dueSlots(of node: NodeID, in ring: SlotAssignment, next: SlotAssignment) -> SlotSet {
    keptSlots(of: node, ring, next) { old, new in
      besideReplication.readers(of: new) < replication.readers(of: old)
        || besideReplication.acknowledgements(of: new) < replication.acknowledgements(of: old)
    }
  }

  private func keptSlots(
    of node: NodeID, _ ring: SlotAssignment, _ next: SlotAssignment, where isKept: (_ old: Int, _ new: Int) -> Bool
  ) -> SlotSet {
    var kept = SlotSet()
    for number in 0..<slotCount {
      let slot = UInt16(truncatingIfNeeded: number)
      let (old, new) = (ring.replicas(of: slot), next.replicas(of: slot))
      if isKept(old.count, new.count), old.contains(node), new.contains(node) { kept.insert(slot) }
    }
    return kept
  }
}
