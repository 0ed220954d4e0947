/// How much there is that a query could read.
package struct SeriesExtent: Sendable, Hashable {
  /// Parts whose times the query touches.
  package let partsTouched: Int
  /// Parts with data of the tenant that it passes over for theirs.
  package let partsSkipped: Int
  /// Blocks of samples and histograms of the parts that it touches.
  package let blocks: Int

  init(_ touched: [PartContent], skipping skipped: Int) {
    partsTouched = touched.count
    partsSkipped = skipped
    blocks = touched.reduce(0) {
      $0 + $1.blocks(PartBlockKind.samples).count + $1.blocks(PartBlockKind.histograms).count
    }
  }
}
