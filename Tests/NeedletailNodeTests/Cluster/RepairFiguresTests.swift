import Foundation
import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

/// What it costs to compare what is equal: `NEEDLETAIL_REPAIR_SERIES=10000 swift test --filter RepairFiguresTests`.
@Suite("Figures of repair") struct RepairFiguresTests {
  private static let series = ProcessInfo.processInfo.environment["NEEDLETAIL_REPAIR_SERIES"].flatMap { Int($0) }
  private static let slots = 1024

  @Test("A round over 1,024 equal slots of three nodes", .enabled(if: series != nil))
  func settled() async throws {
    let folders = try (0..<3).map { _ in try TemporaryFolder() }
    let storages = try folders.map { try StorageRepairTests.open($0, slots: Self.slots) }
    try await StorageRepairTests.fill(storages, series: Self.series ?? 0, seed: 1, share: 1)
    for storage in storages { _ = try storage.flush() }
    try await StorageRepairTests.run(storages, folders: folders, founding: [0, 1, 2]) { cluster in
      await cluster.hear(epoch: 1, slots: Self.slots)
      // The first round makes the digests, which the second one finds.
      for round in 1...2 {
        let (before, started) = (clock(), Date())
        let sent = cluster.nodes.reduce(0) { $0 + $1.service.counters.value.messagesSent }
        let ended = cluster.nodes.map { $0.service.counters.value.exchanges }
        for node in cluster.nodes { _ = await node.service.compareAll(with: nil) }
        let isDone = await RepairNodes.eventually {
          zip(cluster.nodes, ended).allSatisfy { node, before in
            node.service.counters.value.exchanges >= before + 2 * Self.slots
          }
        }
        #expect(isDone)
        let messages = cluster.nodes.reduce(0) { $0 + $1.service.counters.value.messagesSent } - sent
        let cpu = Double(clock() - before) / Double(CLOCKS_PER_SEC)
        print(
          "round \(round): \(3 * 2 * Self.slots) exchanges, \(messages) messages,"
            + " \(cpu) s of CPU for all three, \(Date().timeIntervalSince(started)) s")
        #expect(messages <= 2 * (3 * 2 * Self.slots + 12))
      }
    }
    for storage in storages { storage.close() }
  }
}
