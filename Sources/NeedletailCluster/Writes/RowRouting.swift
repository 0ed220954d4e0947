/// Which rows of a batch go to which nodes, in flat arrays that are used again for the next batch.
///
/// O(rows x replicas + nodes), and a sort of the slots that occur.
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
      for node in replicas.nodesOfRoute[Int(replicas.routeOfSlot[Int(slot)])] { starts[Int(node) + 1] += count }
    }
    for node in replicas.nodes.indices { starts[node + 1] += starts[node] }
    next.removeAll(keepingCapacity: true)
    next.append(contentsOf: starts)
    rows.removeAll(keepingCapacity: true)
    rows.append(contentsOf: repeatElement(0, count: starts.last ?? 0))
    for (row, slot) in slotOfRow.enumerated() where Int(slot) < replicas.slotCount {
      for node in replicas.nodesOfRoute[Int(replicas.routeOfSlot[Int(slot)])] {
        rows[next[Int(node)]] = UInt32(truncatingIfNeeded: row)
        next[Int(node)] += 1
      }
    }
  }

  private mutating func countRows(_ slotOfRow: [UInt16], slotCount: Int) {
    if rowsOfSlot.count < slotCount {
      rowsOfSlot.append(contentsOf: repeatElement(0, count: slotCount - rowsOfSlot.count))
    }
    touched.removeAll(keepingCapacity: true)
    strayRows = 0
    for slot in slotOfRow {
      guard Int(slot) < slotCount else {
        strayRows += 1
        continue
      }
      if rowsOfSlot[Int(slot)] == 0 { touched.append(slot) }
      rowsOfSlot[Int(slot)] += 1
    }
    touched.sort()
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

  /// Where the last batch goes; `replicas` must be what it was routed over.
  package func targets(in replicas: ReplicaGroups) -> WriteTargets { WriteTargets(slots: touched, in: replicas) }
}
