/// What a source did to answer a selection, as far as it can tell.
package struct SelectionWork: Sendable, Hashable {
  /// Parts whose times the selection touches, and those that were passed over for theirs.
  package var partsTouched = 0
  package var partsSkipped = 0
  /// Blocks of samples that were read, from disk or from memory.
  package var blocksRead = 0
  /// Those of the parts that are touched.
  package var blocksTotal = 0

  package init() {}

  /// Blocks that were not needed.
  package var blocksSkipped: Int { max(0, blocksTotal - blocksRead) }

  /// Adds what another selection took.
  package mutating func add(_ other: SelectionWork) {
    partsTouched += other.partsTouched
    partsSkipped += other.partsSkipped
    blocksRead += other.blocksRead
    blocksTotal += other.blocksTotal
  }
}
