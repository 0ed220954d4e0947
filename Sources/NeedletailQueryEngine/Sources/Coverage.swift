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
  /// What could not be read, each with its place; no more than ``failuresMax`` are told.
  package private(set) var failures: [String] = []

  /// How many failures an answer tells.
  package static let failuresMax = 3

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

  /// Incomplete where there is any failure: what could not be read, with its place.
  package init(failures: [String]) {
    self = .complete
    guard !failures.isEmpty else { return }
    slotsAnswered = 0
    self.failures = Array(failures.prefix(Self.failuresMax))
  }

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
    for failure in other.failures where failures.count < Self.failuresMax && !failures.contains(failure) {
      failures.append(failure)
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
