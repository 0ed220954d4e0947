/// How much patience `TopologyRegister` has; times in nanoseconds.
package struct TopologyOptions: Equatable, Sendable {
  private static let millisecond: Int64 = 1_000_000

  /// How long one attempt to have something decided may take before the next begins.
  package var attemptTimeout = 3000 * millisecond
  /// After how long who has not answered is asked again.
  package var resendInterval = 700 * millisecond
  /// The pause before the next attempt.
  package var backoff = Backoff(base: 300 * millisecond, cap: 5000 * millisecond)
  /// From one comparison of epochs with some node to the next.
  package var helloInterval = 5000 * millisecond
  /// How long a node that knows more may take to tell it before the next is asked.
  package var fetchTimeout = 1000 * millisecond
  /// After how long a node ends what another one began and did not end.
  package var recoverAfter = 10_000 * millisecond
  /// How many nodes that know more are kept.
  package var sourcesMax = 8

  package init() {}
}
