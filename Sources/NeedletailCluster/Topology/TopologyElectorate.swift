/// Those who decide on the next topology, and how many of them it takes.
package struct TopologyElectorate: Equatable, Sendable {
  /// Sorted.
  package let voters: [TopologyVoter]
  /// Whose word counts where they are an even number and half of them agree: who has been there for longest.
  let chair: TopologyVoter?

  init(_ voters: [TopologyVoter], chair: TopologyVoter? = nil) {
    self.voters = voters.sorted()
    self.chair = chair ?? self.voters.first
  }

  /// Whether these are enough: any two sets that are have somebody in common.
  ///
  /// More than half have somebody in common with as many or with half; two halves have the chair.
  func decides(_ agreeing: Set<TopologyVoter>, bug: PlantedTopologyBug? = nil) -> Bool {
    let count = voters.count { agreeing.contains($0) }
    guard 2 * count == voters.count else { return 2 * count > voters.count }
    return bug == .halfIsEnough || chair.map { agreeing.contains($0) } ?? false
  }
}
