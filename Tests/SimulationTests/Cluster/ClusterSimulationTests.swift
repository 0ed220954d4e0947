import Foundation
import Testing

@testable import NeedletailCluster

@Suite("A simulated cluster", .serialized)
struct ClusterSimulationTests {
  private static let environment = ProcessInfo.processInfo.environment

  /// What became of a seed.
  private struct Run: Sendable {
    var seed: UInt64
    var violations: [String]
    var counts: [String: Int]
    var seconds: Double
  }

  /// So many seeds from a random one on: `NEEDLETAIL_SEEDS`, else 300 in CI and 20 elsewhere.
  private static var seeds: ClosedRange<UInt64> {
    let isCI = environment["CI"] == "true"
    let count = environment["NEEDLETAIL_SEEDS"].flatMap { UInt64($0) } ?? (isCI ? 300 : 20)
    let first = UInt64.random(in: 1...(.max >> 1))
    return first...(first + max(1, count) - 1)
  }

  @Test(
    "keeps what it acknowledged, tells when an answer is not whole, and converges when the faults end",
    .enabled(if: environment["NEEDLETAIL_SEED"] == nil))
  func holds() async {
    let seeds = Self.seeds
    let threads = UInt64(max(1, ProcessInfo.processInfo.activeProcessorCount))
    let runs = await withTaskGroup(of: [Run].self) { group in
      for place in 0..<threads {
        group.addTask {
          await SimulationThread.run {
            stride(from: seeds.lowerBound + place, through: seeds.upperBound, by: Int(threads)).map { Self.run($0) }
          }
        }
      }
      return await group.reduce([]) { $0 + $1 }
    }
    var counts: [String: Int] = [:]
    for run in runs {
      #expect(run.violations == [], "replay it with: make simulate SEED=\(run.seed)")
      counts.merge(run.counts, uniquingKeysWith: +)
    }
    print("seeds: \(runs.count), simulated seconds: \(Int(runs.reduce(0) { $0 + $1.seconds }))")
    for (what, number) in counts.sorted(by: { $0.key < $1.key }) { print("\(what): \(number)") }
    // A simulation in which nothing happens finds nothing.
    for what in ["crashes", "hints", "read repairs", "rows by repair", "reads: partial", "writes: not acknowledged"] {
      #expect(counts[what, default: 0] > 0, "no \(what) in any seed")
    }
  }

  private static func run(_ seed: UInt64) -> Run {
    let simulation = ClusterSimulation.run(seed: seed)
    return Run(
      seed: seed, violations: simulation.world.violations, counts: simulation.world.counts,
      seconds: Double(simulation.world.now) / 1e9)
  }

  @Test("of one seed tells all that happened", .enabled(if: environment["NEEDLETAIL_SEED"] != nil))
  func replay() throws {
    let seed = try #require(Self.environment["NEEDLETAIL_SEED"].flatMap { UInt64($0) })
    let simulation = ClusterSimulation.run(seed: seed, isLogged: true)
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

  /// One at a time; the parts' own simulations find those that the rest of the cluster makes up for.
  static let planted: [(name: String, plants: Plants)] =
    ([.answersBeforeSync, .emptyNodeVotes, .readsOne, .writesOne, .losesLastRow] as [Plants.ShellBug])
    .map { ("\($0)", Plants(shell: $0)) }
    + ([.hintCounts, .oneTooFew] as [PlantedWriteBug]).map { ("\($0)", Plants(write: $0)) }
    + ([.unionDropsSecondReplica, .differenceIgnored, .missingPartial] as [PlantedReadBug])
    .map { ("\($0)", Plants(read: $0)) }

  @Test("finds what was broken on purpose", arguments: Self.planted.map(\.name))
  func finds(name: String) async throws {
    let plants = try #require(Self.planted.first { $0.name == name }).plants
    let found = await SimulationThread.run {
      (UInt64(1)...60).first { !ClusterSimulation.run(seed: $0, plants: plants).world.violations.isEmpty }
    }
    #expect(found != nil, "60 seeds do not find \(name)")
    if let found { print("\(name): seed \(found)") }
  }
}
