/// A node as `ReplicatedWrites` sees it.
struct WritePeer: Sendable {
  let node: NodeID
  var breaker: CircuitBreaker
  var isDown = false
  var isRemoved = false
  /// Writes that wait for its answer, and their payload.
  var queuedWrites = 0
  var queuedBytes = 0
  /// Writes under way that go to it, answered or not.
  var writes = 0

  /// Whether it may be asked for one more write, but for its queue.
  func isAskable(at now: Int64) -> Bool { !isDown && !isRemoved && breaker.wouldAdmit(at: now) }

  func hasRoom(for bytes: Int, _ limits: WriteLimits) -> Bool {
    queuedWrites == 0 || queuedWrites < limits.peerWritesMax && bytes <= limits.peerBytesMax - queuedBytes
  }
}
