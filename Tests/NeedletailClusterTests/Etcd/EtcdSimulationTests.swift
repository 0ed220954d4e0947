import Foundation
import NeedletailEnvironment
import Testing

@testable import NeedletailCluster

/// `NEEDLETAIL_ETCD_SEEDS=5000` plays more seeds than the first 150.
@Suite("Decisions in etcd, simulated") struct EtcdSimulationTests {
  private static var chosen: Range<UInt64> {
    0..<(ProcessInfo.processInfo.environment["NEEDLETAIL_ETCD_SEEDS"].flatMap { UInt64($0) } ?? 150)
  }

  @Test("Whatever is lost or stops, each epoch has one topology, and in the end all know it and are registered")
  func seeds() throws {
    var seen: [String: Int] = [:]
    for seed in Self.chosen {
      let world = try EtcdWorld.play(seed)
      #expect(world.problems.isEmpty, "seed \(seed): \(world.problems.prefix(3))")
      seen.merge(world.seen) { $0 + $1 }
    }
    for rare in ["chosen", "overtaken", "refused", "answer lost", "unreadable"] {
      #expect(seen[rare, default: 0] > 0, "\(rare): \(seen)")
    }
  }

  @Test("The same seed twice is the same run")
  func deterministic() throws {
    let (one, other) = (try EtcdWorld.play(5), try EtcdWorld.play(5))
    #expect(one.chosen == other.chosen && one.seen == other.seen)
    #expect(try EtcdWorld.play(14).chosen != one.chosen)
  }

  @Test("An etcd that does not do what is asked of it is found out within 100 seeds", arguments: ModelEtcd.Bug.allCases)
  func found(bug: ModelEtcd.Bug) throws {
    let found = try (0..<100 as Range<UInt64>).first { try !EtcdWorld.play($0, bug: bug).problems.isEmpty }
    #expect(found != nil, "\(bug)")
  }
}
