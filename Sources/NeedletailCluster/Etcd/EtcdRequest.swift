import NeedletailTelemetry

/// What a node asks of etcd. A shell makes calls of it, and performs each as one.
package enum EtcdRequest: Hashable, Sendable {
  /// A lease of so many seconds: what is put with it goes when nobody keeps it alive.
  case grant(seconds: Int64)
  case keepAlive(lease: Int64)
  /// Puts the entry of this node, with a lease.
  case register(EtcdRegistration, lease: Int64)
  /// All entries of members.
  case members
  /// Which decisions there are, the newest first, without what they are.
  case epochs
  /// The newest decisions.
  case topologies
  /// Makes a topology the decision of its epoch, where that has none and `basis`, with these very bytes, is the decision of
  /// the epoch before; without a basis, where there is no decision at all. Keeps the newest `EtcdDecision.keptMax` alone.
  case decide(Topology, basis: Topology?)
}

/// What etcd answers.
package enum EtcdAnswer: Hashable, Sendable {
  case granted(lease: Int64, seconds: Int64)
  /// How long the lease holds now; 0 where there is none any more.
  case keptAlive(seconds: Int64)
  case registered
  /// The entries that can be read; what cannot is named.
  case members([EtcdRegistration], unreadable: [EtcdUnreadable])
  case epochs([EtcdMark])
  case topologies([EtcdDecision])
  /// Whether it is the decision now; where not, the newest ones.
  case decided(Bool, [EtcdDecision])
}

/// Why a request was not answered.
package enum EtcdFailure: Error, Hashable, Sendable {
  /// None of the endpoints answered as etcd does; in words, with what each said.
  case unreachable(String)
  /// etcd said no, in its words.
  case refused(String)
  /// There is no such lease.
  case leaseGone

  package var reason: String {
    switch self {
    case .unreachable(let reason), .refused(let reason): reason
    case .leaseGone: "the lease is over"
    }
  }
}

/// The entry of a member in etcd: outside data, to be believed no more than what peers say.
package struct EtcdRegistration: Hashable, Sendable {
  package var record: NodeRecord
  /// The cluster that it belongs to; nil as long as it knows none.
  package var cluster: Hash128?

  package init(_ record: NodeRecord, cluster: Hash128?) {
    self.record = record
    self.cluster = cluster
  }
}

/// A key under which something else lies than should.
package struct EtcdUnreadable: Error, Hashable, Sendable {
  package var key: String
  package var problem: String

  package init(key: String, problem: String) {
    self.key = key
    self.problem = problem
  }
}

/// That there is a decision, and since which revision of etcd.
package struct EtcdMark: Hashable, Sendable {
  package let key: String
  package let revision: Int64

  package init(key: String, revision: Int64) {
    self.key = key
    self.revision = revision
  }
}

/// What lies under the key of a decision.
package struct EtcdDecision: Hashable, Sendable {
  /// How many are kept.
  package static let keptMax: UInt64 = 8
  /// How many are read at the most: more than are kept, so that some that others put there are not in the way.
  package static let readMax = 16
  private static let digits = 16

  package let mark: EtcdMark
  /// The epoch by the key; nil where it is none.
  package let epoch: UInt64?
  /// Nil where the bytes are none of that epoch in a cluster that etcd decides for.
  package let topology: Topology?

  /// Reads a key (without what stands before all of them) and its value.
  package init(key: String, revision: Int64, value: [UInt8]) {
    mark = EtcdMark(key: key, revision: revision)
    let epoch = Self.epoch(key)
    self.epoch = epoch
    let topology = try? Topology(decoding: value)
    self.topology = topology.flatMap { $0.epoch == epoch && $0.decider == .etcd ? $0 : nil }
  }

  /// The key of an epoch: as many digits for each, so that keys and epochs have one order.
  package static func key(_ epoch: UInt64) -> String {
    let digits = String(epoch)
    return String(repeating: "0", count: max(0, Self.digits - digits.utf8.count)) + digits
  }

  private static func epoch(_ key: String) -> UInt64? {
    guard key.utf8.count == digits, key.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return UInt64(key)
  }
}
