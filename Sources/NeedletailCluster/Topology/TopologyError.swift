/// Why a cluster cannot be changed as was asked, and what to do.
package enum TopologyError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Another change has begun and is not over.
  case changeUnderWay(to: [NodeID])
  /// Another change is committed, and not all who have to have heard of it.
  case changeNotOver(to: [NodeID])
  /// It is too late to take the change back.
  case changeCommitted
  case noChangeUnderWay
  /// No node of that name holds slots, or is about to.
  case unknownNode(NodeID)
  case alreadyMember(NodeID)
  /// It is not there: it could neither vote nor be filled.
  case notThere(NodeID)
  /// It is not there, and has nothing that it could give to others.
  case notThereToDrain(NodeID)
  /// It is there, and would be taken for gone.
  case stillThere(NodeID)
  /// It is not there, and the change that takes it out could not end without it.
  case endNeeds(NodeID)
  /// Of those that would be left so many are not there, or have lost their disk, that the others could decide nothing.
  case noMajority([NodeID])
  /// It is new, and its name does not count as its own yet.
  case unsettled(NodeID)
  /// It does not hold slots.
  case notStorage(NodeID)
  /// The disk is known under another name.
  case identityInUse(NodeIdentity, by: NodeID)
  /// Without it nobody would hold anything.
  case lastNode(NodeID)
  case tooManyMembers(Int)
  /// There are fewer nodes that hold slots than each slot is to be held by.
  case tooFewNodes(Int, of: Int)
  /// It is so already.
  case nothingToChange
  /// No more changes can be numbered.
  case epochsUsedUp
  /// What a topology may not have.
  case invalid(String)

  /// Whether it may be asked again as it is, in some seconds.
  package var isTemporary: Bool {
    switch self {
    case .unsettled, .changeNotOver: true
    default: false
    }
  }

  package var description: String {
    switch self {
    case .changeUnderWay(let nodes):
      "a change is under way, to the nodes \(nodes.map(\.rawValue).joined(separator: ", ")): wait until it is committed, "
        + "or cancel it first"
    case .changeNotOver(let nodes):
      "the change to the nodes \(nodes.map(\.rawValue).joined(separator: ", ")) is committed, and not enough of those who "
        + "held the slots before have heard of it: ask again in a moment, once they are there"
    case .changeCommitted: "the change is committed and ends by itself: it can only be undone by another one"
    case .noChangeUnderWay: "no change is under way: it was committed or cancelled before"
    case .unknownNode(let node):
      "no node called \(node) holds slots: `needletail cluster nodes` lists those that do; one that was drained is removed "
        + "once it is stopped and counts as dead"
    case .alreadyMember(let node):
      "\(node) holds slots already; where its disk was replaced, it is taken back with the new one under the same name"
    case .notThere(let node):
      "\(node) is not there: start it, and add it once `needletail cluster nodes` shows it as alive"
    case .notThereToDrain(let node):
      "\(node) is not there, and gives nothing to others: start it to drain it; one that is gone for good is taken out with "
        + "`needletail cluster remove \(node)`"
    case .stillThere(let node):
      "\(node) is there, and only a node that is gone for good is removed: drain it, so that it gives its slots to others "
        + "itself, or stop it first; to remove it all the same say so (--force, or force=true)"
    case .endNeeds(let node):
      "\(node) is not there, and a change that takes it out ends only when every replica of its slots has heard of it, which are "
        + "as many as a write needs: start \(node) again first, with an empty data folder where its own is lost; it is then "
        + "filled, and can be drained"
    case .noMajority(let nodes):
      "of the nodes that would be left \(nodes.map(\.rawValue).joined(separator: ", ")) "
        + "\(nodes.count == 1 ? "is" : "are") not there, or not yet taken back with a new disk, and the others are no majority: "
        + "they could change nothing any more, so bring these back first, or remove those of them that are gone for good"
    case .unsettled(let node):
      "\(node) has just been started, and the others do not count its name as its own yet: ask again in some seconds"
    case .notStorage(let node): "\(node) does not have the role storage: start it with that role first"
    case .identityInUse(let identity, let node):
      "the data folder with the identity \(identity) belongs to \(node): start each node with a data folder of its own"
    case .lastNode(let node):
      "\(node) is the only node that holds slots: add another one before it goes"
    case .tooManyMembers(let count):
      "a cluster has at most \(Topology.membersMax) nodes that hold slots, and this would be \(count)"
    case .tooFewNodes(let wanted, let count):
      "\(wanted) replicas of each slot need as many nodes that hold slots, and there are \(count): up to \(count) can be "
        + "set now; add nodes first for more (`needletail cluster add`)"
    case .nothingToChange: "that is how it is already: nothing would change"
    case .epochsUsedUp: "the cluster has been changed \(Topology.epochMax) times, which is as often as can be numbered"
    case .invalid(let what): "\(what) is none that a cluster can have"
    }
  }
}
