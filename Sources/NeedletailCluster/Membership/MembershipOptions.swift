/// How often members look for each other, and how much patience they have; times in nanoseconds.
package struct MembershipOptions: Hashable, Sendable {
  static let millisecond: Int64 = 1_000_000

  /// From one probe to the next.
  package var period = 1000 * millisecond
  /// How long a ping may take before others are asked to ping too, and before such a one says that it got no answer.
  /// Twice that and a way there and back should fit into a period.
  package var pingTimeout = 300 * millisecond
  /// How many others are asked.
  package var indirectCount = 3
  /// A suspicion lasts this many periods times the logarithm (of 2) of the number of members, if several share it.
  package var suspicionMultiplier: Int64 = 2
  /// How many times longer it lasts where nobody else shares it.
  package var suspicionMaxMultiplier: Int64 = 3
  /// How many others have to share it for the shortest time.
  package var confirmations = 2
  /// An update is passed on this many times the logarithm (of 2) of the number of members.
  package var retransmitMultiplier = 2
  /// From one comparison of views to the next.
  package var exchangeInterval = 10_000 * millisecond
  /// How many times its patience a node has that seems to be slow itself, at the most.
  package var healthMax: Int64 = 8
  /// How long a name's holder must count as dead before a node with another identity takes the name.
  package var takeOverAfter = 10_000 * millisecond
  /// After this time among others that are as new, a name counts as the node's own.
  package var settleAfter = 10_000 * millisecond
  /// The bytes of a message that passes updates on.
  package var pingBytesMax = 1400
  /// How many names are known at most; what is beyond is not taken up.
  package var membersMax = 16_384
  /// How many pings for others are under way at most.
  package var relaysMax = 128

  package init() {}
}
