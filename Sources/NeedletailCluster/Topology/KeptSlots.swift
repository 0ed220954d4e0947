// What a replica that stays has to do before a change is committed after which fewer agree on a read: docs/cluster.md,
// "A change of N and W".

import NeedletailTelemetry

/// The slots that a node keeps in the change under way, and of which it has yet to have all that was acknowledged.
///
/// What a replica did not acknowledge it need not have; the others that agree on a read had it. Where fewer of them will
/// be asked, it has to be compared with so many others that one of them had each write. A node that is told to begin
/// anew, because it was started or because of another change, forgets what it compared: that costs a comparison.
package struct KeptSlots: Sendable {
  private struct Entry {
    var others: [NodeID]
    var needed: Int
    /// What was compared in a fill with a smaller number began before the change.
    var fill: UInt64
    var compared: Set<NodeID> = []
  }

  private let node: NodeID
  /// The epoch with which the change began.
  private var change: UInt64 = 0
  private var entries: [UInt16: Entry] = [:]
  var bug: PlantedChangeBug?

  package init(of node: NodeID) { self.node = node }

  /// The node has this topology on disk, and its readiness follows from it: `fill` is `ReplicaReadiness.fill(of:)`.
  ///
  /// `ring` and `next` are the topology's assignments. O(slots x replicas).
  package mutating func adopt(
    _ topology: Topology, ring: SlotAssignment, next: SlotAssignment?, fill: (UInt16) -> UInt64
  ) {
    guard topology.next != nil, let next else {
      (change, entries) = (0, [:])
      return
    }
    if change != topology.besideSince { (change, entries) = (topology.besideSince, [:]) }
    let kept = topology.keptSlots(of: node, in: ring, next: next)
    for slot in entries.keys where !kept.contains(slot) { entries[slot] = nil }
    for slot in kept where entries[slot] == nil {
      let (replicas, quorum) = topology.filling(node, from: ring.replicas(of: slot), hasLostNothing: true)
      let others = replicas.filter { $0 != node }
      let tooFew = bug == .keepsWithOneTooFew ? 1 : 0
      entries[slot] = Entry(
        others: others, needed: others.count + 2 - quorum - tooFew, fill: bug == .keepsWithEarlier ? 0 : fill(slot))
    }
  }

  /// Another replica was compared to the end. Returns whether the node has all of the slot with that, for the first time.
  package mutating func compared(_ comparison: ReplicaReadiness.Comparison) -> Bool {
    guard var entry = entries[comparison.slot], entry.compared.count < entry.needed,
      comparison.fill >= entry.fill, comparison.wasReady || bug == .keepsWithUnready,
      entry.others.contains(comparison.node), comparison.windows == .min ... .max
    else { return false }
    entry.compared.insert(comparison.node)
    entries[comparison.slot] = entry
    return entry.compared.count >= entry.needed
  }

  /// The slots that have yet to be compared.
  package var left: SlotSet { SlotSet(entries.filter { $0.value.compared.count < $0.value.needed }.keys.sorted()) }

  /// With whom a slot has yet to be compared, over all windows, by name; more of them than are needed.
  package func awaited(_ slot: UInt16) -> [NodeID] {
    guard let entry = entries[slot], entry.compared.count < entry.needed else { return [] }
    return entry.others.filter { !entry.compared.contains($0) }.sorted()
  }
}
