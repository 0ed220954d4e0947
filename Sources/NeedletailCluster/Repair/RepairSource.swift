/// What `AntiEntropy` sees of its own node at the moment that it is called.
package protocol RepairSource {
  var identity: NodeIdentity { get }
  /// The first window that has not expired.
  var firstWindow: Int64 { get }
  /// What the node has of a slot, expired windows left out; nil where it is no replica of it.
  func tree(of slot: UInt16) -> MerkleTree?
  /// That of the newest assignment of the slot that the node knows, on disk: a new disk, or damage, of any of its
  /// replicas makes a new one.
  func epoch(of slot: UInt16) -> UInt64
  /// Whether the node may vote on these windows (`ReplicaReadiness`).
  func isReady(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> Bool
  /// `ReplicaReadiness.fill(of:)`.
  func fill(of slot: UInt16) -> UInt64
  /// Whether it makes sense to ask the node now.
  func isAvailable(_ node: NodeID) -> Bool
}
