import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("Founding a cluster") struct FoundingTests {
  private static let addresses = ["a:1", "b:1", "c:1"].map { PeerAddress($0) }

  private func record(
    _ name: String, _ number: UInt64, roles: NodeRoles = .all, isEmpty: Bool = true
  ) throws -> NodeRecord {
    try NodeRecord(
      node: NodeID(name), identity: NodeIdentity(Hash128(high: 0, low: number)), address: PeerAddress(name + ":1"),
      roles: roles, isEmpty: isEmpty)
  }

  /// What "a" does when the others have answered.
  private func judged(
    _ own: NodeRecord? = nil, others: [Founding], seeds: [PeerAddress] = addresses
  ) throws -> Founding.Action? {
    var random = SeededGenerator(seed: 1)
    var founding = Founding(try own ?? record("a", 1), seeds: seeds)
    let actions = founding.tick(now: 0, using: &random)
    var last = actions.last
    for case .send(let question, let address) in actions {
      for var other in others {
        for case .send(let answer, _) in other.receive(question, from: PeerAddress("a:1"), now: 0)
        where address.text.hasPrefix(answer.sender.voter.node.rawValue) {
          last = founding.receive(answer, from: address, now: 0).last ?? last
        }
      }
    }
    return last
  }

  private func other(_ record: NodeRecord, seeds: [PeerAddress] = addresses) -> Founding {
    Founding(record, seeds: seeds)
  }

  @Test("All seeds found a cluster, and the first by name leads")
  func all() throws {
    let (b, c) = (try record("b", 2), try record("c", 3))
    let members = [TopologyMember(try record("a", 1)), TopologyMember(b), TopologyMember(c)]
    #expect(try judged(others: [other(c), other(b)]) == .founds(members, leads: true))
    #expect(try judged(others: [other(b)]) == .waits(.silent([PeerAddress("c:1")])))
    #expect(try judged(record("a", 1, isEmpty: false), others: [], seeds: []) != nil)
  }

  @Test("Who waits says for what")
  func obstacles() throws {
    let (b, c) = (try record("b", 2), try record("c", 3))
    var knowing = other(b)
    knowing.learned(
      try .founding(clusterID: Hash128(high: 0, low: 1), replicaCount: 1, writeQuorum: 1, members: [TopologyMember(b)]))
    let cases: [([Founding], FoundingObstacle)] = [
      ([knowing, other(c)], .clusterKnown(by: NodeID("b"), epoch: 1)),
      ([other(b, seeds: [PeerAddress("b:1")]), other(c)], .otherSeeds(NodeID("b"))),
      ([other(b), other(try record("c", 3, roles: .query))], .notStorage(NodeID("c"))),
      ([other(b), other(try record("c", 3, isEmpty: false))], .notEmpty(NodeID("c"))),
      ([other(b), other(try record("c", 2))], .alike(NodeID("c"))),
    ]
    for (others, obstacle) in cases {
      #expect(try judged(others: others) == .waits(obstacle))
      #expect(!obstacle.description.isEmpty)
    }
    #expect(try judged(others: [], seeds: [PeerAddress("b:1")]) == .waits(.notASeed))
  }

  @Test("What was answered long ago does not count, and nothing is founded once there is a cluster")
  func ages() throws {
    var random = SeededGenerator(seed: 1)
    let (a, b) = (try record("a", 1), try record("b", 2))
    let seeds = [PeerAddress("a:1"), PeerAddress("b:1")]
    var founding = Founding(a, seeds: seeds)
    _ = founding.tick(now: 0, using: &random)
    let voter = TopologyVoter(b.node, b.identity)
    var asked = other(b, seeds: seeds)
    let question = TopologyMessage(sender: .init(voter: voter, cluster: nil, epoch: 0), body: .inquire)
    guard case .send(let answer, _)? = asked.receive(question, from: seeds[0], now: 0).first else {
      Issue.record("no answer")
      return
    }
    let founds = Founding.Action.founds([TopologyMember(a), TopologyMember(b)], leads: true)
    #expect(founding.receive(answer, from: seeds[1], now: 0) == [founds])
    #expect(founding.tick(now: 4_000_000_000, using: &random).contains(founds))
    #expect(founding.tick(now: 9_000_000_000, using: &random).contains(.waits(.silent([seeds[1]]))))
    founding.learned(
      try .founding(clusterID: Hash128(high: 0, low: 1), replicaCount: 1, writeQuorum: 1, members: [TopologyMember(a)]))
    #expect(founding.tick(now: 20_000_000_000, using: &random).isEmpty && founding.nextTick == nil)
    #expect(founding.receive(question, from: seeds[1], now: 0).count == 1)
  }

  @Test("A node without seeds waits until it would have been heard of, and founds nothing beside others")
  func alone() throws {
    var random = SeededGenerator(seed: 1)
    var options = FoundingOptions()
    options.aloneAfter = 15_000_000_000
    let a = try record("a", 1)
    var founding = Founding(a, seeds: [], options: options)
    #expect(founding.tick(now: 0, using: &random) == [.waits(.listening)])
    #expect(founding.tick(now: 16_000_000_000, using: &random) == [.founds([TopologyMember(a)], leads: true)])
    founding.setOthers([PeerAddress("b:1")])
    #expect(founding.tick(now: 20_000_000_000, using: &random).contains(.waits(.silent([PeerAddress("b:1")]))))
  }
}
