/// What a part of the series was reduced to: states of groups, which add up to those of all.
package struct ReducedSeries: Sendable {
  var fold: GroupFold
  /// Series and samples that were read for it.
  var seriesRead = 0
  var samplesRead = 0
  var annotations = Annotations()

  /// Nothing but a fold.
  init(_ fold: GroupFold) { self.fold = fold }
}
