/// Which keys of a slot are meant.
package enum KeyShare: Equatable, Sendable {
  /// Those of a bucket.
  case bucket(UInt8)
  case all

  @inlinable package func contains(_ key: Hash128) -> Bool {
    switch self {
    case .bucket(let bucket): SlotMap.bucket(of: key) == bucket
    case .all: true
    }
  }
}
