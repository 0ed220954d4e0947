/// Which rows of a batch go to which nodes, in flat arrays that are used again for the next batch.
///
/// O(rows x replicas + nodes) for batches that are not tiny.
package struct RowRouting: Sendable {
  /// Rows of each slot of the batch; all zero between two batches.
  private var rowsOfSlot: [Int32] = []
  private var touched: [UInt16] = []
  private var rows: [UInt32] = []
  private var starts: [Int] = [0]
  private var next: [Int] = []
  /// Rows whose slot the assignment does not have: they go nowhere, and a batch that has some is not to be written.
  package private(set) var strayRows = 0

  package init() {}

  /// The slots that occur in the batch, ascending.
  package var slots: [UInt16] { touched }

  /// Routes a batch whose rows are of these slots. What was routed before is forgotten.
  package mutating func route(_ slotOfRow: [UInt16], over replicas: ReplicaGroups) {
    countRows(slotOfRow, slotCount: replicas.slotCount)
    starts.removeAll(keepingCapacity: true)
    starts.append(contentsOf: repeatElement(0, count: replicas.nodes.count + 1))
    for slot in touched {
      let count = Int(rowsOfSlot[Int(slot)])
      rowsOfSlot[Int(slot)] = 0
      for place in replicas.nodesOfRoute.range(of: Int(replicas.routeOfSlot[Int(slot)])) {
        starts[Int(replicas.nodesOfRoute.values[place]) + 1] += count
      }
    }
    for node in replicas.nodes.indices { starts[node + 1] += starts[node] }
    next.removeAll(keepingCapacity: true)
    next.append(contentsOf: starts)
    // What is left of the last batch is written over, or lies behind the end.
    let total = starts.last ?? 0
    if rows.count < total { rows.append(contentsOf: repeatElement(0, count: total - rows.count)) }
    Self.fill(&rows, from: &next, slotOfRow, replicas)
  }

  /// Writes each row's number where its nodes have their next one.
  ///
  /// Without checks of bounds, because it is done for each row and replica: a slot is looked up only below `slotCount`, which is how many
  /// routes there are; a route names nodes below `nodes.count`; and as many rows go to a node as were counted for it from the
  /// same slots, so that no place lies beyond the node's.
  private static func fill(
    _ rows: inout [UInt32], from next: inout [Int], _ slotOfRow: [UInt16], _ replicas: ReplicaGroups
  ) {
    let slotCount = replicas.slotCount
    rows.withUnsafeMutableBufferPointer { rows in
      next.withUnsafeMutableBufferPointer { next in
        replicas.routeOfSlot.withUnsafeBufferPointer { routes in
          replicas.nodesOfRoute.starts.withUnsafeBufferPointer { starts in
            replicas.nodesOfRoute.values.withUnsafeBufferPointer { nodes in
              for (row, slot) in slotOfRow.enumerated() where Int(slot) < slotCount {
                let route = Int(routes[Int(slot)])
                for place in Int(starts[route])..<Int(starts[route + 1]) {
                  let node = Int(nodes[place])
                  rows[next[node]] = UInt32(truncatingIfNeeded: row)
                  next[node] += 1
                }
              }
            }
          }
        }
      }
    }
  }

  private mutating func countRows(_ slotOfRow: [UInt16], slotCount: Int) {
    if rowsOfSlot.count < slotCount {
      rowsOfSlot.append(contentsOf: repeatElement(0, count: slotCount - rowsOfSlot.count))
    }
    touched.removeAll(keepingCapacity: true)
    // Counting alone: what the slots are is read off afterwards, which costs less than a sort where they are many.
    var stray = 0
    rowsOfSlot.withUnsafeMutableBufferPointer { counts in
      for slot in slotOfRow {
        if Int(slot) < slotCount { counts[Int(slot)] += 1 } else { stray += 1 }
      }
    }
    strayRows = stray
    if slotOfRow.count >= slotCount / 16 {
      for slot in 0..<slotCount where rowsOfSlot[slot] > 0 { touched.append(UInt16(truncatingIfNeeded: slot)) }
    } else {
      for slot in Set(slotOfRow).sorted() where Int(slot) < slotCount { touched.append(slot) }
    }
  }

  /// The rows of the last batch that go to a node of the groups' `nodes`, ascending; none for a node that is not there.
  package func rows(ofNode index: Int) -> ArraySlice<UInt32> {
    index >= 0 && index + 1 < starts.count ? rows[starts[index]..<starts[index + 1]] : []
  }

  /// The slots of the last batch of which a node holds a replica, ascending; `replicas` must be what it was routed over.
  package func slots(ofNode index: Int, in replicas: ReplicaGroups) -> [UInt16] {
    touched.filter { slot in
      Int(slot) < replicas.slotCount
        && replicas.nodesOfRoute[Int(replicas.routeOfSlot[Int(slot)])].contains(Int32(clamping: index))
    }
  }

  /// For each of the groups' `nodes`: the slots of the last batch of which it holds a replica, ascending.
  ///
  /// `replicas` must be what it was routed over. O(slots of the batch x replicas + nodes).
  package func slotsOfNodes(in replicas: ReplicaGroups) -> [[UInt16]] {
    var slots = [[UInt16]](repeating: [], count: replicas.nodes.count)
    for slot in touched where Int(slot) < replicas.slotCount {
      for place in replicas.nodesOfRoute.range(of: Int(replicas.routeOfSlot[Int(slot)])) {
        slots[Int(replicas.nodesOfRoute.values[place])].append(slot)
      }
    }
    return slots
  }

  /// Where the last batch goes; `replicas` must be what it was routed over.
  package func targets(in replicas: ReplicaGroups) -> WriteTargets { WriteTargets(slots: touched, in: replicas) }
}
