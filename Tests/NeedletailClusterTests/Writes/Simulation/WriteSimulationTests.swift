import Testing

@Suite("A simulation of collectors and replicas") struct WriteSimulationTests {
  @Test(
    "keeps what was acknowledged on W disks, brings it to all of them or says who lacks it, and comes to what is rare")
  func seeds() {
    var counts: [String: Int] = [:]
    for seed in 0..<100 as Range<UInt64> {
      let simulation = WriteSimulation.run(seed: seed)
      #expect(simulation.world.violations.isEmpty, "seed \(seed): \(simulation.world.violations.first ?? "")")
      counts.merge(simulation.world.counts, uniquingKeysWith: +)
    }
    let rare = [
      "acknowledged", "unavailable", "refused", "not taken on", "lost", "doubled", "hint", "hint sent",
      "hint not stored",
      "given up: refused", "given up: hints", "replica crashed", "collector crashed", "unsynced writes lost",
      "refused: overloaded", "refused: unknownSeries", "refused: forGood", "late",
    ]
    for name in rare { #expect(counts[name, default: 0] > 0, "never: \(name)") }
  }

  @Test("gives the same log for the same seed", arguments: [1, 2, 3] as [UInt64])
  func determinism(seed: UInt64) {
    let logs = (0..<2).map { _ in WriteSimulation.run(seed: seed, isLogged: true).world.log }
    #expect(logs[0] == logs[1] && logs[0].count > 100)
  }
}
