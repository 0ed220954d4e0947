/// What an operator asked of the membership and cannot be done.
package enum MembershipError: Error, Hashable, Sendable, CustomStringConvertible {
  case unknown(NodeID)
  /// A node that should go by itself leaves.
  case isThisNode(NodeID)

  package var description: String {
    switch self {
    case .unknown(let node): "no node called \(node) is known"
    case .isThisNode(let node): "\(node) is this node itself: ask another one to remove it, or let it leave"
    }
  }
}
