@testable import NeedletailCluster
import Testing

@Suite("Repair and reads under faults") struct RepairSimulationTests {
  @Test(
    "Nothing acknowledged is missed by a read that says it is whole, and replicas are equal two rounds after faults end"
  )
  func promises() {
    var (faults, messages, fills, whole, partial) = (0, 0, 0, 0, 0)
    for seed in 1...100 as ClosedRange<UInt64> {
      var simulation = RepairSimulation(seed: seed)
      simulation.run()
      #expect(simulation.violations.isEmpty, "seed \(seed): \(simulation.violations)")
      faults += simulation.faults
      messages += simulation.messages
      fills += simulation.fills
      whole += simulation.wholeReads
      partial += simulation.partialReads
    }
    #expect(
      faults > 500 && fills > 100 && whole > 500 && partial > 100, "\(faults) \(messages) \(fills) \(whole) \(partial)")
  }

  @Test("The same seed makes the same events twice", arguments: 1...5 as ClosedRange<UInt64>)
  func determinism(seed: UInt64) {
    var (one, other) = (RepairSimulation(seed: seed), RepairSimulation(seed: seed))
    one.run()
    other.run()
    #expect(one.hash == other.hash && one.now == other.now && one.messages == other.messages)
  }

  private static let bugs: [PlantedReadBug] = [
    .merkleWithoutLastBucket, .endsBeforeStored, .unreadyVotes, .damageForgotten, .readyAfterOnePartner,
    .unionDropsSecondReplica, .differenceIgnored,
  ]

  @Test("A planted mistake is found within 200 seeds", arguments: bugs)
  private func planted(_ bug: PlantedReadBug) {
    let found = (1...200 as ClosedRange<UInt64>).first { seed in
      var simulation = RepairSimulation(seed: seed, bug: bug)
      simulation.run()
      return !simulation.violations.isEmpty
    }
    #expect(found != nil)
  }
}
