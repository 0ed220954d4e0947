import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Who holds what, as a node works with it")
struct ClusterLayoutTests {
  private func founded(_ count: Int = 5) throws -> Topology {
    var members: [TopologyMember] = []
    for number in 0..<count {
      members.append(
        try TopologyMember(
          node: NodeID("n\(number)"), identity: NodeIdentity(Hash128(high: 0, low: UInt64(number)))))
    }
    return try .founding(
      clusterID: Hash128(high: 0, low: 1), slotCount: 8, replicaCount: 3, writeQuorum: 2, members: members)
  }

  @Test("reads go by the N and W of who holds the slots, before and after a commit")
  func quorums() throws {
    let growing = try founded().replicating(Replication(count: 5, writeQuorum: 2))
    let (before, after) = (ClusterLayout(growing), ClusterLayout(try growing.committed()))
    #expect(before.readers(of: 3).count == 3 && before.readQuorum(of: 3) == 2 && before.writers(of: 3).count == 5)
    #expect(after.readers(of: 3).count == 5 && after.readQuorum(of: 3) == 4 && after.writers(of: 3).count == 5)
    #expect(before.besideReplication == after.replication && after.besideReplication == before.replication)
    #expect(before.next?.replicaCount == 5 && after.next == nil)
    // A W that is neither a majority nor one nor all.
    let most = ClusterLayout(try founded().replicating(Replication(count: 5, writeQuorum: 4)).committed().finished())
    #expect(most.readQuorum(of: 0) == 2 && most.beside == nil && most.besideReplication == most.replication)
    // With fewer nodes than N, W of them as long as there are as many.
    let few = ClusterLayout(
      try founded(3).replicating(Replication(count: 5, writeQuorum: 3)).committed().finished())
    #expect(few.readers(of: 0).count == 3 && few.readQuorum(of: 0) == 1)
  }

  @Test("a change under way is told in words, in each of its stages")
  func words() throws {
    let founded = try founded()
    #expect(ClusterNode.words(of: founded) == nil)
    let new = try TopologyMember(node: NodeID("n9"), identity: NodeIdentity(Hash128(high: 9, low: 9)))
    for (topology, words) in [
      (try founded.adding(new), "adding n9"), (try founded.draining(NodeID("n1")), "taking out n1"),
      (try founded.placing(NodeID("n1"), zone: nil, weight: 3), "giving n1 weight 3 instead of 1"),
      (
        try founded.placing(NodeID("n1"), zone: "east", weight: 3),
        "giving n1 weight 3 instead of 1 and moving n1 to zone east"
      ),
      (
        try founded.replicating(Replication(count: 5, writeQuorum: 3)),
        "holding each slot on 5 instead of 3 and writing to 3 of 5 instead of 2"
      ), (try founded.replicating(Replication(count: 3, writeQuorum: 3)), "writing to 3 of 3 instead of 2"),
    ] {
      #expect(ClusterNode.words(of: topology) == words)
      #expect(ClusterNode.words(of: try topology.committed()) == words)
    }
    let placed = try founded.placing(NodeID("n1"), zone: "east", weight: 1).committed().finished()
    #expect(
      ClusterNode.words(of: try placed.placing(NodeID("n1"), zone: nil, weight: 1)) == "moving n1 out of its zone")
  }

  @Test("a node that was started with another share or zone than was agreed on hears which counts")
  func placement() throws {
    let member = try founded().ring[1]
    func record(zone: String? = nil, weight: UInt32 = 1) throws -> NodeRecord {
      try NodeRecord(
        node: member.node, identity: member.identity, address: PeerAddress("a:1"), zone: zone, weight: weight)
    }
    #expect(ClusterMember.placementWarning(try record(), member) == nil)
    let warning = try #require(ClusterMember.placementWarning(try record(zone: "east", weight: 4), member))
    #expect(warning.contains("n1 was started with weight 4, zone east") && warning.contains("weight 1, no zone"))
    #expect(warning.hasSuffix("start it with these settings next time"))
  }
}
