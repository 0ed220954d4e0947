@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@Suite("Which replicas are ready") struct ReplicaReadinessTests {
  @Test(
    "In any order of writes, losses, damage, fills and restarts, as many ready replicas as a read asks have every acknowledged row"
  )
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

  @Test(
    "A planted mistake in when a replica is ready is found within 200 seeds",
    arguments: [
      PlantedReadBug.readyAfterOnePartner, .readyWithUnreadyPartners, .damageForgotten,
    ])
  private func planted(_ bug: PlantedReadBug) { #expect(seedThatFinds(bug, seeds: 200) != nil) }

  /// Five replicas and W=3: two others are ready, two are not.
  private func compare(_ readiness: inout ReplicaReadiness, _ partner: Int, _ wasReady: Bool) -> Bool {
    let comparison = ReplicaReadiness.Comparison(
      slot: 0, node: NodeID("n\(partner)"), wasReady: wasReady, windows: .min ... .max, fill: readiness.fill(of: 0))
    return readiness.compared(comparison).contains { if case .ready = $0 { true } else { false } }
  }

  private func assigned(_ bug: PlantedReadBug?) -> ReplicaReadiness {
    var readiness = ReplicaReadiness(NodeID("n0"), records: [:])
    readiness.bug = bug
    _ = readiness.assigned(0, replicas: (0..<5).map { NodeID("n\($0)") }, writeQuorum: 3, since: 1, epoch: 1)
    return readiness
  }

  @Test("One pass over replicas that are not ready is not enough: each may have lacked then what another one had")
  func passes() {
    for bug in [nil, PlantedReadBug.readyAfterOnePass] {
      var readiness = assigned(bug)
      let first = [(1, true), (2, false), (3, true), (4, false)].map { compare(&readiness, $0.0, $0.1) }
      #expect(first == [false, false, false, bug != nil])
      guard bug == nil else { continue }
      // A third one that is ready makes it a quorum.
      var other = readiness
      #expect(compare(&other, 2, true))
      // A new loss of anybody begins the passes anew; without one the second makes it ready.
      other = readiness
      _ = other.assigned(0, replicas: (0..<5).map { NodeID("n\($0)") }, writeQuorum: 3, since: 1, epoch: 2)
      #expect(!compare(&other, 2, false) && !compare(&other, 4, false))
      #expect(!compare(&other, 4, false) && compare(&other, 2, false))
      #expect(!compare(&readiness, 4, false) && compare(&readiness, 2, false))
      #expect(readiness.state(of: 0) == .ready)
    }
  }

  @Test("Readiness is kept with the assignment that it is of, and lost with the disk")
  func records() {
    let replicas = (0..<3).map { NodeID("n\($0)") }
    let record = ReplicaReadiness.Record(since: 4, lacks: [])
    var kept = ReplicaReadiness(NodeID("n0"), records: [7: record])
    #expect(kept.assigned(7, replicas: replicas, writeQuorum: 2, since: 4, epoch: 9).isEmpty)
    #expect(kept.isReady(7, .min ... .max) && kept.damaged(7, 3...4).count == 1)
    #expect(kept.state(of: 7) == .damaged([3...4]) && kept.isReady(7, 5...9) && !kept.isReady(7, 4...9))
    #expect(kept.expired(before: 5) == [.store(7, record), .ready(7, .expiry)])
    // It was no replica for a while, and came back to the slot with assignment 6.
    let lacking = ReplicaReadiness.Record(since: 6, lacks: [.min ... .max])
    #expect(kept.assigned(7, replicas: replicas, writeQuorum: 2, since: 6, epoch: 9) == [.store(7, lacking)])
    #expect(kept.state(of: 7) == .filling && kept.unassigned(7) == [.store(7, nil)] && kept.state(of: 7) == nil)
    var alone = ReplicaReadiness(NodeID("n0"), records: [:])
    let actions = alone.assigned(1, replicas: [NodeID("n0")], writeQuorum: 1, since: 1, epoch: 1)
    #expect(actions.last == .ready(1, .everybody))
  }

  @Test(
    "Where replicas take writes of an assignment in which a disk is named that is gone, an acknowledged row is missed")
  func fence() { #expect(seedThatFinds(nil, seeds: 5_000, isFenced: false) != nil) }
}
