/// Slots that lie on the same replicas, all of them ready or not alike: what a read decides on at once.
package struct SlotGroup: Equatable, Sendable {
  package let slots: SlotSet
  /// Ascending; 64 at the most.
  package let replicas: [NodeID]
  /// Those of the replicas that are ready for what is read, as far as the reader knows; ascending. Each tells in its
  /// answer what it is by then, and that counts.
  package let ready: [NodeID]

  package init(slots: SlotSet, replicas: [NodeID], ready: [NodeID]) {
    self.slots = slots
    self.replicas = Array(Set(replicas).sorted().prefix(ReplicaSet.countMax))
    self.ready = Set(ready).intersection(self.replicas).sorted()
  }

  /// Groups of at most `slotsMax` slots each, in the order of their replicas.
  ///
  /// O(slots x replicas), and as long as a read: they are to be kept until an assignment or readiness changes.
  ///
  /// A reduction (`QuorumRead.Form.reduced`) is made for each group, and read anew where replicas differ in one slot
  /// of it: smaller groups make that cheaper, larger ones the reductions. One node is asked for at most
  /// `ReadMessage.groupsMax`.
  package static func groups(
    of slots: SlotSet, slotsMax: Int = .max, replicas: (UInt16) -> [NodeID], isReady: (UInt16, NodeID) -> Bool
  ) -> [SlotGroup] {
    var found: [[[NodeID]]: [SlotSet]] = [:]
    for slot in slots {
      let nodes = Set(replicas(slot)).sorted()
      let key = [nodes, nodes.filter { isReady(slot, $0) }]
      var sets = found.removeValue(forKey: key) ?? []
      if sets.last.map({ $0.count >= slotsMax }) ?? true { sets.append([]) }
      sets[sets.count - 1].insert(slot)
      found[key] = sets
    }
    return found.sorted { left, right in
      left.key[0] != right.key[0]
        ? left.key[0].lexicographicallyPrecedes(right.key[0]) : left.key[1].lexicographicallyPrecedes(right.key[1])
    }.flatMap { key, sets in sets.map { SlotGroup(slots: $0, replicas: key[0], ready: key[1]) } }
  }
}
