import NeedletailBlocks

/// Why parts could not be merged.
package enum SeriesMaintenanceError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A part could not be read.
  case damage(SeriesDamage)
  /// The new part could not be written.
  case block(BlockError)
  /// The catalog did not commit, or it is not known whether it did.
  case catalog(CatalogError)
  /// The task was cancelled.
  case cancelled

  package var description: String {
    switch self {
    case .damage(let damage): "\(damage)"
    case .block(let error): "\(error)"
    case .catalog(let error): "\(error)"
    case .cancelled: "the merge was cancelled"
    }
  }

  static func wrapping<Result>(
    _ body: () throws(BlockError) -> Result
  ) throws(SeriesMaintenanceError) -> Result {
    do throws(BlockError) { return try body() } catch { throw .block(error) }
  }

  static func wrapping<Result>(
    _ body: () throws(SeriesDamage) -> Result
  ) throws(SeriesMaintenanceError) -> Result {
    do throws(SeriesDamage) { return try body() } catch { throw .damage(error) }
  }
}
