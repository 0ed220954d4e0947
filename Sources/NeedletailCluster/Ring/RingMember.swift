/// A node as the ring sees it.
package struct RingMember: Hashable, Sendable {
  package var node: NodeID
  /// What fails together, such as a rack or a site; nil where nobody said.
  package var zone: String?
  /// How large a share of the slots it takes, relative to the others': by the size of its disks. 0 counts as 1.
  package var weight: UInt32

  package init(_ node: NodeID, zone: String? = nil, weight: UInt32 = 1) {
    self.node = node
    self.zone = zone
    self.weight = weight
  }
}
