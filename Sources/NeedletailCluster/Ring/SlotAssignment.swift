import NeedletailTelemetry

/// Which nodes hold the replicas of every slot: the ring, asked once for each slot.
package struct SlotAssignment: Equatable, Sendable {
  /// A replica that a change of members takes from one node to another.
  package struct Move: Hashable, Sendable {
    package let slot: UInt16
    /// The node that holds the slot no longer; nil where the slot only gains a replica.
    package let from: NodeID?
    /// The node that holds the slot now; nil where the slot only loses a replica.
    package let to: NodeID?
  }

  package let slots: SlotMap
  package let replicaCount: Int
  private let replicas: [[NodeID]]

  /// O(slots x nodes x replicas): a quarter of a million steps for 80 nodes.
  package init(_ ring: HashRing, slots: SlotMap = .standard, replicaCount: Int) {
    self.slots = slots
    self.replicaCount = max(1, replicaCount)
    replicas = ring.replicas(slots, count: self.replicaCount)
  }

  /// The nodes of a slot, the first one nearest on the ring; none for a slot beyond the map or a ring without members.
  package func replicas(of slot: UInt16) -> [NodeID] {
    Int(slot) < replicas.count ? replicas[Int(slot)] : []
  }

  /// The slots of which a node holds a replica, ascending.
  package func slots(of node: NodeID) -> [UInt16] {
    (0..<slots.count).map { UInt16(truncatingIfNeeded: $0) }.filter { replicas(of: $0).contains(node) }
  }

  /// What has to move for this assignment to become `next`, which is of the same number of slots.
  package func moves(to next: SlotAssignment) -> [Move] {
    var moves: [Move] = []
    for number in 0..<max(slots.count, next.slots.count) {
      let slot = UInt16(truncatingIfNeeded: number)
      let (old, new) = (replicas(of: slot), next.replicas(of: slot))
      let lost = old.filter { !new.contains($0) }
      let gained = new.filter { !old.contains($0) }
      for index in 0..<max(lost.count, gained.count) {
        moves.append(
          Move(
            slot: slot, from: index < lost.count ? lost[index] : nil, to: index < gained.count ? gained[index] : nil))
      }
    }
    return moves
  }
}
