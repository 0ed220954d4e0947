/// Some of the replicas of a group, by their places: a bit each, because a read makes several of them for each slot.
struct ReplicaSet: Equatable, Sendable, Sequence {
  /// Replicas of a group, at the most.
  static let countMax = 64

  private(set) var bits: UInt64 = 0

  init() {}

  /// Those of the first `count` replicas that are wanted.
  init(_ count: Int, where isWanted: (Int) -> Bool) {
    for replica in 0..<Swift.min(count, Self.countMax) where isWanted(replica) { bits |= 1 << UInt64(replica) }
  }

  static func one(_ replica: Int) -> ReplicaSet { ReplicaSet(replica + 1) { $0 == replica } }

  var isEmpty: Bool { bits == 0 }
  var count: Int { bits.nonzeroBitCount }

  func contains(_ replica: Int) -> Bool { replica < Self.countMax && bits & (1 << UInt64(replica)) != 0 }

  struct Iterator: IteratorProtocol {
    var rest: UInt64

    mutating func next() -> Int? {
      guard rest != 0 else { return nil }
      defer { rest &= rest - 1 }
      return rest.trailingZeroBitCount
    }
  }

  func makeIterator() -> Iterator { Iterator(rest: bits) }
}
