/// What `AntiEntropy` sees of its own node at the moment that it is called.
package protocol RepairSource {
  var identity: NodeIdentity { get }
  /// The first window that has not expired.
  var firstWindow: Int64 { get }
  /// The last window that rounds compare: later ones are still being written to, and would differ each time for what is
  /// on its way. What is asked for out of turn is compared whole.
  var lastWindow: Int64 { get }
  /// Whether the node is a replica of the slot.
  func holds(_ slot: UInt16) -> Bool
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
