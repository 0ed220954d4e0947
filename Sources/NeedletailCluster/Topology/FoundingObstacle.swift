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

  package var description: String {
    switch self {
    case .clusterKnown(let node, let epoch): "\(node) knows a cluster (epoch \(epoch)); waiting to hear of it"
    case .silent(let addresses):
      "waiting for \(addresses.map(\.text).joined(separator: ", ")): a cluster is founded once all seeds have answered"
    case .notASeed:
      "waiting for the seeds to found a cluster: this node's address is not among its seeds. Add it with "
        + "`needletail cluster add` once there is one"
    case .otherSeeds(let node): "\(node) has other seeds than this node: give the same list to all of them"
    case .notStorage(let node):
      "\(node) is a seed and does not store anything: name only nodes with the role storage as seeds"
    case .notEmpty(let node):
      "\(node) holds data already: found the cluster with empty data folders, or with that node alone, and add the others"
    case .alike(let node):
      "another seed is called \(node) too, or has a copy of its data folder: give each a name and a folder of its own"
    case .listening: "waiting whether another node is heard of"
    }
  }
}
