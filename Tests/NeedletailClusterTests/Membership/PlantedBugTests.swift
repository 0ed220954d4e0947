import NeedletailEnvironment
import Testing

@testable import NeedletailCluster

@Suite("The simulation of membership finds bugs") struct PlantedBugTests {
  struct Planted: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let bug: PlantedBugs
    /// In which scenario it does harm first.
    let scenario: MembershipScenario

    init(_ description: String, _ bug: PlantedBugs, in scenario: MembershipScenario) {
      testDescription = description
      self.bug = bug
      self.scenario = scenario
    }
  }

  private static let all = [
    Planted("ignores incarnations", .ignoresIncarnations, in: .crash),
    Planted("hasty suspicion", .hastySuspicion, in: .pause),
    Planted("refutes nothing", .refutesNothing, in: .storm),
    Planted("tells once", .tellsOnce, in: .storm),
    Planted("asks nobody else", .asksNobodyElse, in: .cutLink),
    Planted("takes old identities", .takesOldIdentities, in: .replacedDisk),
    Planted("takes living names", .takesLivingNames, in: .stolenName),
    Planted("forgets removals", .forgetsRemovals, in: .removal),
    Planted("asks seeds once", .asksSeedsOnce, in: .lateSeeds),
    Planted("gives up the dead", .givesUpTheDead, in: .partition),
    Planted("ignores own pauses", .ignoresOwnPauses, in: .pause),
    Planted("answers for others", .answersForOthers, in: .reusedAddress),
    Planted("keeps what was heard first", .keepsFirstHeard, in: .sameNameAtOnce),
    Planted("tells for ever", .tellsForEver, in: .quiet),
    Planted("leaves silently", .leavesSilently, in: .leave),
  ]

  @Test("A bug that was planted is found within 200 seeds", arguments: all)
  func found(planted: Planted) throws {
    let scenarios = UInt64(MembershipScenario.allCases.count)
    // Of the first two hundred seeds those of one scenario: to find it takes the fewest.
    let seeds = stride(from: UInt64(planted.scenario.rawValue), to: 200, by: Int(scenarios))
    let found = try seeds.first { try !MembershipScenario.play($0, planted: planted.bug).problems.isEmpty }
    #expect(found != nil, "\(planted.testDescription)")
  }
}
