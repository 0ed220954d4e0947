@testable import NeedletailCluster

/// Who holds which slots by one topology, worked out once for all nodes, as a node's own layout has it.
final class SimulatedLayout {
  let topology: Topology
  let assignment: SlotAssignment
  /// Who takes the writes beside the owners while a change is under way.
  let beside: SlotAssignment?
  let level: WriteLevel
  let groups: ReplicaGroups
  private let writersOfSlot: [[NodeID]]

  init(_ topology: Topology, level: WriteLevel, _ plants: Plants) {
    self.topology = topology
    self.level = level
    let replicas = plants.shell == .wrongReplicaCount ? max(1, topology.replicaCount - 1) : topology.replicaCount
    let assignment = SlotAssignment(
      HashRing(topology.ring.map(\.ringMember)), slots: topology.slots, replicaCount: replicas)
    let beside = topology.besideAssignment
    self.assignment = assignment
    self.beside = beside
    groups = ReplicaGroups(assignment, next: plants.shell == .writesToOwnersAlone ? nil : beside)
    writersOfSlot = (0..<topology.slotCount).map { number in
      let slot = UInt16(truncatingIfNeeded: number)
      let owners = assignment.replicas(of: slot)
      guard let beside else { return owners }
      return owners + beside.replicas(of: slot).filter { !owners.contains($0) }
    }
  }

  var epoch: UInt64 { topology.epoch }

  var allSlots: [UInt16] { (0..<topology.slotCount).map { UInt16(truncatingIfNeeded: $0) } }

  /// Who is read from.
  func readers(of slot: UInt16) -> [NodeID] { assignment.replicas(of: slot) }

  /// Its owners, and those that it is on its way to or comes from.
  func writers(of slot: UInt16) -> [NodeID] { writersOfSlot[Int(slot)] }

  /// How many ready replicas of a slot have to agree.
  func readQuorum(of slot: UInt16) -> Int {
    let count = readers(of: slot).count
    return max(1, count - level.acknowledgements(of: count) + 1)
  }

  /// The slots that a node holds, is to hold, or held and still takes writes of, ascending.
  func slots(of node: NodeID) -> [UInt16] { allSlots.filter { writers(of: $0).contains(node) } }
}
