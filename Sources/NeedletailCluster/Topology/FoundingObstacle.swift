import NeedletailEnvironment

/// Why a cluster is not founded now, and what to do about it.
package enum FoundingObstacle: Hashable, Sendable, CustomStringConvertible {
  /// There is a cluster: this node will learn of it.
  case clusterKnown(by: NodeID, epoch: UInt64)
  /// Not all that have to be asked have answered.
  case silent([PeerAddress])
  /// This node is not among its seeds: others found the cluster, and it is added.
  case notASeed
  case otherSeeds(NodeID)
  case notStorage(NodeID)
  /// It holds data already, of which the others know nothing.
  case notEmpty(NodeID)
  /// Two seeds have one name, or one identity.
  case alike(NodeID)
  /// A node without seeds waits for others to be heard of.
  case listening
  /// Only so many members that store are registered in etcd, and each slot is to be held by more.
  case fewRegistered(Int, replicas: Int)
  /// They are registered in etcd, and not heard of.
  case unheard([NodeID])
  /// Whoever is registered in etcd has just become another.
  case settling
  /// It belongs to a cluster of which etcd has nothing.
  case clusterLost(by: NodeID)

  package var description: String {
    switch self {
    case .clusterKnown(let node, let epoch): "\(node) knows a cluster (epoch \(epoch)); waiting to hear of it"
    case .silent(let addresses):
      "waiting for \(addresses.map(\.text).joined(separator: ", ")): a cluster is founded once all seeds have answered"
    case .notASeed:
      "waiting for the seeds to found a cluster: this node's address is not among its seeds. Add it with "
        + "`needletail cluster add` once there is one"
    case .otherSeeds(let node):
      "\(node) has other seeds than this node, or has etcd decide: give the same list to all of them, and etcd to all of "
        + "them or to none"
    case .notStorage(let node):
      "\(node) is a seed and does not store anything: name only nodes with the role storage as seeds"
    case .notEmpty(let node):
      "\(node) holds data already: found the cluster with empty data folders, or with that node alone, and add the others"
    case .alike(let node):
      "another seed is called \(node) too, or has a copy of its data folder: give each a name and a folder of its own"
    case .listening: "waiting whether another node is heard of"
    case .fewRegistered(let count, let replicas):
      "waiting for members with the role storage: etcd has \(count), and each slot is to be held by \(replicas). Start "
        + "more, or set replication to \(max(1, count))"
    case .unheard(let nodes):
      "waiting to hear of \(nodes.map(\.rawValue).joined(separator: ", ")): etcd has them as members, and they are not heard "
        + "at the addresses that they gave (peer-advertise); what is over goes from etcd by itself"
    case .settling: "waiting whether more members come"
    case .clusterLost(let node):
      "\(node) belongs to a cluster of which etcd has no decision under this prefix: give a new cluster a prefix of its own "
        + "(etcd-prefix)"
    }
  }
}
