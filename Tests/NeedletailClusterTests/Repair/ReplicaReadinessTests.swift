@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@Suite("Which replicas are ready") struct ReplicaReadinessTests {
  @Test("In any order of writes, losses, damage, fills and restarts, as many ready replicas as a read asks have every acknowledged row")
  func model() {
    var (readies, acknowledgements, refusals) = (0, 0, 0)
    for seed in 1...10_000 as ClosedRange<UInt64> {
      var model = ReadinessModel(seed: seed)
      model.run(steps: 80)
      readies += model.readies
      acknowledgements += model.acknowledgements
      refusals += model.refusals
      guard model.violation == nil else {
        Issue.record("seed \(seed): \(model.violation ?? "")\n\(model.log.joined(separator: "\n"))")
        return
      }
    }
    #expect(readies > 1_000 && acknowledgements > 1_000 && refusals > 100, "\(readies) \(acknowledgements) \(refusals)")
  }

  private func seedThatFinds(
    _ bug: PlantedReadBug?, seeds: UInt64, isFenced: Bool = true
  ) -> UInt64? {
    (1...seeds).first { seed in
      var model = ReadinessModel(seed: seed, bug: bug, isFenced: isFenced)
      model.run(steps: 400)
      return model.violation != nil
    }
  }

  @Test("A planted mistake in when a replica is ready is found within 200 seeds", arguments: [
    PlantedReadBug.readyAfterOnePartner, .readyWithUnreadyPartners, .damageForgotten,
  ])
  private func planted(_ bug: PlantedReadBug) { #expect(seedThatFinds(bug, seeds: 200) != nil) }

  @Test("Where replicas take writes of an assignment in which a disk is named that is gone, an acknowledged row is missed")
  func fence() { #expect(seedThatFinds(nil, seeds: 5_000, isFenced: false) != nil) }
}
