import Foundation
import NeedletailEnvironment
import Testing

@testable import NeedletailCluster

/// `NEEDLETAIL_MEMBERSHIP_SEEDS=16000` plays more seeds than the first 119, and `NEEDLETAIL_MEMBERSHIP_SEED=35` one alone.
@Suite("Membership, simulated") struct MembershipSimulationTests {
  fileprivate static var chosen: Range<UInt64> {
    let environment = ProcessInfo.processInfo.environment
    if let seed = environment["NEEDLETAIL_MEMBERSHIP_SEED"].flatMap({ UInt64($0) }) { return seed..<(seed + 1) }
    return 0..<(environment["NEEDLETAIL_MEMBERSHIP_SEEDS"].flatMap { UInt64($0) } ?? 119)
  }

  private func name(_ seed: UInt64) -> String {
    "seed \(seed), \(MembershipScenario.allCases[Int(seed % UInt64(MembershipScenario.allCases.count))])"
  }

  @Test(
    "Whatever happens, who is alive and who holds which name settles as it should",
    arguments: MembershipSimulationTests.chosen)
  func seeds(seed: UInt64) throws {
    let problems = try MembershipScenario.play(seed).problems
    #expect(problems.isEmpty, "\(name(seed))")
  }

  @Test("The same seed twice is the same run, event for event", arguments: 0..<17 as Range<UInt64>)
  func deterministic(seed: UInt64) throws {
    let (one, other) = (try MembershipScenario.play(seed), try MembershipScenario.play(seed))
    #expect(one.trace == other.trace && one.eventCount == other.eventCount, "\(name(seed))")
    #expect(try MembershipScenario.play(seed + 17).trace != one.trace)
  }

  @Test("The rare states of membership are reached")
  func rareStates() throws {
    var missing = Set(MembershipCounters.Event.allCases)
    // Neither is reached by so few nodes: their own tests reach them.
    missing.subtract([.pageDivided, .tableFull, .relayRefused])
    for seed in 0..<400 as Range<UInt64> where !missing.isEmpty {
      let cluster = try MembershipScenario.play(seed)
      missing = missing.filter { cluster.count($0) == 0 }
    }
    #expect(missing.isEmpty)
  }
}
