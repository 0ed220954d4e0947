import NeedletailEnvironment
import Testing

@testable import NeedletailCluster

@Suite("Membership, simulated") struct MembershipSimulationTests {
  private static let scenarios = UInt64(MembershipScenario.allCases.count)

  @Test(
    "Whatever happens, names, identities and who is alive settle as they should", arguments: 0..<112 as Range<UInt64>)
  func seeds(seed: UInt64) throws {
    let cluster = try MembershipScenario.play(seed)
    #expect(cluster.problems.isEmpty, "seed \(seed), \(MembershipScenario.allCases[Int(seed % Self.scenarios)])")
  }
}
