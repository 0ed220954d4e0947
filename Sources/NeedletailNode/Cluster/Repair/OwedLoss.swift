import NeedletailCluster

/// A loss that is noted on the node's own disk, and of which the topology does not say yet that it was.
///
/// As long as it is owed nothing that is compared counts: others may still take writes that name what is gone.
struct OwedLoss: Equatable, Sendable {
  /// That of the newest topology that the node knew when it noted the loss.
  var epoch: UInt64
  /// How many losses of the node that topology knew of, or more where others were owed before.
  var losses: UInt32

  /// Whether the layout was made with the loss in mind; where nobody agreed on a layout, any newer one was.
  func isKnown(in layout: ClusterLayout, own: NodeID, identity: NodeIdentity) -> Bool {
    guard let topology = layout.topology else { return layout.epoch > epoch }
    guard let member = topology.member(own), member.identity == identity else { return false }
    return member.joined > epoch || member.losses > losses
  }
}
