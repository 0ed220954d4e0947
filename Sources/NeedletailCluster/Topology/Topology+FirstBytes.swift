// The first version of a topology's bytes, which is read and not written any more: docs/formats/topology.md.

import NeedletailTelemetry

extension Topology {
  static let firstVersion: UInt8 = 1

  /// Reads what follows the version: one N and W, which no change could make others, held for all of it.
  init(decodingFirstVersion reader: inout ByteReader) throws(MalformedBytes) {
    decider = .members
    clusterID = try reader.readHash()
    epoch = try reader.read()
    slotCount = try reader.readNumber()
    let (count, quorum) = (try reader.read(UInt8.self), try reader.read(UInt8.self))
    replication = Replication(count: Int(count), writeQuorum: Int(quorum))
    besideReplication = replication
    ringSince = try reader.readVarint()
    besideSince = try reader.readVarint()
    ring = try Self.members(&reader)
    beside = besideSince == 0 ? nil : try Self.members(&reader)
    horizon = try reader.readVarint()
    var room = Self.pastMembersMax
    for _ in 0..<(try reader.readCount(max: Self.pastRingsMax)) {
      let past = try PastRing(decodingFirstVersion: &reader, replicaCount: replication.count, membersMax: room)
      room -= past.members.count
      history.append(past)
    }
    do { try check() } catch { throw .invalid("a topology that no cluster can have") }
  }
}

extension PastRing {
  fileprivate init(
    decodingFirstVersion reader: inout ByteReader, replicaCount: Int, membersMax: Int
  ) throws(MalformedBytes) {
    let (first, last) = (try reader.readVarint(), try reader.readVarint())
    guard first <= last else { throw .invalid("a past ring that ends before it begins") }
    var members: [RingMember] = []
    for _ in 0..<(try reader.readCount(max: membersMax, elementBytes: Topology.pastMemberBytesMin)) {
      members.append(try RingMember(decoding: &reader))
    }
    self.init(epochs: first...last, replicaCount: replicaCount, members: members)
  }
}
