/// How many replicas of a slot must have a write on disk before it is acknowledged.
package enum WriteLevel: String, CaseIterable, Sendable {
  case one
  case quorum
  case all

  /// W for a slot of so many replicas: at least 1, so that a slot without replicas is never acknowledged.
  package func acknowledgements(of replicas: Int) -> Int {
    switch self {
    case .one: 1
    case .quorum: replicas / 2 + 1
    case .all: max(1, replicas)
    }
  }
}
