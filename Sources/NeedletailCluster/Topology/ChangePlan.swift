/// What a change that is under way, or would be, moves: for a dry run, and to see how much of it is left.
package struct ChangePlan: Equatable, Sendable {
  /// Replicas of slots that go from one node to another.
  package struct Flow: Hashable, Sendable {
    /// Who holds them no longer; nil where the slots only gain replicas.
    package let from: NodeID?
    /// Who gets them; nil where the slots only lose replicas.
    package let to: NodeID?
    package let slots: Int
  }

  package enum Warning: Hashable, Sendable, CustomStringConvertible {
    /// Each slot has fewer replicas than it should.
    case fewerNodesThanReplicas(nodes: Int, replicas: Int)
    /// No write is acknowledged while any replica is away.
    case everyReplicaWrites(Int)
    /// A write is acknowledged when one node has it, and is lost with that one's disk.
    case oneReplicaWrites
    /// Several replicas of a slot fail together.
    case fewerZonesThanReplicas(zones: Int, replicas: Int)

    package var description: String {
      switch self {
      case .fewerNodesThanReplicas(let nodes, let replicas):
        "\(nodes) nodes are left for \(replicas) replicas: each slot has \(nodes) replicas, and a write needs as many "
          + "as before, or all of them where that is more than there are"
      case .everyReplicaWrites(let replicas):
        "a write needs all \(replicas) replicas: while one of them is away nothing can be written to its slots"
      case .oneReplicaWrites:
        "a write is acknowledged when one node has it, and is lost if the disk of that one is before others have it too"
      case .fewerZonesThanReplicas(let zones, let replicas):
        "\(zones) zones are left for \(replicas) replicas: several replicas of a slot may fail together"
      }
    }
  }

  /// By who gives and who gets; who gives or gets nothing comes first.
  package let flows: [Flow]
  package let warnings: [Warning]
  /// The slots that each node gets; nodes that get none are not in it. Sorted by node.
  package let incoming: [(node: NodeID, slots: SlotSet)]
  /// How many replicas of slots stay, and have to be compared with others before: fewer will agree on a read.
  package let compared: Int

  package static func == (left: Self, right: Self) -> Bool {
    left.flows == right.flows && left.warnings == right.warnings && left.compared == right.compared
      && left.incoming.elementsEqual(right.incoming) { $0.node == $1.node && $0.slots == $1.slots }
  }

  /// How many replicas of slots have to be copied.
  package var copies: Int { incoming.reduce(0) { $0 + $1.slots.count } }

  /// Nil where no change is under way: for a dry run ask the topology that `adding` and the like give.
  ///
  /// O(slots x nodes x replicas).
  package init?(_ topology: Topology) {
    guard let next = topology.next, let nextAssignment = topology.nextAssignment else { return nil }
    let assignment = topology.assignment
    var counts: [[NodeID?]: Int] = [:]
    var incoming: [NodeID: SlotSet] = [:]
    for move in assignment.moves(to: nextAssignment) {
      counts[[move.from, move.to], default: 0] += 1
      if let to = move.to { incoming[to, default: []].insert(move.slot) }
    }
    flows = counts.map { Flow(from: $0.key[0], to: $0.key[1], slots: $0.value) }.sorted {
      ($0.from ?? NodeID(""), $0.to ?? NodeID("")) < ($1.from ?? NodeID(""), $1.to ?? NodeID(""))
    }
    self.incoming = incoming.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    compared = topology.ring.reduce(0) {
      $0 + topology.keptSlots(of: $1.node, in: assignment, next: nextAssignment).count
    }
    warnings = Self.warnings(topology, next)
  }

  private static func warnings(_ topology: Topology, _ next: [TopologyMember]) -> [Warning] {
    let replication = topology.besideReplication
    var warnings: [Warning] = []
    if next.count < replication.count {
      warnings.append(.fewerNodesThanReplicas(nodes: next.count, replicas: replication.count))
    }
    if replication != topology.replication, replication.count > 1 {
      if replication.writeQuorum == replication.count { warnings.append(.everyReplicaWrites(replication.count)) }
      if replication.writeQuorum == 1 { warnings.append(.oneReplicaWrites) }
    }
    let zones = Set(next.compactMap(\.zone)).count
    if zones > 0, zones + next.count(where: { $0.zone == nil }) < min(replication.count, next.count) {
      warnings.append(.fewerZonesThanReplicas(zones: zones, replicas: replication.count))
    }
    return warnings
  }
}
