import NeedletailCluster

/// Who holds which slots by one version of the assignment, worked out once for all who ask.
struct ClusterLayout: Sendable {
  /// The version: writes and comparisons name it.
  let epoch: UInt64
  let assignment: SlotAssignment
  /// Who takes the writes beside the owners while a change is under way: those that it leads to, or, once it is
  /// committed, those who were owners; nil where there is none.
  let beside: SlotAssignment?
  /// Whether these were the owners, and not those who will be.
  let isCommitted: Bool
  /// By which N and W `assignment` is.
  let replication: Replication
  /// By which `beside` is; that of `replication` where there is none.
  let besideReplication: Replication
  /// Both, as writes need them.
  let groups: ReplicaGroups
  /// What the nodes agreed on; nil where nobody did, as in tests.
  let topology: Topology?
  /// Every slot.
  let allSlots: SlotSet
  /// Of each node those that it has to do with.
  private let slots: [NodeID: SlotSet]

  /// O(slots x replicas).
  init(epoch: UInt64, assignment: SlotAssignment, next: SlotAssignment? = nil, writeLevel: WriteLevel) {
    let count = assignment.replicaCount
    let replication = Replication(count: count, writeQuorum: writeLevel.acknowledgements(of: count))
    self.init(
      epoch: epoch, assignment: assignment, beside: next, replication: replication, besideReplication: replication,
      topology: nil)
  }

  /// The layout of a topology.
  init(_ topology: Topology) {
    self.init(
      epoch: topology.epoch, assignment: topology.assignment, beside: topology.besideAssignment,
      replication: topology.replication, besideReplication: topology.sideReplication ?? topology.replication,
      topology: topology)
  }

  private init(
    epoch: UInt64, assignment: SlotAssignment, beside: SlotAssignment?, replication: Replication,
    besideReplication: Replication, topology: Topology?
  ) {
    self.topology = topology
    self.epoch = epoch
    self.assignment = assignment
    self.beside = beside
    self.isCommitted = topology?.former != nil
    self.replication = replication
    self.besideReplication = besideReplication
    groups = ReplicaGroups(assignment, replication, beside: beside, besideReplication)
    var all = SlotSet()
    if assignment.slots.count > 0 { all.insert(0...UInt16(clamping: assignment.slots.count - 1)) }
    var slots: [NodeID: SlotSet] = [:]
    for slot in all {
      for node in assignment.replicas(of: slot) { slots[node, default: []].insert(slot) }
      for node in beside?.replicas(of: slot) ?? [] { slots[node, default: []].insert(slot) }
    }
    (allSlots, self.slots) = (all, slots)
  }

  /// The slots of all.
  var slotCount: Int { assignment.slots.count }

  /// Where a change under way leads to; nil where there is none, or it is committed.
  var next: SlotAssignment? { isCommitted ? nil : beside }

  /// Who reads a slot: its owners, and neither those that it is on its way to nor those that it comes from.
  func readers(of slot: UInt16) -> [NodeID] { assignment.replicas(of: slot) }

  /// Who takes the writes of a slot: its owners and those that it is on its way to, or comes from.
  func writers(of slot: UInt16) -> [NodeID] {
    let owners = assignment.replicas(of: slot)
    guard let beside else { return owners }
    return owners + beside.replicas(of: slot).filter { !owners.contains($0) }
  }

  /// How many ready replicas of a slot have to agree, so that every acknowledged write is among what they have.
  func readQuorum(of slot: UInt16) -> Int {
    replication.readers(of: readers(of: slot).count)
  }

  /// The slots that a node holds, is to hold, or held and still takes writes of.
  func slots(of node: NodeID) -> SlotSet { slots[node] ?? [] }
}
