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
    /// Several replicas of a slot fail together.
    case fewerZonesThanReplicas(zones: Int, replicas: Int)

    package var description: String {
      switch self {
      case .fewerNodesThanReplicas(let nodes, let replicas):
        "\(nodes) nodes are left for \(replicas) replicas: each slot has \(nodes) replicas, and a write needs all of as "
          + "many as there are below its quorum"
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

  package static func == (left: Self, right: Self) -> Bool {
    left.flows == right.flows && left.warnings == right.warnings
      && left.incoming.elementsEqual(right.incoming) { $0.node == $1.node && $0.slots == $1.slots }
  }

  /// How many replicas of slots have to be copied.
  package var copies: Int { incoming.reduce(0) { $0 + $1.slots.count } }

  /// Nil where no change is under way: for a dry run ask the topology that `adding` and the like give.
  ///
  /// O(slots x nodes x replicas).
  package init?(_ topology: Topology) {
    guard let next = topology.next, let nextAssignment = topology.nextAssignment else { return nil }
    var counts: [[NodeID?]: Int] = [:]
    var incoming: [NodeID: SlotSet] = [:]
    for move in topology.assignment.moves(to: nextAssignment) {
      counts[[move.from, move.to], default: 0] += 1
      if let to = move.to { incoming[to, default: []].insert(move.slot) }
    }
    flows = counts.map { Flow(from: $0.key[0], to: $0.key[1], slots: $0.value) }.sorted {
      ($0.from ?? NodeID(""), $0.to ?? NodeID("")) < ($1.from ?? NodeID(""), $1.to ?? NodeID(""))
    }
    self.incoming = incoming.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    var warnings: [Warning] = []
    let replicas = topology.replicaCount
    if next.count < replicas { warnings.append(.fewerNodesThanReplicas(nodes: next.count, replicas: replicas)) }
    let zones = Set(next.compactMap(\.zone)).count
    if zones > 0, zones + next.count(where: { $0.zone == nil }) < min(replicas, next.count) {
      warnings.append(.fewerZonesThanReplicas(zones: zones, replicas: replicas))
    }
    self.warnings = warnings
  }
}
