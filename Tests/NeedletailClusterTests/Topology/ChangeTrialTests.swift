import Foundation
import NeedletailEnvironment
import Testing

@testable import NeedletailCluster

/// `NEEDLETAIL_CHANGE_SEEDS=5000` plays more seeds than the first 200, and `NEEDLETAIL_CHANGE_SEED=35` one alone.
@Suite("Changes of members, weights, zones, N and W, with rows and disks") struct ChangeTrialTests {
  private static let steps = 1200

  fileprivate static var chosen: Range<UInt64> {
    let environment = ProcessInfo.processInfo.environment
    if let seed = environment["NEEDLETAIL_CHANGE_SEED"].flatMap({ UInt64($0) }) { return seed..<(seed + 1) }
    return 0..<(environment["NEEDLETAIL_CHANGE_SEEDS"].flatMap { UInt64($0) } ?? 200)
  }

  private func play(_ seed: UInt64, bug: PlantedChangeBug? = nil) throws -> ChangeTrial {
    var trial = try ChangeTrial(seed: seed, bug: bug)
    trial.run(steps: Self.steps)
    if bug == nil { trial.end() }
    return trial
  }

  @Test(
    "Any R ready owners have what was acknowledged, in every stage, and changes end when faults do", arguments: chosen)
  func seeds(seed: UInt64) throws {
    let trial = try play(seed)
    #expect(trial.problem == nil, "seed \(seed): \(trial.log.suffix(60).joined(separator: "\n"))")
  }

  @Test("All that a change does is reached")
  func rareStates() throws {
    var unseen: Set = [
      "acknowledged", "read", "committed", "over", "kept", "lost", "damaged", "quorum",
    ]
    for seed in 0..<50 as Range<UInt64> where !unseen.isEmpty { unseen.subtract(try play(seed).seen.keys) }
    #expect(unseen.isEmpty)
  }

  @Test("A bug that was planted is found within 200 seeds", arguments: PlantedChangeBug.allCases)
  func found(bug: PlantedChangeBug) throws {
    let found = try (0..<200 as Range<UInt64>).first { try play($0, bug: bug).problem != nil }
    #expect(found != nil, "\(bug)")
  }
}
