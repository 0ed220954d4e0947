import Foundation

/// What became of many seeds.
struct SimulationSummary: Sendable {
  struct Failure: Sendable {
    let seed: UInt64
    let violations: [String]
  }

  private(set) var seeds = 0
  private(set) var seconds = 0.0
  private(set) var failures: [Failure] = []
  private(set) var counts: [String: Int] = [:]
  /// How often each rare state was come to, and by how many seeds.
  private(set) var probes: [ClusterProbe: Int] = [:]
  private var probedSeeds: [ClusterProbe: Int] = [:]

  /// Runs seeds on as many threads as there are processors.
  static func of(_ seeds: ClosedRange<UInt64>) async -> SimulationSummary {
    let threads = UInt64(max(1, ProcessInfo.processInfo.activeProcessorCount))
    return await withTaskGroup(of: SimulationSummary.self) { group in
      for place in 0..<threads {
        group.addTask {
          await SimulationThread.run {
            var summary = SimulationSummary()
            for seed in stride(from: seeds.lowerBound + place, through: seeds.upperBound, by: Int(threads)) {
              summary.add(ClusterSimulation.run(seed: seed))
            }
            return summary
          }
        }
      }
      return await group.reduce(SimulationSummary()) { $0.merged(with: $1) }
    }
  }

  private mutating func add(_ run: ClusterSimulation) {
    seeds += 1
    seconds += Double(run.world.now) / 1e9
    if !run.world.violations.isEmpty {
      let failure = Failure(seed: run.seed, violations: run.world.violations)
      failures.append(failure)
      // At once: the run may go on for hours.
      print("seed \(run.seed) fails: \(failure.violations)")
    }
    counts.merge(run.world.counts, uniquingKeysWith: +)
    probes.merge(run.world.probes, uniquingKeysWith: +)
    probedSeeds.merge(run.world.probes.mapValues { _ in 1 }, uniquingKeysWith: +)
  }

  private func merged(with other: SimulationSummary) -> SimulationSummary {
    var sum = self
    sum.seeds += other.seeds
    sum.seconds += other.seconds
    sum.failures += other.failures
    sum.counts.merge(other.counts, uniquingKeysWith: +)
    sum.probes.merge(other.probes, uniquingKeysWith: +)
    sum.probedSeeds.merge(other.probedSeeds, uniquingKeysWith: +)
    return sum
  }

  var text: String {
    let faults = counts.filter { $0.key.hasPrefix("fault: ") }.values.reduce(0, +)
    let hundredths = Int(seconds / 36)
    let hours = "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    var lines = [
      "seeds: \(seeds), simulated hours: \(hours), faults: \(faults), rare states: \(probes.count) of "
        + "\(ClusterProbe.allCases.count), seeds that failed: \(failures.count)"
    ]
    lines += counts.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    lines.append("rare states, how often, and by how many seeds:")
    lines += ClusterProbe.allCases.map { "\($0): \(probes[$0] ?? 0), \(probedSeeds[$0] ?? 0)" }
    return lines.joined(separator: "\n")
  }
}
