import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("Topology") struct TopologyTests {
  private func identity(_ number: UInt64) -> NodeIdentity { NodeIdentity(Hash128(high: 0, low: number)) }

  private func member(_ name: String, _ number: UInt64, zone: String? = nil) throws -> TopologyMember {
    try TopologyMember(node: NodeID(name), identity: identity(number), zone: zone)
  }

  private func three() throws -> Topology {
    try .founding(
      clusterID: Hash128(high: 1, low: 2), slotCount: 16, replicaCount: 3, writeQuorum: 2,
      members: [try member("c", 3), try member("a", 1), try member("b", 2)])
  }

  @Test(
    "A topology comes back from its bytes, and no more bytes than there may be", arguments: 0..<100 as Range<UInt64>)
  func roundTrip(seed: UInt64) throws {
    var generator = TopologyGenerator(seed: seed)
    let topology = try generator.topology()
    #expect(try Topology(decoding: topology.encoded) == topology, "seed \(seed)")
    #expect(topology.encoded.count <= Topology.bytesMax)
    #expect(topology.history.count <= Topology.pastRingsMax)
  }

  @Test("Bytes that end too early are refused, wherever they end", arguments: 0..<10 as Range<UInt64>)
  func truncated(seed: UInt64) throws {
    var generator = TopologyGenerator(seed: seed)
    let bytes = try generator.topology().encoded
    for count in bytes.indices {
      #expect(throws: MalformedBytes.self, "seed \(seed), \(count) bytes") {
        try Topology(decoding: Array(bytes[..<count]))
      }
    }
    #expect(throws: MalformedBytes.self) { try Topology(decoding: bytes + [0]) }
  }

  @Test(
    "Mutated bytes give an error or a topology with which everything can be done", arguments: 0..<200 as Range<UInt64>)
  func mutated(seed: UInt64) throws {
    var generator = TopologyGenerator(seed: seed)
    for _ in 0..<20 {
      let bytes = generator.mutated(try generator.topology().encoded)
      guard let topology = try? Topology(decoding: bytes), topology.slotCount < 20 else { continue }
      #expect(try Topology(decoding: topology.encoded) == topology, "seed \(seed)")
      _ = try generator.changed(topology)
      for member in topology.members { _ = SlotTenures(of: member.node, identity: member.identity, in: topology) }
    }
  }

  @Test("The form of a topology is part of what versions agree on: this one never changes")
  func golden() throws {
    let topology = try three().adding(try member("d", 4, zone: "x")).damaged(NodeID("b")).committed()
      .finished().draining(NodeID("a")).cancelled().replicating(Replication(count: 4, writeQuorum: 3))
    let hex = topology.encoded.map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
    #expect(hex == Self.golden)
  }

  private static let golden =
    "020200000000000000010000000000000008000000000000001003020208040161000101000000000000000000000000"
    + "000000000101620001020000000000000000000000000000000101016300010300000000000000000000000000000000"
    + "010164010178010400000000000000000000000000000000020403040161000101000000000000000000000000000000"
    + "000101620001020000000000000000000000000000000101016300010300000000000000000000000000000000010164"
    + "010178010400000000000000000000000000000000020102010403030161000101620001016300010606030301620001"
    + "01630001016401017801"

  @Test("The largest topology fits into its limit")
  func largest() throws {
    let long = String(repeating: "n", count: NodeRecord.nameBytesMax - 4)
    var members: [TopologyMember] = []
    for number in 0..<Topology.membersMax {
      members.append(
        try TopologyMember(
          node: NodeID(long + String(1000 + number)), identity: identity(UInt64(number)),
          zone: String(repeating: "z", count: NodeRecord.zoneBytesMax), weight: .max))
    }
    var topology = try Topology.founding(
      clusterID: Hash128(high: 1, low: 1), slotCount: SlotMap.countMax, replicaCount: 3, writeQuorum: 2,
      members: members)
    topology.epoch = Topology.epochMax - 100
    for _ in 0..<10 { topology = try topology.draining(members[0].node).cancelled() }
    for index in topology.ring.indices {
      topology.ring[index].losses = .max
      topology.ring[index].joined = topology.epoch
    }
    topology = try topology.draining(members[0].node)
    #expect(topology.encoded.count <= Topology.bytesMax)
    #expect(try Topology(decoding: topology.encoded) == topology)
    #expect(throws: TopologyError.tooManyMembers(1025)) { try topology.cancelled().adding(try member("z", 9999)) }
  }

  @Test("A change begins, takes losses in, and is taken back, or committed and then over")
  func changes() throws {
    let founded = try three()
    #expect(founded.epoch == 1 && founded.readQuorum == 2)
    #expect(founded.ring.map(\.node.rawValue) == ["a", "b", "c"] && founded.next == nil)
    var added = try founded.adding(try member("d", 4))
    #expect(added.epoch == 2 && added.ring == founded.ring)
    #expect(added.next?.map(\.node.rawValue) == ["a", "b", "c", "d"])
    #expect(added.members.map(\.node.rawValue) == ["a", "b", "c", "d"])
    added = try added.replacing(NodeID("a"), with: identity(11)).damaged(NodeID("d")).damaged(NodeID("b"))
    #expect(added.epoch == 5)
    #expect(added.ring[0].identity == identity(11) && added.next?[0] == added.ring[0])
    #expect(added.next?[3].losses == 1 && added.ring[1].losses == 1)
    let (committed, cancelled) = (try added.committed(), try added.cancelled())
    #expect(committed.epoch == 6 && committed.ring == added.next && committed.former == added.ring)
    #expect(committed.next == nil && added.former == nil && committed.members == added.members)
    let over = try committed.damaged(NodeID("a")).finished()
    #expect(try over.epoch == 8 && over.ring == committed.damaged(NodeID("a")).ring)
    #expect(over.former == nil && over.next == nil)
    #expect(cancelled.epoch == 6 && cancelled.ring == added.ring && cancelled.next == nil)
    #expect(try over.draining(NodeID("a")).committed().ring.map(\.node.rawValue) == ["b", "c", "d"])
  }

  @Test("A weight, a zone, N and W change as members do: they count after the commit, and not when it is taken back")
  func settings() throws {
    let founded = try three()
    let placed = try founded.placing(NodeID("b"), zone: "z", weight: 5)
    #expect(placed.ring == founded.ring && placed.next?[1].zone == "z" && placed.next?[1].weight == 5)
    #expect(placed.members == founded.ring && placed.besideReplication == founded.replication)
    // Losses are of the disk, whatever its weight.
    let lost = try placed.replacing(NodeID("b"), with: identity(22)).damaged(NodeID("b"))
    #expect(lost.next?[1].identity == identity(22) && lost.ring[1].losses == 1 && lost.ring[1].weight == 1)
    #expect(try Topology(decoding: lost.encoded) == lost)
    #expect(try lost.cancelled().ring[1].weight == 1)
    let over = try lost.committed().finished()
    #expect(over.ring[1].weight == 5 && over.ring[1].zone == "z" && over.ring[1].identity == identity(22))
    #expect(try over.placing(NodeID("b"), zone: nil, weight: 5).committed().ring[1].zone == nil)

    let new = Replication(count: 2, writeQuorum: 2)
    let fewer = try founded.replicating(new)
    #expect(fewer.replicaCount == 3 && fewer.nextReplication == new && fewer.next == fewer.ring)
    #expect(fewer.assignment.replicaCount == 3 && fewer.nextAssignment?.replicaCount == 2)
    #expect(try fewer.cancelled().replication == founded.replication)
    let committed = try fewer.committed()
    #expect(committed.replication == new && committed.formerReplication == founded.replication)
    #expect(committed.assignment.replicaCount == 2 && committed.besideAssignment?.replicaCount == 3)
    let last = try committed.finished()
    #expect(last.replication == new && last.besideReplication == new && last.history.map(\.replicaCount) == [3])
    #expect(try Topology(decoding: committed.encoded) == committed && Topology(decoding: last.encoded) == last)
  }

  @Test("A node that is two things in one topology is refused, and so is one N without a change")
  func twoThings() throws {
    let placed = try three().placing(NodeID("b"), zone: "z", weight: 5)
    for body in [
      { (member: inout TopologyMember) in member.identity = self.identity(99) }, { $0.losses += 1 }, { $0.joined = 2 },
    ] {
      var wrong = placed
      var beside = try #require(wrong.beside)
      body(&beside[1])
      wrong.beside = beside
      #expect(throws: TopologyError.invalid("a node that is two things at once")) { try wrong.check() }
      #expect(throws: MalformedBytes.self) { try Topology(decoding: wrong.encoded) }
    }
    var wrong = try three()
    wrong.besideReplication = Replication(count: 2, writeQuorum: 1)
    #expect(throws: TopologyError.self) { try wrong.check() }
    wrong = try three().replicating(Replication(count: 2, writeQuorum: 1))
    wrong.besideReplication = Replication(count: 2, writeQuorum: 3)
    #expect(throws: MalformedBytes.self) { try Topology(decoding: wrong.encoded) }
  }

  @Test("What cannot be done says why")
  func errors() throws {
    let founded = try three()
    let draining = try founded.draining(NodeID("a"))
    #expect(throws: TopologyError.changeUnderWay(to: [NodeID("b"), NodeID("c")])) { try draining.draining(NodeID("b")) }
    #expect(throws: TopologyError.changeUnderWay(to: [NodeID("b"), NodeID("c")])) {
      try draining.adding(try member("d", 4))
    }
    #expect(throws: TopologyError.noChangeUnderWay) { try founded.committed() }
    #expect(throws: TopologyError.noChangeUnderWay) { try founded.cancelled() }
    #expect(throws: TopologyError.noChangeUnderWay) { try draining.finished() }
    #expect(throws: TopologyError.nothingToChange) { try founded.placing(NodeID("a"), zone: nil, weight: 1) }
    #expect(throws: TopologyError.unknownNode(NodeID("x"))) { try founded.placing(NodeID("x"), zone: nil, weight: 2) }
    #expect(throws: TopologyError.self) { try founded.placing(NodeID("a"), zone: nil, weight: 0) }
    #expect(throws: TopologyError.self) { try founded.placing(NodeID("a"), zone: "a b", weight: 1) }
    #expect(throws: TopologyError.nothingToChange) { try founded.replicating(founded.replication) }
    for (replicas, quorum) in [(0, 0), (3, 0), (3, 4), (16, 8)] {
      #expect(throws: TopologyError.self) {
        try founded.replicating(Replication(count: replicas, writeQuorum: quorum))
      }
    }
    #expect(throws: TopologyError.changeUnderWay(to: [NodeID("b"), NodeID("c")])) {
      try draining.replicating(Replication(count: 2, writeQuorum: 2))
    }
    let committed = try draining.committed()
    #expect(throws: TopologyError.changeCommitted) { try committed.cancelled() }
    #expect(throws: TopologyError.noChangeUnderWay) { try committed.committed() }
    #expect(throws: TopologyError.changeNotOver(to: [NodeID("b"), NodeID("c")])) {
      try committed.adding(try member("d", 4))
    }
    #expect(throws: TopologyError.unknownNode(NodeID("x"))) { try founded.removing(NodeID("x")) }
    #expect(throws: TopologyError.unknownNode(NodeID("x"))) { try founded.damaged(NodeID("x")) }
    #expect(throws: TopologyError.unknownNode(NodeID("x"))) { try founded.replacing(NodeID("x"), with: identity(9)) }
    #expect(throws: TopologyError.alreadyMember(NodeID("a"))) { try founded.adding(try member("a", 9)) }
    #expect(throws: TopologyError.alreadyMember(NodeID("a"))) { try founded.replacing(NodeID("a"), with: identity(1)) }
    #expect(throws: TopologyError.identityInUse(identity(2), by: NodeID("b"))) {
      try founded.adding(try member("d", 2))
    }
    #expect(throws: TopologyError.identityInUse(identity(2), by: NodeID("b"))) {
      try founded.replacing(NodeID("a"), with: identity(2))
    }
    let one = try Topology.founding(
      clusterID: Hash128(high: 1, low: 1), replicaCount: 1, writeQuorum: 1, members: [try member("a", 1)])
    #expect(throws: TopologyError.lastNode(NodeID("a"))) { try one.draining(NodeID("a")) }
    for error in [
      TopologyError.lastNode(NodeID("a")), .changeUnderWay(to: []), .nothingToChange, .epochsUsedUp, .invalid("this"),
    ] {
      #expect(!error.description.isEmpty)
    }
    for (replicas, quorum) in [(0, 0), (3, 0), (3, 4), (16, 8)] {
      #expect(throws: TopologyError.self) {
        try Topology.founding(
          clusterID: Hash128(high: 1, low: 1), replicaCount: replicas, writeQuorum: quorum,
          members: [try member("a", 1)])
      }
    }
    #expect(throws: TopologyError.self) { try TopologyMember(node: NodeID("a b"), identity: identity(1)) }
  }
}
