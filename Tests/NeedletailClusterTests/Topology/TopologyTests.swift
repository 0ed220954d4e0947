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
      .finished().draining(NodeID("a"))
    let hex = topology.encoded.map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
    #expect(hex == Self.golden)
  }

  private static let golden =
    "010200000000000000010000000000000006000000000000001003020206040161000101000000000000000000000000"
    + "000000000101620001020000000000000000000000000000000101016300010300000000000000000000000000000000"
    + "010164010178010400000000000000000000000000000000020301620001020000000000000000000000000000000101"
    + "016300010300000000000000000000000000000000010164010178010400000000000000000000000000000000020101"
    + "010403016100010162000101630001"

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
    for error in [TopologyError.lastNode(NodeID("a")), .changeUnderWay(to: []), .epochsUsedUp, .invalid("this")] {
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
