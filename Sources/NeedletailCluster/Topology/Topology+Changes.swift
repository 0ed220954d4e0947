// The next topology of a cluster, for each thing that may be done to it. One change of the ring at a time: it begins
// with `adding`, `draining`, `removing`, `placing` or `replicating`, which set `next`, and ends with `cancelled`, or with
// `committed` and `finished`.

extension Topology {
  // MARK: Changes of the ring

  /// Begins to take a node in. Its losses begin at 0.
  package func adding(_ member: TopologyMember) throws(TopologyError) -> Topology {
    var topology = try beginning()
    guard Self.find(member.node, in: ring) == nil else { throw .alreadyMember(member.node) }
    if let other = ring.first(where: { $0.identity == member.identity }) {
      throw .identityInUse(member.identity, by: other.node)
    }
    guard ring.count < Self.membersMax else { throw .tooManyMembers(ring.count + 1) }
    var member = member
    (member.joined, member.losses) = (topology.epoch, 0)
    topology.beside = (ring + [member]).sorted { $0.node < $1.node }
    return topology
  }

  /// Begins to take a node out that still serves what it has until the others have it.
  ///
  /// Where fewer nodes are left than a slot has replicas the change can be made; `ChangePlan` warns of it.
  package func draining(_ node: NodeID) throws(TopologyError) -> Topology { try without(node) }

  /// Begins to take a node out that will not come back: the others fill its place from each other.
  package func removing(_ node: NodeID) throws(TopologyError) -> Topology { try without(node) }

  /// Whether the end of a change that takes a node out waits for that node too: as many have to have heard of it as have to
  /// have a write, and there are no more.
  package var endNeedsAll: Bool {
    let owners = min(replicaCount, ring.count)
    return acknowledgements(of: owners) == owners
  }

  private func without(_ node: NodeID) throws(TopologyError) -> Topology {
    var topology = try beginning()
    guard Self.find(node, in: ring) != nil else { throw .unknownNode(node) }
    guard ring.count > 1 else { throw .lastNode(node) }
    topology.beside = ring.filter { $0.node != node }
    return topology
  }

  /// Begins to give a node another zone, another weight, or both: the slots that follow from that move.
  package func placing(_ node: NodeID, zone: String?, weight: UInt32) throws(TopologyError) -> Topology {
    var topology = try beginning()
    guard let index = ring.firstIndex(where: { $0.node == node }) else { throw .unknownNode(node) }
    // What a text or a number may be is known there.
    let placed = try TopologyMember(node: node, identity: ring[index].identity, zone: zone, weight: weight)
    guard placed.ringMember != ring[index].ringMember else { throw .nothingToChange }
    var next = ring
    next[index].zone = placed.zone
    next[index].weight = placed.weight
    topology.beside = next
    return topology
  }

  /// Begins to hold each slot on more or fewer nodes, to have more or fewer of them take a write, or both.
  ///
  /// Where there are fewer nodes than a slot is to have replicas the change can be made; `ChangePlan` warns of it.
  package func replicating(_ replication: Replication) throws(TopologyError) -> Topology {
    var topology = try beginning()
    try replication.check()
    guard replication != self.replication else { throw .nothingToChange }
    topology.beside = ring
    topology.besideReplication = replication
    return topology
  }

  /// Moves the slots to `next`, for good: reads go there, writes go to both. To be proposed only once `RingChange` says
  /// that it may be.
  package func committed() throws(TopologyError) -> Topology {
    guard let next else { throw .noChangeUnderWay }
    var topology = try following()
    (topology.ring, topology.ringSince) = (next, besideSince)
    (topology.beside, topology.besideSince) = (ring, ringSince)
    (topology.replication, topology.besideReplication) = (besideReplication, replication)
    return topology
  }

  /// Ends a change that was committed: who held the slots has no part in them. To be proposed only once `RingChange`
  /// says that it may be.
  package func finished() throws(TopologyError) -> Topology {
    guard former != nil else { throw .noChangeUnderWay }
    return try ending()
  }

  /// Takes the change back: `ring` holds the slots as before.
  package func cancelled() throws(TopologyError) -> Topology {
    guard former == nil else { throw .changeCommitted }
    return try ending()
  }

  private func ending() throws(TopologyError) -> Topology {
    guard let beside else { throw .noChangeUnderWay }
    var topology = try following()
    topology.remember(
      PastRing(
        epochs: besideSince...epoch, replicaCount: besideReplication.count, members: beside.map(\.ringMember)))
    (topology.beside, topology.besideSince) = (nil, 0)
    topology.besideReplication = replication
    return topology
  }

  // MARK: Losses

  /// A node is back with a new disk, which lacks everything (rule 6 of docs/cluster.md).
  package func replacing(_ node: NodeID, with identity: NodeIdentity) throws(TopologyError) -> Topology {
    guard let old = member(node) else { throw .unknownNode(node) }
    guard old.identity != identity else { throw .alreadyMember(node) }
    if let other = members.first(where: { $0.identity == identity }) {
      throw .identityInUse(identity, by: other.node)
    }
    return try changing(node) { member, epoch in
      member.identity = identity
      member.joined = epoch
      member.losses = 0
    }
  }

  /// Something durable of a node was found unreadable (rule 6 of docs/cluster.md).
  package func damaged(_ node: NodeID) throws(TopologyError) -> Topology {
    guard member(node) != nil else { throw .unknownNode(node) }
    return try changing(node) { member, _ in
      if member.losses < .max { member.losses += 1 }
    }
  }

  private func changing(
    _ node: NodeID, _ body: (inout TopologyMember, UInt64) -> Void
  ) throws(TopologyError) -> Topology {
    var topology = try following()
    let epoch = topology.epoch
    if let index = ring.firstIndex(where: { $0.node == node }) { body(&topology.ring[index], epoch) }
    if var beside, let index = beside.firstIndex(where: { $0.node == node }) {
      body(&beside[index], epoch)
      topology.beside = beside
    }
    return topology
  }

  // MARK: Common

  private func beginning() throws(TopologyError) -> Topology {
    if let next { throw .changeUnderWay(to: next.map(\.node)) }
    if former != nil { throw .changeNotOver(to: ring.map(\.node)) }
    var topology = try following()
    topology.besideSince = topology.epoch
    return topology
  }

  private func following() throws(TopologyError) -> Topology {
    guard epoch < Self.epochMax else { throw .epochsUsedUp }
    var topology = self
    topology.epoch += 1
    return topology
  }

  /// Keeps a ring that is over, and forgets the oldest where there are too many.
  private mutating func remember(_ past: PastRing) {
    history.append(past)
    var count = history.reduce(0) { $0 + $1.members.count }
    while let oldest = history.first, history.count > Self.pastRingsMax || count > Self.pastMembersMax {
      count -= oldest.members.count
      horizon = max(horizon, oldest.epochs.upperBound + 1)
      history.removeFirst()
    }
  }
}
