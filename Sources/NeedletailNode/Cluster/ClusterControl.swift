import NeedletailCluster

/// How operators see and steer the cluster; what the paths under `/needletail/v1/cluster` lead to.
protocol ClusterControl: Sendable {
  func status() async -> ClusterStatus
  /// For each slot its replicas, and those that it is on its way to where it is.
  func ring() async -> [(replicas: [String], next: [String]?)]
  /// Begins a change, or tells what it would move; throws `ClusterControlError`.
  func change(_ change: ClusterChange, isDryRun: Bool) async throws -> ClusterPlan
  /// Compares slots with their other replicas out of turn: all of them, or those of one node. Returns how many exchanges
  /// were asked for.
  func repair(node: String?) async throws -> Int
}

/// What an operator asks for.
enum ClusterChange: Hashable, Sendable {
  /// Slots for a member that holds none.
  case add(String)
  /// A member gives its slots to others; it may be stopped when that is done.
  case drain(String)
  /// A member that is gone for good gives way to others; one that is there only where that is forced.
  case remove(String, isForced: Bool)
  /// A member that holds slots gets another weight, another zone, or both.
  case place(String, weight: UInt32?, zone: NewZone?)
  /// Slots are held by more or fewer members, more or fewer of them take a write, or both.
  case replicate(count: Int?, quorum: NewQuorum?)
  /// The change under way is taken back.
  case cancel

  enum NewZone: Hashable, Sendable {
    case none
    case named(String)

    var name: String? { if case .named(let name) = self { name } else { nil } }
  }

  enum NewQuorum: Hashable, Sendable {
    case level(WriteLevel)
    case count(Int)
  }
}

/// What a change moves.
struct ClusterPlan: Hashable, Sendable {
  struct Move: Hashable, Sendable {
    /// Who gives the slots up; nil where they only gain a replica.
    var from: String?
    /// Who takes them; nil where they only lose one.
    var to: String?
    var slots: Int
  }

  /// The version of the assignment that the change made, or would make.
  var epoch: UInt64
  var moves: [Move]
  /// How many replicas stay and have to be compared with others before the change counts.
  var compared = 0
  /// What the operator should know, in sentences.
  var warnings: [String]
}

/// Why a change is not made, and what to do instead.
struct ClusterControlError: Error, Hashable, Sendable, CustomStringConvertible {
  let description: String
  /// Whether it may be different in a while.
  var isTemporary = false
}
