// When members that are registered in etcd found a cluster. That it is founded once follows from the transaction that
// creates its first decision; here it is only settled with whom.

/// With whom a cluster is founded in etcd, and who proposes it.
///
/// All that are registered with the role of storage, once there are as many as hold each slot, all are heard of, empty, and
/// nobody came or went for a while. The first by name proposes.
package struct EtcdFounding: Sendable {
  package enum Judgement: Hashable, Sendable {
    case waits(FoundingObstacle)
    case founds([TopologyMember], leads: Bool)
  }

  /// How long nobody may have come or gone, in ns.
  static let settleAfter: Int64 = 5_000_000_000

  private let own: TopologyVoter
  private let replicas: Int
  private var last: [EtcdRegistration] = []
  private var since: Int64?

  /// A node that would have each slot held by so many.
  package init(_ record: NodeRecord, replicas: Int) {
    own = TopologyVoter(record.node, record.identity)
    self.replicas = replicas
  }

  /// `present` are the others that are heard of, with their disks.
  package mutating func judge(
    _ registered: [EtcdRegistration], present: Set<TopologyVoter>, now: Int64
  ) -> Judgement {
    let storing = registered.filter { $0.record.roles.contains(.storage) }
      .sorted { $0.record.node < $1.record.node }
    if last != storing || since == nil { (last, since) = (storing, now) }
    if let other = registered.first(where: { $0.cluster != nil }) { return .waits(.clusterLost(by: other.record.node)) }
    guard storing.count >= replicas else { return .waits(.fewRegistered(storing.count, replicas: replicas)) }
    let voters = storing.map { TopologyVoter($0.record.node, $0.record.identity) }
    let unheard = voters.filter { $0 != own && !present.contains($0) }
    guard unheard.isEmpty else { return .waits(.unheard(unheard.map(\.node))) }
    var identities: Set<NodeIdentity> = []
    if let copy = voters.first(where: { !identities.insert($0.identity).inserted }) { return .waits(.alike(copy.node)) }
    if storing.count > 1, let full = storing.first(where: { !$0.record.isEmpty }) {
      return .waits(.notEmpty(full.record.node))
    }
    guard let since, now >= since + Self.settleAfter, voters.contains(own) else { return .waits(.settling) }
    return .founds(storing.map { TopologyMember($0.record) }, leads: voters.first == own)
  }
}
