import NeedletailCluster
import NeedletailEnvironment

/// The groups of slots that reads decide on, kept until who holds what, or what this node is ready for, changes.
final class ReadGroups: Sendable {
  private struct Entry {
    var epoch: UInt64
    var unready: SlotSet
    var groups: [SlotGroup]
  }

  private let last = Lock<Entry?>(nil)

  /// The groups of all slots; of those in `unready` the node itself has no vote. What others are, they tell.
  func groups(_ layout: ClusterLayout, own: NodeID, unready: SlotSet) -> [SlotGroup] {
    let known = last.withLock { last in
      last.flatMap { $0.epoch == layout.epoch && $0.unready == unready ? $0.groups : nil }
    }
    if let known { return known }
    let groups = SlotGroup.groups(
      of: layout.allSlots, replicas: { layout.readers(of: $0) },
      isReady: { slot, node in node != own || !unready.contains(slot) })
    last.withLock { $0 = Entry(epoch: layout.epoch, unready: unready, groups: groups) }
    return groups
  }
}

extension ClusterLayout {
  /// How many ready replicas have to agree, of the slot that needs the most.
  func readQuorum(of groups: [SlotGroup]) -> Int {
    groups.compactMap { group in group.slots.first { _ in true }.map { readQuorum(of: $0) } }.max() ?? 1
  }
}
