import NeedletailEnvironment
import Testing

@testable import NeedletailCluster

@Suite("Whose data a read asks for")
struct ReplicaChoiceTests {
  private let nodes = ["a", "b", "c"].map { NodeID($0) }

  private func first(_ peers: [NodeID: QuorumRead.Peer], seed: UInt64) -> NodeID? {
    var generator = SeededGenerator(seed: seed)
    var choice = ReplicaChoice(peers)
    return choice.order(SlotGroup(slots: [0], replicas: nodes, ready: nodes), using: &generator).first
  }

  @Test("the reader itself comes first whatever chance says, unless it is not available")
  func own() {
    var peers = Dictionary(uniqueKeysWithValues: nodes.map { ($0, QuorumRead.Peer()) })
    peers[nodes[1]] = QuorumRead.Peer(isOwn: true)
    #expect(Set((0..<50).map { first(peers, seed: $0) }) == [nodes[1]])
    peers[nodes[1]] = QuorumRead.Peer(isAvailable: false, isOwn: true)
    #expect(Set((0..<50).map { first(peers, seed: $0) }) == [nodes[0], nodes[2]])
  }
}
