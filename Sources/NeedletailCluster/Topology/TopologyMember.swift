/// A node that holds slots, as all nodes of the cluster agreed on it.
package struct TopologyMember: Hashable, Sendable {
  package let node: NodeID
  /// Which disk of the node it is that holds them.
  package internal(set) var identity: NodeIdentity
  /// What fails together with it; nil where nobody said.
  package internal(set) var zone: String?
  /// How large a share of the slots it takes, relative to the others'; at least 1.
  package internal(set) var weight: UInt32
  /// How often something durable on this node was found unreadable.
  package internal(set) var losses: UInt32 = 0
  /// The epoch since which this identity is named under this name.
  package internal(set) var joined: UInt64 = 0

  /// Throws where a text is none that a node's record may have, or the weight is 0.
  package init(
    node: NodeID, identity: NodeIdentity, zone: String? = nil, weight: UInt32 = 1
  ) throws(TopologyError) {
    guard Self.isFit(node.rawValue, NodeRecord.nameBytesMax) else { throw .invalid("the name of a node") }
    if let zone, !Self.isFit(zone, NodeRecord.zoneBytesMax) { throw .invalid("the zone of a node") }
    guard weight > 0 else { throw .invalid("the weight of a node, which is at least 1,") }
    self.node = node
    self.identity = identity
    self.zone = zone
    self.weight = weight
  }

  /// The node as it says of itself.
  package init(_ record: NodeRecord) {
    node = record.node
    identity = record.identity
    zone = record.zone
    weight = record.weight
  }

  /// The node as the ring sees it.
  package var ringMember: RingMember { RingMember(node, zone: zone, weight: weight) }

  /// Whether this is the same node with the same disk, with what was lost on it; its share and zone may differ.
  func isSameDisk(as other: TopologyMember) -> Bool {
    node == other.node && identity == other.identity && losses == other.losses && joined == other.joined
  }

  static func isFit(_ text: String, _ bytesMax: Int) -> Bool {
    (1...bytesMax).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
  }
}
