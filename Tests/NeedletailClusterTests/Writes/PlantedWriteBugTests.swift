import Testing

@testable import NeedletailCluster

@Suite("The tests of writes and hints test themselves") struct PlantedWriteBugTests {
  /// The first seed by which a trial or the simulation notices, and which of them did.
  private func caught(_ bug: PlantedWriteBug) -> [String] {
    let checks: [(name: String, violates: (UInt64) -> Bool)] = [
      ("breaker", { !BreakerTrial.run(seed: $0, planted: bug).isEmpty }),
      ("hints", { !HintTrial.run(seed: $0, planted: bug).violations.isEmpty }),
      ("writes", { !WriteTrial.run(seed: $0, planted: bug).violations.isEmpty }),
      ("simulation", { !WriteSimulation.run(seed: $0, planted: bug).world.violations.isEmpty }),
    ]
    for seed in 0..<200 as Range<UInt64> {
      for check in checks where check.violates(seed) { return ["\(check.name), seed \(seed)"] }
    }
    return []
  }

  @Test("each bug that was planted is found within 200 seeds", arguments: PlantedWriteBug.allCases)
  func eachIsCaught(bug: PlantedWriteBug) {
    #expect(!caught(bug).isEmpty, "\(bug) is not noticed")
  }
}
