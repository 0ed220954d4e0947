/// The replicas of all slots, as writes need them: which sets of replicas there are, and whose rows go to which nodes.
///
/// Computed once for an assignment. Slots with the same replicas are one *group*, which counts its acknowledgements once for all of
/// them: a node gets one message with all rows that it holds, and has all of it or nothing. While members change, a slot is
/// of two groups, its old and its new owners, and each of them needs the W by which it holds the slot.
package struct ReplicaGroups: Sendable {
  /// All nodes of the assignments, ascending; the rest speaks of them by their place here.
  package let nodes: [NodeID]
  package let slotCount: Int
  /// The nodes of each group, ascending.
  let nodesOfGroup: FlatLists
  /// How many of its nodes have to acknowledge, for each group; 0 where the write says it (`WriteLevel`).
  let needsOfGroup: [Int32]
  /// What the rows of a slot need, slots that need the same having the same route: its groups, and their nodes.
  let routeOfSlot: [Int32]
  let groupsOfRoute: FlatLists
  let nodesOfRoute: FlatLists

  /// The groups of an assignment, or of two of them while the one gives way to the other. O(slots x replicas).
  package init(_ assignment: SlotAssignment, next: SlotAssignment? = nil) {
    self.init(assignment, next: next, unitesOwners: false)
  }

  /// The groups of a topology, which say how many have to acknowledge: those who hold the slots, and while a change is
  /// under way those who take the writes beside them, each by their own N and W.
  package init(
    _ assignment: SlotAssignment, _ replication: Replication, beside: SlotAssignment?, _ besideReplication: Replication?
  ) {
    self.init(assignment, replication, beside: beside, besideReplication, bug: nil)
  }

  init(
    _ assignment: SlotAssignment, _ replication: Replication, beside: SlotAssignment?,
    _ besideReplication: Replication?,
    bug: PlantedChangeBug?
  ) {
    let other = bug == .writesByOneQuorum ? replication : besideReplication ?? replication
    self.init(assignment, next: beside, unitesOwners: false, needs: [replication, other], bug)
  }

  /// `unitesOwners` is wrong: tests ask for it to see that they would notice.
  init(_ assignment: SlotAssignment, next: SlotAssignment?, unitesOwners: Bool) {
    self.init(assignment, next: next, unitesOwners: unitesOwners, needs: [], nil)
  }

  /// `needs` are the N and W of both; empty where writes say how many have to acknowledge.
  private init(
    _ assignment: SlotAssignment, next: SlotAssignment?, unitesOwners: Bool, needs: [Replication],
    _ bug: PlantedChangeBug?
  ) {
    var table = Table(assignment, next)
    slotCount = max(assignment.slots.count, next?.slots.count ?? 0)
    var routes: [Int32] = []
    routes.reserveCapacity(slotCount)
    for number in 0..<slotCount {
      let slot = UInt16(truncatingIfNeeded: number)
      var sets = [table.indices(of: assignment.replicas(of: slot))]
      if let next { sets.append(table.indices(of: next.replicas(of: slot))) }
      if unitesOwners { sets = [Set(sets.flatMap { $0 }).sorted()] }
      routes.append(table.route(through: sets))
      for (set, replication) in zip(sets, needs) {
        table.need(replication.acknowledgements(of: set.count), of: set, isFirstOnly: bug == .writesByFirstQuorum)
      }
    }
    routeOfSlot = routes
    nodes = table.nodes
    nodesOfGroup = table.groups
    needsOfGroup = table.needs
    groupsOfRoute = table.routes
    nodesOfRoute = table.routeNodes
  }

  /// What numbers groups and routes in the order in which slots first need them.
  private struct Table {
    let nodes: [NodeID]
    private let indexOf: [NodeID: Int32]
    private(set) var groups = FlatLists()
    private(set) var needs: [Int32] = []
    private var groupOf: [[Int32]: Int32] = [:]
    private(set) var routes = FlatLists()
    private(set) var routeNodes = FlatLists()
    private var routeOf: [[Int32]: Int32] = [:]

    init(_ assignment: SlotAssignment, _ next: SlotAssignment?) {
      var seen: Set<NodeID> = []
      for one in [assignment, next ?? assignment] {
        for slot in 0..<one.slots.count { seen.formUnion(one.replicas(of: UInt16(truncatingIfNeeded: slot))) }
      }
      let sorted = seen.sorted()
      nodes = sorted
      indexOf = Dictionary(uniqueKeysWithValues: zip(sorted, Int32(0)...))
    }

    func indices(of replicas: [NodeID]) -> [Int32] { replicas.compactMap { indexOf[$0] }.sorted() }

    mutating func route(through sets: [[Int32]]) -> Int32 {
      var key: [Int32] = []
      for set in sets {
        let group = group(of: set)
        if !key.contains(group) { key.append(group) }
      }
      key.sort()
      if let known = routeOf[key] { return known }
      routeOf[key] = Int32(clamping: routes.count)
      routes.append(key)
      routeNodes.append(Set(sets.flatMap { $0 }).sorted())
      return Int32(clamping: routes.count - 1)
    }

    /// Where the same nodes are both groups of a slot, or of several, the greater number serves all.
    mutating func need(_ count: Int, of set: [Int32], isFirstOnly: Bool) {
      let group = Int(group(of: set))
      guard !isFirstOnly || needs[group] == 0 else { return }
      needs[group] = max(needs[group], Int32(clamping: count))
    }

    private mutating func group(of set: [Int32]) -> Int32 {
      if let known = groupOf[set] { return known }
      groupOf[set] = Int32(clamping: groups.count)
      groups.append(set)
      needs.append(0)
      return Int32(clamping: groups.count - 1)
    }
  }
}
