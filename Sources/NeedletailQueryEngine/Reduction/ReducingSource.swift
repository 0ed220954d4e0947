/// A source that can reduce series where they lie, so that what they come to is moved in place of them.
package protocol ReducingSource: SeriesSource {
  /// Like `select`, but of some of the series, all or none of them, only what they are reduced to may be told.
  ///
  /// The selection is that of the reduction's selector.
  func select(_ selection: SeriesSelection, reducing reduction: SeriesReduction) async throws -> ReducedSelection
}

/// The answer to a selection, of which some was reduced.
package struct ReducedSelection {
  /// The series that were not.
  package var rest: any SeriesCursor
  /// What the others were reduced to, part by part; nil where one of them cannot be reduced, and rows are to be read.
  ///
  /// To be asked for when the rest was read.
  package var parts: @Sendable () async throws -> [ReducedSeries]?

  /// An answer of both.
  package init(rest: any SeriesCursor, parts: @escaping @Sendable () async throws -> [ReducedSeries]?) {
    self.rest = rest
    self.parts = parts
  }
}
