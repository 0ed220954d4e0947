// Bytes of a topology: docs/formats/topology.md.

import NeedletailTelemetry

extension Topology {
  /// Of clusters whose members vote; they have the bytes that they always had.
  static let version: UInt8 = 2
  /// Of those where another one decides, which follows.
  static let versionWithDecider: UInt8 = 3
  /// The bytes of a topology, at the most.
  package static let bytesMax = 2 << 20
  /// No member, and no member of a past ring, has a shorter form.
  private static let memberBytesMin = 22
  static let pastMemberBytesMin = 4

  /// The byte form.
  package var encoded: [UInt8] {
    var writer = ByteWriter(reserving: 256)
    encode(to: &writer)
    return writer.bytes
  }

  /// What tells it from any other: a hash of its bytes. O(members).
  package var digest: Hash128 { encoded.withUnsafeBytes { Hash128.of($0) } }

  func encode(to writer: inout ByteWriter) {
    writer.append(decider == .members ? Self.version : Self.versionWithDecider)
    if decider != .members { writer.append(decider.rawValue) }
    writer.append(clusterID)
    writer.append(epoch)
    writer.appendVarint(UInt64(slotCount))
    replication.encode(to: &writer)
    writer.appendVarint(ringSince)
    writer.appendVarint(besideSince)
    Self.encode(ring, to: &writer)
    if let beside {
      besideReplication.encode(to: &writer)
      Self.encode(beside, to: &writer)
    }
    writer.appendVarint(horizon)
    writer.appendVarint(UInt64(history.count))
    for past in history { past.encode(to: &writer) }
  }

  private static func encode(_ members: [TopologyMember], to writer: inout ByteWriter) {
    writer.appendVarint(UInt64(members.count))
    for member in members {
      member.ringMember.encode(to: &writer)
      writer.append(member.identity.bits)
      writer.appendVarint(UInt64(member.losses))
      writer.appendVarint(member.joined)
    }
  }

  /// Reads one; throws on what founding and changes never make.
  package init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    guard bytes.count <= Self.bytesMax else { throw .invalid("a topology is too long") }
    self = try bytes.withReader { (reader) throws(MalformedBytes) in
      let topology = try Topology(decoding: &reader)
      try reader.expectEnd()
      return topology
    }
  }

  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    switch try reader.read(UInt8.self) {
    case Self.version: decider = .members
    case Self.versionWithDecider: decider = try Self.decider(&reader)
    case Self.firstVersion:
      self = try Topology(decodingFirstVersion: &reader)
      return
    default: throw .invalid("an unknown version of a topology")
    }
    clusterID = try reader.readHash()
    epoch = try reader.read()
    slotCount = try reader.readNumber()
    replication = try Replication(decoding: &reader)
    ringSince = try reader.readVarint()
    besideSince = try reader.readVarint()
    ring = try Self.members(&reader)
    besideReplication = besideSince == 0 ? replication : try Replication(decoding: &reader)
    beside = besideSince == 0 ? nil : try Self.members(&reader)
    horizon = try reader.readVarint()
    var room = Self.pastMembersMax
    for _ in 0..<(try reader.readCount(max: Self.pastRingsMax)) {
      let past = try PastRing(decoding: &reader, membersMax: room, memberBytesMin: Self.pastMemberBytesMin)
      room -= past.members.count
      history.append(past)
    }
    do { try check() } catch { throw .invalid("a topology that no cluster can have") }
  }

  private static func decider(_ reader: inout ByteReader) throws(MalformedBytes) -> TopologyDecider {
    guard let decider = TopologyDecider(rawValue: try reader.read()), decider != .members else {
      throw .invalid("an unknown decider of a topology")
    }
    return decider
  }

  static func members(_ reader: inout ByteReader) throws(MalformedBytes) -> [TopologyMember] {
    var members: [TopologyMember] = []
    for _ in 0..<(try reader.readCount(max: membersMax, elementBytes: memberBytesMin)) {
      members.append(try TopologyMember(decoding: &reader))
    }
    return members
  }
}

extension Replication {
  fileprivate func encode(to writer: inout ByteWriter) {
    writer.append(UInt8(truncatingIfNeeded: count))
    writer.append(UInt8(truncatingIfNeeded: writeQuorum))
  }

  fileprivate init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    count = Int(try reader.read(UInt8.self))
    writeQuorum = Int(try reader.read(UInt8.self))
  }
}

extension TopologyMember {
  fileprivate init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    let member = try RingMember(decoding: &reader)
    node = member.node
    zone = member.zone
    weight = member.weight
    identity = NodeIdentity(try reader.readHash())
    guard let losses = UInt32(exactly: try reader.readVarint()) else { throw .invalid("the losses of a node") }
    self.losses = losses
    joined = try reader.readVarint()
  }
}

extension RingMember {
  fileprivate func encode(to writer: inout ByteWriter) {
    writer.appendPrefixed(node.rawValue)
    writer.append(UInt8(zone == nil ? 0 : 1))
    if let zone { writer.appendPrefixed(zone) }
    writer.appendVarint(UInt64(weight))
  }

  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    node = NodeID(try NodeRecord.text(&reader, max: NodeRecord.nameBytesMax))
    switch try reader.read(UInt8.self) {
    case 0: zone = nil
    case 1: zone = try NodeRecord.text(&reader, max: NodeRecord.zoneBytesMax)
    default: throw .invalid("unknown flags of a node")
    }
    guard let weight = UInt32(exactly: try reader.readVarint()), weight > 0 else {
      throw .invalid("the weight of a node")
    }
    self.weight = weight
  }
}

extension PastRing {
  fileprivate func encode(to writer: inout ByteWriter) {
    writer.appendVarint(epochs.lowerBound)
    writer.appendVarint(epochs.upperBound)
    writer.append(UInt8(truncatingIfNeeded: replicaCount))
    writer.appendVarint(UInt64(members.count))
    for member in members { member.encode(to: &writer) }
  }

  fileprivate init(
    decoding reader: inout ByteReader, membersMax: Int, memberBytesMin: Int
  ) throws(MalformedBytes) {
    let (first, last) = (try reader.readVarint(), try reader.readVarint())
    guard first <= last else { throw .invalid("a past ring that ends before it begins") }
    epochs = first...last
    replicaCount = Int(try reader.read(UInt8.self))
    var members: [RingMember] = []
    for _ in 0..<(try reader.readCount(max: membersMax, elementBytes: memberBytesMin)) {
      members.append(try RingMember(decoding: &reader))
    }
    self.members = members
  }
}
