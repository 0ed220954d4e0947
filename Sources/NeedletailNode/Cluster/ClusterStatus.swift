/// What `needletail cluster status` tells: the cluster as one of its nodes sees it.
struct ClusterStatus: Hashable, Sendable {
  struct Node: Hashable, Sendable {
    var name: String
    var identity: String
    var address: String
    /// alive, suspect, dead, left, removed; unknown where it holds slots and was not heard of since the start.
    var status: String
    var roles: [String]
    var zone: String?
    var weight: UInt32
    var version: String
    /// Slots that it holds, and those that a change brings it or takes from it.
    var slots: Int
    var arriving: Int
    var leaving: Int
    /// Slots that are not whole on it yet; nil where it did not say.
    var unready: Int?
    /// Hints that wait for it here, and their bytes.
    var hints: Int
    var hintBytes: Int
    /// Descriptions of metrics for which it had no room since its start; nil where it did not say.
    var descriptionsRefused: Int?
    /// How far it is with comparing its replicas; nil where it did not say.
    var exchanges: Exchanges?
  }

  /// The comparisons of replicas that a node leads.
  struct Exchanges: Hashable, Sendable {
    /// Asked for out of turn, and not done yet: neither finished nor given up.
    var waiting: Int
    /// Since the start of the node: those that were finished, those that were given up, and of the finished ones those
    /// that found a difference in hours that have settled, which is then brought.
    var finished: Int
    var failed: Int
    var different: Int
    /// Of the other ones those that found one in descriptions of metrics, and those that found one only in hours that
    /// are still being written.
    var differentDescriptions: Int
    var differentRecent: Int
  }

  struct Change: Hashable, Sendable {
    /// In words: what it is.
    var what: String
    /// Replicas of slots that have to be filled, and those of them that are.
    var slots: Int
    var filled: Int
  }

  /// Nil as long as the node belongs to none.
  var cluster: String?
  /// The node that says all this.
  var node: String
  var epoch: UInt64
  var slots: Int
  var replication: Int
  var writeQuorum: Int
  var readQuorum: Int
  var nodes: [Node]
  var change: Change?
  /// Slots with fewer present and ready replicas than reads or writes need, as far as this node knows.
  var slotsWithoutReadQuorum: Int
  var slotsWithoutWriteQuorum: Int
  /// What the operator should know, in sentences.
  var warnings: [String]
  /// That of them which is about etcd; nil where it is not used, or all is well with it.
  var etcd: String?
}
