// Which nodes hold the slots of a cluster, as its nodes agreed on it. Topology+Changes.swift makes the next one of it,
// `TopologyRegister` has the nodes agree on that.

import NeedletailTelemetry

/// Who holds the slots of a cluster, and who is about to: one value in a row of them that are numbered by `epoch`.
///
/// Each follows from the one before by one change that the nodes agreed on. So whoever has the same epoch of the same
/// cluster has the same topology.
package struct Topology: Hashable, Sendable {
  package static let membersMax = 1024
  package static let replicaCountMax = 15
  package static let epochMax: UInt64 = 1 << 53
  /// How many past rings are kept, and how many members they have in all.
  static let pastRingsMax = 16
  static let pastMembersMax = 4 * membersMax

  /// Drawn when the cluster was founded; never changes.
  package let clusterID: Hash128
  /// Who decides on the topology that follows; never changes.
  package let decider: TopologyDecider
  /// 1 for the topology with which the cluster was founded.
  package internal(set) var epoch: UInt64
  package let slotCount: Int
  /// By which N and W `ring` holds the slots.
  package internal(set) var replication: Replication
  /// By which those hold them that are beside it; those of `ring` where no change is under way.
  var besideReplication: Replication
  /// Who holds the slots, and is read from; sorted by node, at least one.
  package internal(set) var ring: [TopologyMember]
  /// Who takes the writes as well while a change is under way: before its commit those who will hold the slots, after it
  /// those who held them; nil where none is.
  var beside: [TopologyMember]?
  /// The epochs since which `ring` and `beside` hold their slots; without `beside` the second is 0.
  ///
  /// Who will hold them came later than the ring, who held them came earlier.
  var ringSince: UInt64
  var besideSince: UInt64 = 0
  /// Rings that are over, in the order in which they ended.
  var history: [PastRing] = []
  /// The first epoch since which `history` has every ring.
  var horizon: UInt64 = 1

  /// The first topology of a cluster. `members` may come in any order.
  package static func founding(
    clusterID: Hash128, slotCount: Int = SlotMap.defaultCount, replicaCount: Int, writeQuorum: Int,
    members: [TopologyMember], decider: TopologyDecider = .members
  ) throws(TopologyError) -> Topology {
    let ring = members.sorted { $0.node < $1.node }.map { member in
      var member = member
      member.joined = 1
      return member
    }
    let replication = Replication(count: replicaCount, writeQuorum: writeQuorum)
    let topology = Topology(
      clusterID: clusterID, decider: decider, epoch: 1, slotCount: slotCount, replication: replication,
      besideReplication: replication, ring: ring, ringSince: 1)
    try topology.check()
    return topology
  }

  // MARK: What follows from it

  package var slots: SlotMap { SlotMap(count: slotCount) ?? .standard }

  /// How many nodes hold each slot, where there are as many.
  package var replicaCount: Int { replication.count }

  /// How many of them have to have a write before it is acknowledged.
  package var writeQuorum: Int { replication.writeQuorum }

  /// How many ready replicas have to agree on an answer.
  package var readQuorum: Int { replication.readers(of: replicaCount) }

  /// Who holds which slot: reads go there, and writes. O(slots x nodes x replicas): keep it.
  package var assignment: SlotAssignment { assignment(of: ring.map(\.ringMember), replicaCount: replicaCount) }

  /// Who will hold the slots once the change that is under way is committed; nil where none is, or is committed.
  package var next: [TopologyMember]? { besideSince > ringSince ? beside : nil }

  /// Who held the slots before the change that is committed and not over; nil where there is none.
  ///
  /// Somebody who has not heard of the commit still reads from them, so that they take the writes too until enough of
  /// them have heard of it.
  package var former: [TopologyMember]? { besideSince < ringSince ? beside : nil }

  /// The N and W of `next`; nil where that is nil.
  package var nextReplication: Replication? { next == nil ? nil : besideReplication }

  /// The N and W of `former`; nil where that is nil.
  package var formerReplication: Replication? { former == nil ? nil : besideReplication }

  /// Those of the nodes that take the writes as well while a change is under way; nil where none is.
  package var sideReplication: Replication? { beside == nil ? nil : besideReplication }

  /// Who will hold which slot after the change. Nil where none is under way, or is committed.
  package var nextAssignment: SlotAssignment? { next == nil ? nil : besideAssignment }

  /// Who takes the writes of which slot beside those who hold it. Nil where no change is under way.
  package var besideAssignment: SlotAssignment? {
    beside.map { assignment(of: $0.map(\.ringMember), replicaCount: besideReplication.count) }
  }

  func assignment(of members: [RingMember], replicaCount: Int) -> SlotAssignment {
    SlotAssignment(HashRing(members), slots: slots, replicaCount: replicaCount)
  }

  /// The node as it is in `ring`, or in the change that is under way.
  package func member(_ node: NodeID) -> TopologyMember? {
    Self.find(node, in: ring) ?? beside.flatMap { Self.find(node, in: $0) }
  }

  /// All of `ring` and of the change that is under way, each node once, sorted.
  package var members: [TopologyMember] {
    guard let beside else { return ring }
    let added = beside.filter { Self.find($0.node, in: ring) == nil }
    return added.isEmpty ? ring : (ring + added).sorted { $0.node < $1.node }
  }

  static func find(_ node: NodeID, in members: [TopologyMember]) -> TopologyMember? {
    var range = members.indices
    while !range.isEmpty {
      let middle = range.lowerBound + range.count / 2
      if members[middle].node == node { return members[middle] }
      range = members[middle].node < node ? (middle + 1)..<range.upperBound : range.lowerBound..<middle
    }
    return nil
  }

  // MARK: What it may be

  /// Throws where the values are none that founding and changes make: what comes from outside is read through this.
  func check() throws(TopologyError) {
    guard (1...Self.epochMax).contains(epoch) else { throw .invalid("the epoch \(epoch)") }
    guard (1...SlotMap.countMax).contains(slotCount) else { throw .invalid("the number of slots \(slotCount)") }
    try replication.check()
    try besideReplication.check()
    try Self.check(ring, epoch)
    guard (1...epoch).contains(ringSince), (1...epoch).contains(horizon) else { throw .invalid("the age of a ring") }
    if let beside {
      try Self.check(beside, epoch)
      guard (1...epoch).contains(besideSince), besideSince != ringSince else { throw .invalid("the age of a change") }
      for member in beside {
        guard let old = Self.find(member.node, in: ring) else { continue }
        // Its weight and its zone may be what the change is about, its disk not.
        guard old.isSameDisk(as: member) else { throw .invalid("a node that is two things at once") }
      }
    } else {
      guard besideSince == 0, besideReplication == replication else { throw .invalid("the age of a change") }
    }
    guard Set(members.map(\.identity)).count == members.count else { throw .invalid("an identity of two nodes") }
    try checkHistory()
  }

  private static func check(_ members: [TopologyMember], _ epoch: UInt64) throws(TopologyError) {
    guard !members.isEmpty else { throw .invalid("a ring without nodes") }
    guard members.count <= membersMax else { throw .tooManyMembers(members.count) }
    guard zip(members, members.dropFirst()).allSatisfy({ $0.node < $1.node }) else {
      throw .invalid("a ring that names a node twice")
    }
    guard members.allSatisfy({ (1...epoch).contains($0.joined) && $0.weight > 0 }) else {
      throw .invalid("the age or weight of a node")
    }
  }

  private func checkHistory() throws(TopologyError) {
    var (last, count) = (horizon - 1, 0)
    for past in history {
      guard past.epochs.lowerBound > 0, past.epochs.upperBound > last, past.epochs.upperBound < epoch,
        !past.members.isEmpty, (1...Self.replicaCountMax).contains(past.replicaCount)
      else { throw .invalid("the age of a past ring") }
      guard zip(past.members, past.members.dropFirst()).allSatisfy({ $0.node < $1.node }) else {
        throw .invalid("a past ring that names a node twice")
      }
      last = past.epochs.upperBound
      count += past.members.count
    }
    guard history.count <= Self.pastRingsMax, count <= Self.pastMembersMax else {
      throw .invalid("more past rings than are kept")
    }
  }
}
