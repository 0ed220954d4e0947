/// Why there is no digest.
package enum SeriesDigestError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Something that belongs to it could not be read: what is missing must come from another copy.
  case damage(SeriesDamage)
  /// The task was cancelled.
  case cancelled

  package var description: String {
    switch self {
    case .damage(let damage): "\(damage)"
    case .cancelled: "the digest was cancelled"
    }
  }
}
