import NeedletailEnvironment

/// What `Membership` wants done.
package enum MembershipAction: Hashable, Sendable {
  case send(MembershipMessage, to: PeerAddress)
  /// Something about a member is other than it was, be it the node itself.
  case changed(Member)
  /// The node may not be a member, and has stopped to be one; the process should say so and end.
  case refused(MembershipRefusal)
  /// The goodbye was told: the process may end.
  case left
}
