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

  /// The targets of a write with rows of these slots. O(slots + all groups and nodes).
  package init(slots: some Sequence<UInt16>, in replicas: ReplicaGroups) {
    var isRouteTaken = [Bool](repeating: false, count: replicas.groupsOfRoute.count)
    for slot in slots where Int(slot) < replicas.slotCount { isRouteTaken[Int(replicas.routeOfSlot[Int(slot)])] = true }
    var isGroupTaken = [Bool](repeating: false, count: replicas.nodesOfGroup.count)
    for (route, isTaken) in isRouteTaken.enumerated() where isTaken {
      for group in replicas.groupsOfRoute[route] { isGroupTaken[Int(group)] = true }
    }
    var sizes: [Int32] = []
    var placeOfNode = [Int32](repeating: -1, count: replicas.nodes.count)
    for (group, isTaken) in isGroupTaken.enumerated() where isTaken {
      sizes.append(Int32(clamping: replicas.nodesOfGroup[group].count))
      for node in replicas.nodesOfGroup[group] { placeOfNode[Int(node)] = 0 }
    }
    var nodes: [NodeID] = []
    for index in placeOfNode.indices where placeOfNode[index] == 0 {
      placeOfNode[index] = Int32(clamping: nodes.count)
      nodes.append(replicas.nodes[index])
    }
    var members = FlatLists()
    for (group, isTaken) in isGroupTaken.enumerated() where isTaken {
      members.append(replicas.nodesOfGroup[group].lazy.map { placeOfNode[Int($0)] })
    }
    self.nodes = nodes
    groupSizes = sizes
    groupsOfNode = members.inverted(count: nodes.count)
  }

  /// The place of a node; nil where the write does not go to it. O(log nodes).
  func place(of node: NodeID) -> Int? {
    var low = 0
    var high = nodes.count
    while low < high {
      let middle = (low + high) / 2
      if nodes[middle] < node { low = middle + 1 } else { high = middle }
    }
    return low < nodes.count && nodes[low] == node ? low : nil
  }
}
