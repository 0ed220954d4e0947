// The ring that says which nodes hold which slots. It is a value that follows from the list of members alone: every
// node that knows the same members computes the same ring, and no message is needed to agree on it.

import NeedletailTelemetry

/// A node as the ring sees it.
package struct RingMember: Hashable, Sendable {
  package var node: NodeID
  /// What fails together, such as a rack or a site; nil where nobody said.
  package var zone: String?

  package init(_ node: NodeID, zone: String? = nil) {
    self.node = node
    self.zone = zone
  }
}

/// A hash ring with many virtual nodes for each node.
///
/// A virtual node's place is a hash of the node's name and a number, so that a node that joins takes its places out of
/// those of all others, and moves nothing between them.
package struct HashRing: Equatable, Sendable {
  package static let virtualNodesDefault = 512

  private struct Point: Equatable, Sendable {
    var position: UInt64
    var member: Int
  }

  /// Sorted by node; no node twice.
  package let members: [RingMember]
  private let points: [Point]
  private let zoneCount: Int

  /// Of several members with one name the first counts.
  ///
  /// O(n log n) in the number of virtual nodes of all members.
  package init(_ members: [RingMember], virtualNodes: Int = HashRing.virtualNodesDefault) {
    var seen: Set<NodeID> = []
    let sorted = members.filter { seen.insert($0.node).inserted }.sorted { $0.node < $1.node }
    self.members = sorted
    zoneCount = Set(sorted.map(Self.zone)).count
    var points: [Point] = []
    points.reserveCapacity(sorted.count * max(1, virtualNodes))
    for (index, member) in sorted.enumerated() {
      for number in 0..<UInt64(max(1, virtualNodes)) {
        points.append(Point(position: Self.position(of: Array(member.node.rawValue.utf8), seed: number), member: index))
      }
    }
    self.points = points.sorted { left, right in
      left.position != right.position ? left.position < right.position : left.member < right.member
    }
  }

  private static func position(of bytes: [UInt8], seed: UInt64) -> UInt64 {
    bytes.withUnsafeBytes { Hash128.of($0, seed: seed).high }
  }

  /// A member without a zone fails alone: it is a zone of its own.
  private static func zone(of member: RingMember) -> String {
    member.zone.map { "z" + $0 } ?? "n" + member.node.rawValue
  }

  /// The first `count` distinct nodes clockwise from where `slot` lies; fewer where there are fewer nodes.
  ///
  /// As long as there are zones without a replica, nodes of zones that have one are passed over.
  package func replicas(of slot: UInt16, count: Int) -> [NodeID] {
    guard !points.isEmpty, count > 0 else { return [] }
    let wanted = min(count, members.count)
    let start = firstPoint(at: Self.position(of: [UInt8(slot & 0xff), UInt8(slot >> 8)], seed: .max))
    var chosen: [Int] = []
    var zones: Set<String> = []
    var passedOver: [Int] = []
    for offset in 0..<points.count {
      let member = points[(start + offset) % points.count].member
      guard !chosen.contains(member), !passedOver.contains(member) else { continue }
      let zone = Self.zone(of: members[member])
      if zones.insert(zone).inserted { chosen.append(member) } else { passedOver.append(member) }
      if chosen.count == wanted || zones.count == zoneCount && chosen.count + passedOver.count >= wanted { break }
    }
    chosen += passedOver.prefix(wanted - chosen.count)
    return chosen.map { members[$0].node }
  }

  /// The first point at or after a position, going round.
  private func firstPoint(at position: UInt64) -> Int {
    var low = 0
    var high = points.count
    while low < high {
      let middle = (low + high) / 2
      if points[middle].position < position { low = middle + 1 } else { high = middle }
    }
    return low == points.count ? 0 : low
  }
}
