// Since when a node holds its slots. A record of readiness lies on the node's own disk and tells since which epoch it
// counts (rule 1 of docs/cluster.md); a node that slept cannot tell by itself whether it held the slot all the while.

import NeedletailTelemetry

/// The slots that a node holds, in the ring or in the one that is to come, each with the epoch since which it has held
/// it without interruption, on the disk that it has now.
package struct SlotTenures: Sendable {
  private struct Tenure {
    var since: UInt64
    /// Whether the node did not hold the slot before; otherwise it may have, and what is known does not reach back.
    var isWhole: Bool
  }

  /// Nil where the node holds no slots.
  private let member: TopologyMember?
  private let epoch: UInt64
  private var tenures: [UInt16: Tenure] = [:]

  /// None where the node holds no slots, or another disk is named for it.
  ///
  /// O((1 + past rings that had the node) x slots x nodes x replicas).
  package init(of node: NodeID, identity: NodeIdentity, in topology: Topology) {
    epoch = topology.epoch
    member = topology.member(node).flatMap { $0.identity == identity ? $0 : nil }
    guard let member else { return }
    add(topology.assignment, topology.ringSince...epoch)
    if let beside = topology.besideAssignment { add(beside, topology.besideSince...epoch) }
    // From the latest to the earliest by their last epoch: what reaches to now only grows.
    for past in topology.history.reversed() where past.epochs.upperBound >= member.joined {
      guard past.members.contains(where: { $0.node == node }) else { continue }
      add(topology.assignment(of: past.members, replicaCount: past.replicaCount), past.epochs)
    }
    for (slot, tenure) in tenures {
      if tenure.since <= member.joined {
        tenures[slot]?.since = member.joined
      } else {
        tenures[slot]?.isWhole = tenure.since > topology.horizon || tenure.since == 1
      }
    }
  }

  /// Takes in that nodes held their slots in these epochs.
  private mutating func add(_ assignment: SlotAssignment, _ epochs: ClosedRange<UInt64>) {
    guard let member else { return }
    for slot in assignment.slots(of: member.node) {
      if let since = tenures[slot]?.since {
        if epochs.upperBound >= since - 1 { tenures[slot]?.since = min(since, epochs.lowerBound) }
      } else if epochs.upperBound == epoch {
        tenures[slot] = Tenure(since: epochs.lowerBound, isWhole: true)
      }
    }
  }

  /// The slots, ascending.
  package var slots: [UInt16] { tenures.keys.sorted() }

  /// The number for `ReplicaReadiness.assigned(since:)`: that of the record where it still counts, else another one.
  ///
  /// `settled` is the newest epoch to which all records on the disk were brought: to be written after them. Nil where
  /// the node does not hold the slot.
  package func since(_ slot: UInt16, record: UInt64?, settled: UInt64) -> UInt64? {
    guard let member, let tenure = tenures[slot] else { return nil }
    guard let record, record <= epoch else { return tenure.since }
    if record >= tenure.since { return record }
    // It held the slot in the epoch that it was settled for, and from the first that is known on without a gap.
    let isJoined = record >= member.joined && record <= settled && settled >= tenure.since - 1
    return !tenure.isWhole && isJoined ? record : tenure.since
  }

  /// Whether nothing can have been acknowledged of the slot before the node held it: it then is ready without a record.
  ///
  /// So it is for those who founded the cluster, with the disk that they had then, as long as nothing on it was lost.
  package func isFromTheStart(_ slot: UInt16) -> Bool {
    guard let member, let tenure = tenures[slot] else { return false }
    return tenure.since == 1 && member.joined == 1 && member.losses == 0
  }
}
