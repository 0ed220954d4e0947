/// Which nodes a write goes to, and which of its groups each of them is a replica of.
///
/// Made from the slots of the write; `RowRouting` makes it beside the rows of each node.
package struct WriteTargets: Equatable, Sendable {
  /// The nodes that the write goes to, ascending.
  package let nodes: [NodeID]
  /// For each node, the groups that it counts for.
  let groupsOfNode: FlatLists
  /// How many replicas each group has.
  let groupSizes: [Int32]
  /// How many acknowledgements each of them needs; 0 where the write says it.
  let groupNeeds: [Int32]

  /// No nodes and no groups.
  static let none = WriteTargets()

  private init() {
    nodes = []
    groupsOfNode = FlatLists()
    groupSizes = []
    groupNeeds = []
  }

  /// The targets of a write with rows of these slots. O(slots + replicas of the groups + all nodes).
  package init(slots: some Sequence<UInt16>, in replicas: ReplicaGroups) {
    var isRouteTaken = [Bool](repeating: false, count: replicas.groupsOfRoute.count)
    var placeOfGroup = [Int32](repeating: -1, count: replicas.nodesOfGroup.count)
    var groups: [Int] = []
    for slot in slots where Int(slot) < replicas.slotCount {
      let route = Int(replicas.routeOfSlot[Int(slot)])
      if isRouteTaken[route] { continue }
      isRouteTaken[route] = true
      for place in replicas.groupsOfRoute.range(of: route) {
        let group = Int(replicas.groupsOfRoute.values[place])
        if placeOfGroup[group] >= 0 { continue }
        placeOfGroup[group] = Int32(clamping: groups.count)
        groups.append(group)
      }
    }
    var placeOfNode = [Int32](repeating: -1, count: replicas.nodes.count)
    for group in groups {
      for place in replicas.nodesOfGroup.range(of: group) { placeOfNode[Int(replicas.nodesOfGroup.values[place])] = 0 }
    }
    var nodes: [NodeID] = []
    for index in placeOfNode.indices where placeOfNode[index] == 0 {
      placeOfNode[index] = Int32(clamping: nodes.count)
      nodes.append(replicas.nodes[index])
    }
    var members = FlatLists()
    for group in groups {
      for place in replicas.nodesOfGroup.range(of: group) {
        members.add(placeOfNode[Int(replicas.nodesOfGroup.values[place])])
      }
      members.end()
    }
    self.nodes = nodes
    groupSizes = groups.map { Int32(clamping: replicas.nodesOfGroup.range(of: $0).count) }
    groupNeeds = groups.map { replicas.needsOfGroup[$0] }
    groupsOfNode = members.inverted(count: nodes.count)
  }

  /// The place of a node; nil where the write does not go to it. O(log nodes).
  func place(of node: NodeID) -> Int? {
    // Equality of short names is one comparison of two words, order is not.
    if nodes.count <= 16 { return nodes.firstIndex(of: node) }
    var low = 0
    var high = nodes.count
    while low < high {
      let middle = (low + high) / 2
      if nodes[middle] < node { low = middle + 1 } else { high = middle }
    }
    return low < nodes.count && nodes[low] == node ? low : nil
  }
}
