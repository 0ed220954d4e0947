import NeedletailCluster
import NeedletailTelemetry

/// A batch as its replicas get it: each node the rows of the slots that it holds.
///
/// Nodes with the same rows share one part, and where a node gets all rows, its part is the batch itself, without a copy: so it is
/// where there are as many nodes as replicas.
package struct ReplicaParts: Sendable {
  /// What one or more nodes get.
  package struct Part: Sendable {
    /// The slots of the rows, ascending.
    package let slots: [UInt16]
    package let content: WriteContent
  }

  package let parts: [Part]
  package let targets: WriteTargets
  /// The nodes that get rows, ascending, each with the number of its part.
  private let partOfNode: [(node: NodeID, part: Int)]

  /// The parts of a batch under an assignment; nil where it has no rows, or rows of slots that the assignment does not have.
  ///
  /// O(rows x replicas + slots of the batch x replicas + nodes).
  package init?(_ content: WriteContent, slots map: SlotMap, over replicas: ReplicaGroups) {
    var routing = RowRouting()
    let slotOfRow = content.slots(map)
    routing.route(slotOfRow, over: replicas)
    guard !slotOfRow.isEmpty, routing.strayRows == 0 else { return nil }
    var parts: [Part] = []
    var partOfNode: [(node: NodeID, part: Int)] = []
    for (index, slots) in routing.slotsOfNodes(in: replicas).enumerated() where !slots.isEmpty {
      let node = replicas.nodes[index]
      // Nodes with the same slots have the same rows.
      if let known = parts.firstIndex(where: { $0.slots == slots }) {
        partOfNode.append((node, known))
        continue
      }
      let rows = routing.rows(ofNode: index)
      guard let part = rows.count == slotOfRow.count ? content : content.selecting(rows) else { return nil }
      partOfNode.append((node, parts.count))
      parts.append(Part(slots: slots, content: part))
    }
    self.parts = parts
    self.partOfNode = partOfNode
    targets = routing.targets(in: replicas)
  }

  /// A batch without rows, which goes where rows of these slots would, which ascend.
  package init(_ content: WriteContent, asOf slots: [UInt16], over replicas: ReplicaGroups) {
    var routing = RowRouting()
    routing.route(slots, over: replicas)
    var parts: [Part] = []
    var partOfNode: [(node: NodeID, part: Int)] = []
    for (index, own) in routing.slotsOfNodes(in: replicas).enumerated() where !own.isEmpty {
      let known = parts.firstIndex { $0.slots == own }
      partOfNode.append((replicas.nodes[index], known ?? parts.count))
      if known == nil { parts.append(Part(slots: own, content: content)) }
    }
    self.parts = parts
    self.partOfNode = partOfNode
    targets = routing.targets(in: replicas)
  }

  /// What a node gets; nil for one that gets nothing. O(log nodes).
  package func part(of node: NodeID) -> Part? {
    var (low, high) = (0, partOfNode.count)
    while low < high {
      let middle = (low + high) / 2
      if partOfNode[middle].node < node { low = middle + 1 } else { high = middle }
    }
    guard low < partOfNode.count, partOfNode[low].node == node else { return nil }
    return parts[partOfNode[low].part]
  }

  /// Bytes of the frames of all parts.
  package var byteCount: Int { parts.reduce(0) { $0 + $1.content.frame.bytes.count } }
}
