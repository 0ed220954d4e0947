import NeedletailTelemetry

/// How much of what was asked for an answer covers.
///
/// On one node it is complete; over a cluster it says which share of the slots answered and how many replicas agreed.
package struct Coverage: Sendable, Hashable {
  /// How many slots the question concerned.
  package var slotsAsked: Int
  /// How many of them answered.
  package var slotsAnswered: Int
  /// The smallest number of replicas that agreed on any slot.
  package var replicasAgreed: Int
  /// How many replicas a slot has.
  package var replicasAsked: Int
  /// The part of the asked time that is covered; nil for all of it.
  package var window: TimeRange?

  /// A coverage with the given counts.
  package init(
    slotsAsked: Int, slotsAnswered: Int, replicasAgreed: Int, replicasAsked: Int, window: TimeRange? = nil
  ) {
    self.slotsAsked = slotsAsked
    self.slotsAnswered = slotsAnswered
    self.replicasAgreed = replicasAgreed
    self.replicasAsked = replicasAsked
    self.window = window
  }

  /// Everything, from the one copy that there is.
  package static let complete = Coverage(slotsAsked: 1, slotsAnswered: 1, replicasAgreed: 1, replicasAsked: 1)

  /// Whether nothing is missing.
  package var isComplete: Bool { slotsAnswered >= slotsAsked && window == nil }

  /// The share of slots that answered, 0...1.
  package var share: Double { slotsAsked <= 0 ? 1 : Double(slotsAnswered) / Double(slotsAsked) }

  /// Combines with the coverage of another selection of the same query: the worse of both.
  package mutating func merge(_ other: Coverage) {
    if other.share < share {
      slotsAsked = other.slotsAsked
      slotsAnswered = other.slotsAnswered
    }
    replicasAgreed = min(replicasAgreed, other.replicasAgreed)
    replicasAsked = max(replicasAsked, other.replicasAsked)
    guard let theirs = other.window else { return }
    guard let ours = window else {
      window = theirs
      return
    }
    window =
      TimeRange(
        startMilliseconds: max(ours.startMilliseconds, theirs.startMilliseconds),
        endMilliseconds: min(ours.endMilliseconds, theirs.endMilliseconds)) ?? theirs
  }
}
