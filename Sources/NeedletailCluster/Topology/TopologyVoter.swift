import NeedletailTelemetry

/// A node that takes part in a decision, with the disk on which it keeps what it promised: another disk has forgotten it
/// and is another voter.
package struct TopologyVoter: Hashable, Comparable, Sendable {
  package let node: NodeID
  package let identity: NodeIdentity

  package init(_ node: NodeID, _ identity: NodeIdentity) {
    self.node = node
    self.identity = identity
  }

  package static func < (left: Self, right: Self) -> Bool {
    left.node != right.node ? left.node < right.node : left.identity < right.identity
  }

  func encode(to writer: inout ByteWriter) {
    writer.appendPrefixed(node.rawValue)
    writer.append(identity.bits)
  }

  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    node = NodeID(try NodeRecord.text(&reader, max: NodeRecord.nameBytesMax))
    identity = NodeIdentity(try reader.readHash())
  }

  /// What tells a set of voters from others.
  static func digest(_ voters: [TopologyVoter]) -> Hash128 {
    var writer = ByteWriter()
    for voter in voters { voter.encode(to: &writer) }
    return writer.bytes.withUnsafeBytes { Hash128.of($0) }
  }
}

extension Topology {
  /// Who decides on the next topology: those that hold the slots.
  ///
  /// Who is about to has no vote yet: it may never have been there, or may have lost the disk that is named.
  package var electorate: TopologyElectorate {
    let oldest = ring.min { ($0.joined, $0.node) < ($1.joined, $1.node) }
    return TopologyElectorate(
      ring.map { TopologyVoter($0.node, $0.identity) }, chair: oldest.map { TopologyVoter($0.node, $0.identity) })
  }

  /// What a decision on the next topology rests on: who knows another topology, or by another rule of who votes, does not
  /// take part in it.
  var basis: Hash128 {
    var writer = ByteWriter()
    writer.append(digest)
    // The ring votes. Where those beside it voted too this was left out.
    writer.append(UInt8(2))
    return writer.bytes.withUnsafeBytes { Hash128.of($0) }
  }

  /// The voters that are not `present`, where these could decide nothing once the change that is under way is committed; empty
  /// where they could. Throws where none is under way.
  package func votersMissed(by present: Set<TopologyVoter>) throws(TopologyError) -> [NodeID] {
    try committed().electorate.missed(by: present)
  }

  /// The voters that are not `present`, where these can decide nothing now; empty where they can.
  package func votersMissedNow(by present: Set<TopologyVoter>) -> [NodeID] { electorate.missed(by: present) }
}

extension TopologyElectorate {
  fileprivate func missed(by present: Set<TopologyVoter>) -> [NodeID] {
    decides(present) ? [] : voters.filter { !present.contains($0) }.map(\.node)
  }
}
