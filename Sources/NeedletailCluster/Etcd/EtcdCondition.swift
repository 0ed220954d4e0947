import NeedletailTelemetry

/// Why etcd, which answers, cannot be used for decisions.
package enum EtcdTrouble: Hashable, Sendable, CustomStringConvertible {
  /// The decisions there are another cluster's.
  case foreign(Hash128, own: Hash128)
  /// It lacks decisions that this node knows: it was emptied, or restored from an older state.
  case behind(own: UInt64, held: UInt64)
  /// It has another decision of an epoch than this node knows.
  case unlike(epoch: UInt64)

  package var description: String {
    switch self {
    case .foreign(let other, let own):
      "the decisions under this prefix in etcd belong to the cluster \(other), and this node to \(own): give each cluster a "
        + "prefix of its own (etcd-prefix)"
    case .behind(let own, let held):
      "etcd has \(held == 0 ? "no decision" : "decisions up to epoch \(held) alone") under this prefix, and this node knows "
        + "epoch \(own): look whether etcd-prefix is the one of this cluster, and whether etcd lost its data or was restored "
        + "from an older backup"
    case .unlike(let epoch):
      "etcd has another decision of epoch \(epoch) than this node knows: it was restored from an older backup or written to "
        + "by hand; stop changes, and keep the folders \"cluster\" of all members before anything else is done"
    }
  }
}

/// What became of a proposal to etcd.
package enum EtcdOutcome: Hashable, Sendable {
  /// It is the topology now.
  case chosen
  case overtaken(by: Topology)
  /// Nothing was decided, as far as this node knows; why, in words.
  case refused(String)
}

/// Why something cannot be proposed now.
package enum EtcdProposalError: Error, Hashable, Sendable {
  /// This node has proposed something that is not decided.
  case busy
  /// The topology has changed since.
  case outdated
  case trouble(EtcdTrouble)
}

/// How often what happened, since the node was started.
package struct EtcdCounters: Hashable, Sendable {
  package internal(set) var failures: UInt64 = 0
  package internal(set) var leasesLost: UInt64 = 0
  package internal(set) var unreadable: UInt64 = 0
  package internal(set) var chosen: UInt64 = 0
  package internal(set) var overtaken: UInt64 = 0

  package init() {}
}

/// Times of `EtcdSession`, in nanoseconds.
package struct EtcdOptions: Equatable, Sendable {
  private static let second: Int64 = 1_000_000_000

  /// How long an entry stays when its node is gone, in seconds.
  package var leaseSeconds: Int64 = 30
  /// From one look at the decisions to the next. Members tell each other at once; this is for those that were not told.
  package var epochsInterval = 3 * second
  /// After how many looks at their keys decisions are read again though these are the same.
  package var looksMax = 20
  /// From one look at the members to the next, for a node that is alone or knows no cluster, and for all others.
  package var membersIntervalAlone = 2 * second
  package var membersInterval = 30 * second
  /// After how long an answer is not waited for any more: longer than a shell tries.
  package var answerMax = 15 * second
  package var backoff = Backoff(base: second, cap: 10 * second)
  /// The least pause after a failure.
  package var pause = second / 5

  package init() {}
}
