import Foundation
import NeedletailEnvironment
import Testing

@testable import NeedletailCluster

/// `NEEDLETAIL_TOPOLOGY_SEEDS=5000` plays more seeds than the first 200, and `NEEDLETAIL_TOPOLOGY_SEED=35` one alone.
@Suite("Agreement on the topology, simulated") struct TopologySimulationTests {
  fileprivate static var chosen: Range<UInt64> {
    let environment = ProcessInfo.processInfo.environment
    if let seed = environment["NEEDLETAIL_TOPOLOGY_SEED"].flatMap({ UInt64($0) }) { return seed..<(seed + 1) }
    return 0..<(environment["NEEDLETAIL_TOPOLOGY_SEEDS"].flatMap { UInt64($0) } ?? 200)
  }

  @Test("Whatever happens, each epoch has one topology, and in the end all know the newest", arguments: chosen)
  func seeds(seed: UInt64) throws {
    let world = try TopologyScenario.play(seed)
    #expect(world.problems.isEmpty, "seed \(seed)")
  }

  @Test("The same seed twice is the same run, event for event", arguments: 0..<6 as Range<UInt64>)
  func deterministic(seed: UInt64) throws {
    let (one, other) = (try TopologyScenario.play(seed), try TopologyScenario.play(seed))
    #expect(one.trace == other.trace && one.eventCount == other.eventCount, "seed \(seed)")
    #expect(try TopologyScenario.play(seed + 8).trace != one.trace)
  }

  @Test("The rare states of the agreement are reached")
  func rareStates() throws {
    // All of them vote: that others decide elsewhere is in the tests of etcd.
    var missing = Set(TopologyCounters.Event.allCases).subtracting([.unlike])
    var unseen: Set = [
      "chosen", "overtaken", "timed out", "foreign", "founding waits", "committed", "ended", "placed", "replicated",
    ]
    for seed in 0..<400 as Range<UInt64> where !missing.isEmpty || !unseen.isEmpty {
      let world = try TopologyScenario.play(seed)
      missing = missing.filter { world.count($0) == 0 }
      unseen.subtract(world.outcomes.keys)
    }
    #expect(missing.isEmpty && unseen.isEmpty)
  }

  @Test("A bug that was planted is found within 200 seeds", arguments: PlantedTopologyBug.allCases)
  func found(bug: PlantedTopologyBug) throws {
    let found = try (0..<200 as Range<UInt64>).first { try !TopologyScenario.play($0, bug: bug).problems.isEmpty }
    #expect(found != nil, "\(bug)")
  }
}
