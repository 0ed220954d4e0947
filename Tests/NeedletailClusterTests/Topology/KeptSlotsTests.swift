import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("Slots that a node keeps in a change") struct KeptSlotsTests {
  private func topology(_ names: [String], _ replication: Replication) throws -> Topology {
    var members: [TopologyMember] = []
    for (number, name) in names.enumerated() {
      members.append(
        try TopologyMember(node: NodeID(name), identity: NodeIdentity(Hash128(high: 0, low: UInt64(number)))))
    }
    return try .founding(
      clusterID: Hash128(high: 0, low: 1), slotCount: 4, replicaCount: replication.count,
      writeQuorum: replication.writeQuorum, members: members)
  }

  private func comparison(
    _ slot: UInt16, _ node: String, isReady: Bool = true, windows: ClosedRange<Int64> = .min ... .max, fill: UInt64 = 5
  ) -> ReplicaReadiness.Comparison {
    .init(slot: slot, node: NodeID(node), wasReady: isReady, windows: windows, fill: fill)
  }

  /// A class, so that expectations may have it compare.
  private final class Node {
    var kept: KeptSlots
    init(_ name: String) { kept = KeptSlots(of: NodeID(name)) }
    func compared(_ comparison: ReplicaReadiness.Comparison) -> Bool { kept.compared(comparison) }
    func adopt(_ topology: Topology, fill: UInt64 = 5) {
      kept.adopt(topology, ring: topology.assignment, next: topology.nextAssignment) { _ in fill }
    }
  }

  @Test("Are whole when N-W others that were ready have been compared over all windows, since the change began")
  func compared() throws {
    let five = try topology(["a", "b", "c", "d", "e"], Replication(count: 5, writeQuorum: 3))
    let shrinking = try five.replicating(Replication(count: 3, writeQuorum: 2))
    let node = Node("a")
    node.adopt(shrinking)
    let slot = try #require(node.kept.left.first { _ in true })
    let next = try #require(shrinking.nextAssignment)
    #expect(node.kept.left == SlotSet(next.slots(of: NodeID("a"))))
    #expect(node.kept.awaited(slot).map(\.rawValue) == ["b", "c", "d", "e"])
    // Not ready, of some windows only, of before the change, a stranger, itself.
    for comparison in [
      comparison(slot, "b", isReady: false), comparison(slot, "b", windows: 0...5), comparison(slot, "b", fill: 4),
      comparison(slot, "x"), comparison(slot, "a"),
    ] { #expect(!node.compared(comparison)) }
    #expect(!node.compared(comparison(slot, "b")) && !node.compared(comparison(slot, "b")))
    #expect(node.kept.awaited(slot).map(\.rawValue) == ["c", "d", "e"])
    // A loss elsewhere makes a new epoch of the same change.
    node.adopt(try shrinking.damaged(NodeID("e")), fill: 9)
    let end = node.compared(comparison(slot, "e"))
    #expect(end && !node.kept.left.contains(slot) && node.kept.awaited(slot).isEmpty)
    #expect(!node.compared(comparison(slot, "d")))
  }

  @Test("Begin anew with another change, and are none without one, after its commit, and where as many will read")
  func others() throws {
    let five = try topology(["a", "b", "c", "d", "e"], Replication(count: 5, writeQuorum: 3))
    let fewer = Replication(count: 3, writeQuorum: 2)
    let node = Node("a")
    node.adopt(try five.replicating(fewer))
    let slot = try #require(node.kept.left.first { _ in true })
    #expect(!node.compared(comparison(slot, "b")))
    let cancelled = try five.replicating(fewer).cancelled()
    node.adopt(cancelled)
    #expect(node.kept.left.isEmpty)
    node.adopt(try cancelled.replicating(fewer), fill: 7)
    #expect(node.kept.awaited(slot).count == 4 && !node.compared(comparison(slot, "b")))
    #expect(node.kept.awaited(slot).count == 4)
    node.adopt(try cancelled.replicating(fewer).committed())
    #expect(node.kept.left.isEmpty)
    node.adopt(try five.replicating(Replication(count: 5, writeQuorum: 2)))
    #expect(node.kept.left.isEmpty)
    node.adopt(try five.draining(NodeID("a")))
    #expect(node.kept.left.isEmpty)
    node.adopt(try five.draining(NodeID("b")))
    #expect(node.kept.left.count == 4)
  }
}
