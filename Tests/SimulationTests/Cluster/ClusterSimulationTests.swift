import Foundation
import Testing

@testable import NeedletailCluster

@Suite("A simulated cluster", .serialized)
struct ClusterSimulationTests {
  private static let environment = ProcessInfo.processInfo.environment

  /// So many seeds from a random one on: `NEEDLETAIL_SEEDS`, else 300 in CI and 20 elsewhere.
  private static var seeds: ClosedRange<UInt64> {
    let isCI = environment["CI"] == "true"
    let count = environment["NEEDLETAIL_SEEDS"].flatMap { UInt64($0) } ?? (isCI ? 300 : 20)
    let first = environment["NEEDLETAIL_FIRST_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...(.max >> 1))
    return first...(first + max(1, count) - 1)
  }

  @Test(
    "keeps what it acknowledged, tells when an answer is not whole, and converges when the faults end",
    .enabled(if: environment["NEEDLETAIL_SEED"] == nil))
  func holds() async {
    let seeds = Self.seeds
    let summary = await SimulationSummary.of(seeds)
    for failure in summary.failures {
      Issue.record("seed \(failure.seed): \(failure.violations). Replay it with: make simulate SEED=\(failure.seed)")
    }
    print(summary.text)
    // A simulation in which nothing happens finds nothing.
    for what in ["fault: crashes", "hints", "read repairs", "rows by repair", "reads: partial", "changes: committed"] {
      #expect(summary.counts[what, default: 0] > 0, "no \(what) in any seed")
    }
    guard seeds.count >= 300 else { return }
    let isLong = seeds.count >= 5_000
    let wanted = ClusterProbe.allCases.filter { isLong || !ClusterProbe.rarest.contains($0) }
    let missing = wanted.filter { summary.probes[$0] == nil }
    #expect(missing == [], "rare states that no seed came to")
  }

  @Test("of one seed tells all that happened", .enabled(if: environment["NEEDLETAIL_SEED"] != nil))
  func replay() throws {
    let seed = try #require(Self.environment["NEEDLETAIL_SEED"].flatMap { UInt64($0) })
    let name = Self.environment["NEEDLETAIL_PLANTED"]
    let plants = (Self.planted + Self.plantedRarely).first { $0.name == name }?.plants ?? Plants()
    let simulation = ClusterSimulation.run(seed: seed, isLogged: true, plants: plants)
    for line in simulation.world.log { print(line) }
    #expect(simulation.world.violations == [])
  }

  @Test("goes the same way twice with the same seed")
  func deterministic() async {
    for seed in UInt64(1)...5 {
      let runs = await SimulationThread.run {
        (0..<2).map { _ in
          let simulation = ClusterSimulation.run(seed: seed)
          return [UInt64(simulation.steps), simulation.world.digest]
        }
      }
      #expect(runs[0] == runs[1], "seed \(seed)")
      print("seed \(seed): \(runs[0][0]) steps, digest \(runs[0][1])")
    }
  }

  /// One at a time; the parts' own simulations find those that the rest of the cluster makes up for. These are found
  /// within a few seeds each.
  static let planted: [(name: String, plants: Plants)] =
    ([
      .answersBeforeSync, .skipsDirectorySync, .emptyNodeVotes, .readsOne, .writesOne, .wrongReplicaCount,
      .tieByArrival, .losesLastRow, .digestAfterData, .hintsStayInMemory, .acknowledgesWithoutStoring,
      .writesToOwnersAlone, .forgetsToRepair,
    ] as [Plants.ShellBug]).map { ("\($0)", Plants(shell: $0)) }
    + ([
      .hintCounts, .oneTooFew, .hintDroppedOnTimeOut, .forgottenBeforeHint, .queueLeaks, .hintedBeforeStored,
      .hintsOutOfOrder, .hintsGivenUpSilently, .releasedTooEarly,
    ] as [PlantedWriteBug]).map { ("\($0)", Plants(write: $0)) }
    + ([
      .missingPartial, .unionDropsSecondReplica, .hedgeCountedTwice, .differenceIgnored, .merkleWithoutLastBucket,
    ] as [PlantedReadBug]).map { ("\($0)", Plants(read: $0)) }
    + ([.votesOnThePast, .keepsVotes, .asksNobody, .foundsWithoutAll] as [PlantedTopologyBug])
    .map { ("\($0)", Plants(topology: $0)) }
    + ([
      .writesByTheFirstQuorum, .dropsAnHourTooMuch, .tellsOfThePartialHour, .comparesWhatExpired, .readsFromTooLate,
    ] as [Plants.ShellBug]).map { ("\($0)", Plants(shell: $0)) }

  /// These take dozens of seeds each: `make simulate PLANTED=1` plants them too.
  static let plantedRarely: [(name: String, plants: Plants)] =
    [("repairsInMemory", Plants(shell: .repairsInMemory))]
    + [("breakerNeverHalfOpens", Plants(write: .breakerNeverHalfOpens))]
    + ([.unreadyVotes, .damageForgotten] as [PlantedReadBug]).map { ("\($0)", Plants(read: $0)) }
    + ([.answersBeforeStore, .ignoresAccepted, .equalBallots] as [PlantedTopologyBug])
    .map { ("\($0)", Plants(topology: $0)) }
    + ([.readsFromItsOwnEdge, .claimsToBeCompared] as [Plants.ShellBug]).map { ("\($0)", Plants(shell: $0)) }
    + ([.keepsUncompared, .writesByOneQuorum, .writesByFirstQuorum] as [PlantedChangeBug])
    .map { ("\($0)", Plants(change: $0)) }

  private static var toFind: [String] {
    (environment["NEEDLETAIL_PLANTED"] == "all" ? planted + plantedRarely : planted).map(\.name)
  }

  @Test("finds what was broken on purpose", arguments: Self.toFind)
  func finds(name: String) async throws {
    let plants = try #require((Self.planted + Self.plantedRarely).first { $0.name == name }).plants
    let found = await SimulationThread.run {
      (UInt64(1)...500).lazy.map { ($0, ClusterSimulation.run(seed: $0, plants: plants).world.violations) }
        .first { !$0.1.isEmpty }
    }
    #expect(found != nil, "500 seeds do not find \(name)")
    if let found { print("\(name): seed \(found.0): \(found.1[0])") }
  }
}
