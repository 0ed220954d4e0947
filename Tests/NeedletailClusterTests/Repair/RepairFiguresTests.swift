import Foundation
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

/// What anti-entropy costs, in virtual time: the figures of docs/cluster.md.
///
/// `NEEDLETAIL_REPAIR_NODES=1000` says for how many nodes, and has them printed.
@Suite("Figures of repair") struct RepairFiguresTests {
  /// What stands around every message, and a digest.
  private static let (headBytes, digestBytes) = (57, 24)

  @Test("A round costs two small messages a pair of replicas, what differs a few more, and a lost disk its rows")
  func figures() throws {
    let asked = ProcessInfo.processInfo.environment["NEEDLETAIL_REPAIR_NODES"].flatMap { Int($0) }
    let nodes = asked ?? 10
    let slots = try #require(SlotMap(count: asked == nil ? 64 : SlotMap.defaultCount))
    var cluster = RepairTraffic(nodes: nodes, slots: slots)
    let pairs = slots.count * RepairTraffic.replicaCount * (RepairTraffic.replicaCount - 1)

    cluster.compareAll()
    let quiet = cluster.takeSent()
    let pairBytes = 2 * Self.headBytes + Self.digestBytes + 1
    #expect(quiet.messages == 2 * pairs && quiet.bytes == pairs * pairBytes)
    let round = cluster.lastAt

    cluster.loseOne(of: 0)
    #expect(!cluster.areEqual)
    cluster.compareAll()
    let one = cluster.takeSent()
    #expect(cluster.areEqual && one.messages > quiet.messages && one.messages <= quiet.messages + 64)

    let held = cluster.hosts[0].contents.count
    let rowBytes = held * Int(RepairTraffic.windowCount) * RepairTraffic.seriesOfWindow * RepairTraffic.rowBytes
    cluster.loseAll(of: 0)
    cluster.compareAll([0], isFill: true)
    let lost = cluster.takeSent()
    // A slot is filled from one partner, and compared with the other one when it has what that one had.
    #expect(cluster.areEqual && lost.bytes >= rowBytes && lost.bytes < rowBytes * 3 / 2)
    guard asked != nil else { return }
    print("nodes \(nodes): \(Double(quiet.messages) / Double(nodes)) messages and", terminator: " ")
    print("\(Double(quiet.bytes) / Double(nodes)) bytes a node in a round, \(Double(round) / 1e9) s;")
    print("one row lacked: \(one.messages - quiet.messages) messages, \(one.bytes - quiet.bytes) bytes more in all;")
    print("disk lost: \(lost.messages) messages, \(lost.bytes) bytes for \(rowBytes) bytes of rows of \(held) slots,")
    print("\(Double(lost.bytes) / Double(rowBytes)) of it")
  }
}
