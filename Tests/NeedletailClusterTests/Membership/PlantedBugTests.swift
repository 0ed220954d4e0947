import NeedletailEnvironment
import Testing

@testable import NeedletailCluster

@Suite("The simulation of membership finds bugs") struct PlantedBugTests {
  struct Planted: CustomTestStringConvertible, Sendable {
    let bug: PlantedBugs
    let testDescription: String
  }

  private static let all = [
    Planted(bug: .ignoresIncarnations, testDescription: "ignores incarnations"),
    Planted(bug: .hastySuspicion, testDescription: "hasty suspicion"),
    Planted(bug: .refutesNothing, testDescription: "refutes nothing"),
    Planted(bug: .tellsOnce, testDescription: "tells once"),
    Planted(bug: .asksNobodyElse, testDescription: "asks nobody else"),
    Planted(bug: .takesOldIdentities, testDescription: "takes old identities"),
    Planted(bug: .takesLivingNames, testDescription: "takes living names"),
    Planted(bug: .forgetsRemovals, testDescription: "forgets removals"),
    Planted(bug: .asksSeedsOnce, testDescription: "asks seeds once"),
    Planted(bug: .givesUpTheDead, testDescription: "gives up the dead"),
    Planted(bug: .ignoresOwnPauses, testDescription: "ignores own pauses"),
    Planted(bug: .answersForOthers, testDescription: "answers for others"),
    Planted(bug: .keepsFirstHeard, testDescription: "keeps what was heard first"),
    Planted(bug: .tellsForEver, testDescription: "tells for ever"),
    Planted(bug: .leavesSilently, testDescription: "leaves silently"),
  ]

  @Test("A bug that was planted is found within 200 seeds", arguments: all)
  func found(planted: Planted) throws {
    var found: UInt64?
    for seed in 0..<200 as Range<UInt64> where found == nil {
      if try !MembershipScenario.play(seed, planted: planted.bug).problems.isEmpty { found = seed }
    }
    #expect(found != nil, "\(planted.testDescription)")
    print(
      "caught", planted.testDescription, found ?? 999,
      try MembershipScenario.play(found ?? 0, planted: planted.bug).problems.first ?? "")
  }
}
