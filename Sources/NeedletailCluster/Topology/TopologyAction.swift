import NeedletailTelemetry

/// What `TopologyRegister` wants done: in this order, also from one call to the next.
package enum TopologyAction: Hashable, Sendable {
  /// Makes the state durable; nothing that comes later may be done before it is.
  case store(TopologyState)
  case send(TopologyMessage, to: NodeID)
  /// This one is decided and the newest that the node knows.
  case learned(Topology)
  case proposalEnded(TopologyOutcome)
  /// A node of another cluster spoke, and was not heard: somebody gave one of the two the other's seeds.
  case foreign(NodeID, cluster: Hash128)
  /// A node told a topology on which others decide than on this node's, and was not heard: one of the two was started with
  /// etcd, the other without.
  case unlike(NodeID, decider: TopologyDecider)
}

/// What became of a proposal.
package enum TopologyOutcome: Hashable, Sendable {
  /// It is the topology now.
  case chosen
  /// The topology is another one now, which may have come after it: look whether there is anything left to be proposed.
  case overtaken(by: Topology)
  /// No majority answered in time. It may still become the topology, where one of those who heard of it ends what was
  /// begun.
  case timedOut
}

/// Why something cannot be proposed now.
package enum TopologyProposalError: Error, Hashable, Sendable, CustomStringConvertible {
  /// This node has proposed something that is not decided.
  case busy
  /// The topology has changed since: make the change of the one that is known now.
  case outdated(known: UInt64)
  /// Who founds the cluster has not been settled, or it is others.
  case notFounders
  /// The members of this cluster do not vote.
  case decidedElsewhere

  package var description: String {
    switch self {
    case .busy: "another change is being agreed on: try again in a moment"
    case .outdated(let known): "the cluster has changed meanwhile (epoch \(known)): look at it and ask again"
    case .decidedElsewhere: "the members of this cluster do not vote: changes are decided in etcd"
    case .notFounders: "the nodes that are to found the cluster have not all been heard"
    }
  }
}
