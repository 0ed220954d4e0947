import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

/// Topologies as programs wrote them that knew one N and W for a cluster's whole life.
@Suite("The first version of a topology's bytes") struct FirstTopologyBytesTests {
  /// The writer of that time.
  private func firstBytes(of topology: Topology) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(UInt8(1))
    writer.append(topology.clusterID)
    writer.append(topology.epoch)
    writer.appendVarint(UInt64(topology.slotCount))
    writer.append(UInt8(topology.replicaCount))
    writer.append(UInt8(topology.writeQuorum))
    writer.appendVarint(topology.ringSince)
    writer.appendVarint(topology.besideSince)
    append(topology.ring, to: &writer)
    if let beside = topology.beside { append(beside, to: &writer) }
    writer.appendVarint(topology.horizon)
    writer.appendVarint(UInt64(topology.history.count))
    for past in topology.history {
      writer.appendVarint(past.epochs.lowerBound)
      writer.appendVarint(past.epochs.upperBound)
      writer.appendVarint(UInt64(past.members.count))
      for member in past.members { append(member, to: &writer) }
    }
    return writer.bytes
  }

  private func append(_ members: [TopologyMember], to writer: inout ByteWriter) {
    writer.appendVarint(UInt64(members.count))
    for member in members {
      append(member.ringMember, to: &writer)
      writer.append(member.identity.bits)
      writer.appendVarint(UInt64(member.losses))
      writer.appendVarint(member.joined)
    }
  }

  private func append(_ member: RingMember, to writer: inout ByteWriter) {
    writer.appendPrefixed(member.node.rawValue)
    writer.append(UInt8(member.zone == nil ? 0 : 1))
    if let zone = member.zone { writer.appendPrefixed(zone) }
    writer.appendVarint(UInt64(member.weight))
  }

  /// A topology that such a program could have made: one N and W all the while.
  private func topology(seed: UInt64) throws -> Topology {
    var generator = TopologyGenerator(seed: seed)
    var topology = try generator.founding()
    for _ in 0..<40 {
      guard let next = try generator.changed(topology), next.replication == topology.replication,
        next.besideReplication == topology.replication
      else { continue }
      topology = next
    }
    return topology
  }

  @Test("A topology of the first version is read as what it said", arguments: 0..<100 as Range<UInt64>)
  func read(seed: UInt64) throws {
    let topology = try topology(seed: seed)
    #expect(try Topology(decoding: firstBytes(of: topology)) == topology, "seed \(seed)")
  }

  @Test("What a node kept in the first version it still knows, and has promised", arguments: 0..<20 as Range<UInt64>)
  func state(seed: UInt64) throws {
    let topology = try topology(seed: seed)
    let own = topology.ring[0]
    let next = try topology.damaged(own.node)
    let ballot = Ballot(round: 7, voter: TopologyVoter(own.node, own.identity))
    var writer = ByteWriter()
    writer.append(UInt8(1))
    writer.append(UInt8(7))
    writer.append(firstBytes(of: topology)[...])
    ballot.encode(to: &writer)
    ballot.encode(to: &writer)
    writer.append(firstBytes(of: next)[...])
    writer.append(writer.bytes.withUnsafeBytes { xxHash64($0) })

    let state = try TopologyState(decoding: writer.bytes)
    #expect(state.topology == topology && state.promised == ballot, "seed \(seed)")
    #expect(state.accepted == .init(ballot: ballot, topology: next), "seed \(seed)")
    #expect(try TopologyState(decoding: state.encoded) == state, "seed \(seed)")
  }

  @Test("Bytes of the first version that end too early or go on are refused", arguments: 0..<10 as Range<UInt64>)
  func truncated(seed: UInt64) throws {
    let bytes = firstBytes(of: try topology(seed: seed))
    for count in bytes.indices {
      #expect(throws: MalformedBytes.self, "seed \(seed)") { try Topology(decoding: Array(bytes[..<count])) }
    }
    #expect(throws: MalformedBytes.self) { try Topology(decoding: bytes + [0]) }
  }

  @Test("Mutated bytes of the first version give an error or a topology", arguments: 0..<100 as Range<UInt64>)
  func mutated(seed: UInt64) throws {
    var generator = TopologyGenerator(seed: seed)
    let bytes = firstBytes(of: try topology(seed: seed))
    for _ in 0..<20 {
      guard let topology = try? Topology(decoding: generator.mutated(bytes)) else { continue }
      #expect(try Topology(decoding: topology.encoded) == topology, "seed \(seed)")
    }
  }
}
