/// How an attempt to bring a write to a replica failed: what the shell found, or what a `WriteMessage` refuses with.
package enum ReplicaFailure: Equatable, Sendable {
  /// There was no way to the node.
  case unreachable
  /// No answer came in time; the write may be stored or not.
  case timedOut
  /// The node asks to come again after so many milliseconds, or has no opinion (0).
  case overloaded(retryAfterMilliseconds: Int)
  /// The node will never take this write, such as rows that are older than what it keeps.
  case refused
  /// The node does not know a series and wants the definitions.
  case unknownSeries
  /// The node does not hold a slot of the write, or knows a newer assignment: the sender's is not the node's.
  case notReplica

  /// Whether it says that the node is not to be reached, and not only that it did not take this write now.
  var isSilence: Bool {
    switch self {
    case .unreachable, .timedOut: true
    default: false
    }
  }
}
