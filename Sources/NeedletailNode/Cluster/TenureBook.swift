import NeedletailCluster
import NeedletailEnvironment

/// Since when this node holds its slots, worked out once for each topology.
final class TenureBook: Sendable {
  private let node: NodeID
  private let identity: NodeIdentity
  private let view: ClusterView
  private let known = Lock<(epoch: UInt64, tenures: SlotTenures)?>(nil)

  init(of node: NodeID, identity: NodeIdentity, in view: ClusterView) {
    self.node = node
    self.identity = identity
    self.view = view
  }

  /// As `SlotTenures.since`, for the topology that is known now.
  func since(_ slot: UInt16, record: UInt64?, settled: UInt64) -> UInt64? {
    tenures?.since(slot, record: record, settled: settled)
  }

  /// As `SlotTenures.isFromTheStart`.
  func isFromTheStart(_ slot: UInt16) -> Bool { tenures?.isFromTheStart(slot) ?? false }

  private var tenures: SlotTenures? {
    guard let topology = view.layout?.topology else { return nil }
    return known.withLock { known in
      if let known, known.epoch == topology.epoch { return known.tenures }
      let tenures = SlotTenures(of: node, identity: identity, in: topology)
      known = (topology.epoch, tenures)
      return tenures
    }
  }
}
