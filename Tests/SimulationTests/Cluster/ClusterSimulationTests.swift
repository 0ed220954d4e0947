import Foundation
import Testing

@Suite("A simulated cluster")
struct ClusterSimulationTests {
  /// `NEEDLETAIL_SEEDS=N` runs so many, `NEEDLETAIL_SEED=S` runs one and prints what happened.
  private static let environment = ProcessInfo.processInfo.environment

  @Test("keeps what it acknowledged, tells when an answer is not whole, and converges when the faults end")
  func seeds() {
    let one = Self.environment["NEEDLETAIL_SEED"].flatMap { UInt64($0) }
    let count = Self.environment["NEEDLETAIL_SEEDS"].flatMap { UInt64($0) } ?? 20
    let first = UInt64.random(in: 0 ... (.max >> 1))
    var counts: [String: Int] = [:]
    for seed in one.map({ $0...$0 }) ?? first...(first + count - 1) {
      let simulation = ClusterSimulation.run(seed: seed, isLogged: one != nil)
      if one != nil { for line in simulation.world.log { print(line) } }
      counts.merge(simulation.world.counts, uniquingKeysWith: +)
      #expect(simulation.world.violations == [], "replay it with NEEDLETAIL_SEED=\(seed)")
    }
    for (what, number) in counts.sorted(by: { $0.key < $1.key }) { print("\(what): \(number)") }
  }
}
