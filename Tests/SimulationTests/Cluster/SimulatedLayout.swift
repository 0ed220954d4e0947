@testable import NeedletailCluster

/// Who holds which slots by one topology, worked out once for all nodes, as a node's own layout has it.
final class SimulatedLayout {
  let topology: Topology
  let assignment: SlotAssignment
  /// Who takes the writes beside the owners while a change is under way.
  let beside: SlotAssignment?
  /// By which N and W it is held, and by which those hold it who take the writes beside.
  let replication: Replication
  let besideReplication: Replication
  let groups: ReplicaGroups
  private let writersOfSlot: [[NodeID]]
  private let first: Replication
  private let plants: Plants

  /// `first` are the N and W that the cluster was founded with.
  init(_ topology: Topology, first: Replication, _ plants: Plants) {
    self.topology = topology
    (replication, besideReplication) = (topology.replication, topology.besideReplication)
    self.first = first
    self.plants = plants
    let replicas = plants.shell == .wrongReplicaCount ? max(1, topology.replicaCount - 1) : topology.replicaCount
    let assignment = SlotAssignment(
      HashRing(topology.ring.map(\.ringMember)), slots: topology.slots, replicaCount: replicas)
    let beside = topology.besideAssignment
    self.assignment = assignment
    self.beside = beside
    let writes = Self.writes(topology.replication, first: first, plants)
    groups = ReplicaGroups(
      assignment, writes, beside: plants.shell == .writesToOwnersAlone ? nil : beside,
      Self.writes(topology.besideReplication, first: first, plants), bug: plants.change)
    writersOfSlot = (0..<topology.slotCount).map { number in
      let slot = UInt16(truncatingIfNeeded: number)
      let owners = assignment.replicas(of: slot)
      guard let beside else { return owners }
      return owners + beside.replicas(of: slot).filter { !owners.contains($0) }
    }
  }

  private static func writes(_ replication: Replication, first: Replication, _ plants: Plants) -> Replication {
    switch plants.shell {
    case .writesOne: Replication(count: replication.count, writeQuorum: 1)
    case .writesByTheFirstQuorum: Replication(count: replication.count, writeQuorum: first.writeQuorum)
    default: replication
    }
  }

  var epoch: UInt64 { topology.epoch }

  /// Who will hold the slots, while a change is not committed.
  var next: SlotAssignment? { topology.next == nil ? nil : beside }

  var allSlots: [UInt16] { (0..<topology.slotCount).map { UInt16(truncatingIfNeeded: $0) } }

  /// Who is read from.
  func readers(of slot: UInt16) -> [NodeID] { assignment.replicas(of: slot) }

  /// Its owners, and those that it is on its way to or comes from.
  func writers(of slot: UInt16) -> [NodeID] { writersOfSlot[Int(slot)] }

  /// How many ready replicas of a slot have to agree.
  func readQuorum(of slot: UInt16) -> Int {
    let count = readers(of: slot).count
    if plants.shell == .readsOne { return 1 }
    if plants.shell == .readsByTheFirstQuorum { return first.readers(of: count) }
    if plants.change == .readsByNextQuorum, let next = topology.nextReplication { return next.readers(of: count) }
    return replication.readers(of: count)
  }

  /// The slots that a node holds, is to hold, or held and still takes writes of, ascending.
  func slots(of node: NodeID) -> [UInt16] { allSlots.filter { writers(of: $0).contains(node) } }
}
