// How a replica gets all of a slot, and how many acknowledge, where a cluster has fewer nodes than N or changes its ring.

extension Topology {
  /// W for a slot of so many replicas: all of them where there are fewer.
  package func acknowledgements(of replicas: Int) -> Int { max(1, min(writeQuorum, replicas)) }

  /// R for a slot of so many replicas.
  package func readers(of replicas: Int) -> Int { max(1, replicas - acknowledgements(of: replicas) + 1) }

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
}
