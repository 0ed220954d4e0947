// The catalog is the one truth on which parts exist, and its transaction the only commit point of the data folder: what
// a flush, a merge or a retention pass did is either all there or not at all. Everything else on disk (part folders,
// log files) is only a candidate until the catalog says so, and is removed at the next start when it does not.

/// A catalog that cannot do what was asked; after `commit` it is unknown whether it was done.
package struct CatalogError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was tried, and the cause.
  package var message: String
  /// Whether the catalog is whole, and another version of this program wrote it.
  package var isOfOtherVersion: Bool

  /// An error with these words.
  package init(_ message: String, isOfOtherVersion: Bool = false) {
    self.message = message
    self.isOfOtherVersion = isOfOtherVersion
  }

  package var description: String { message }
}

/// A range of a log file that could not be read: what was in it must come from another copy.
package struct LogDamage: Hashable, Sendable {
  /// The log's generation and segment.
  package var segment: LogSegmentID
  /// The damaged bytes of the segment's file.
  package var range: Range<UInt64>
  /// The numbers of the records that are missing, as far as their neighbours tell; nil when no record is missing.
  package var sequences: ClosedRange<UInt64>?

  /// A damage from its parts.
  package init(segment: LogSegmentID, range: Range<UInt64>, sequences: ClosedRange<UInt64>?) {
    self.segment = segment
    self.range = range
    self.sequences = sequences
  }
}

/// A deletion that applies to a part, until the part is gone: what it names there is not to be answered any more.
package struct PartTombstone: Hashable, Sendable {
  /// A part that the catalog lists.
  package var part: PartID
  /// What is deleted, in the words of the engine whose part it is.
  package var content: [UInt8]

  /// A tombstone from its parts.
  package init(part: PartID, content: [UInt8]) {
    self.part = part
    self.content = content
  }
}

/// What the catalog keeps beside the parts, under fixed names.
package enum CatalogSetting: String, Sendable, CaseIterable {
  /// The data folder's identity, 32 hexadecimal digits, made once.
  case folderID
  /// How many slots series are spread over; fixed for the life of the folder.
  case slotCount
  /// The layout version of the data folder.
  case layoutVersion
}

/// Which parts exist.
///
/// Calls block; they may come from any thread, one at a time takes effect.
package protocol PartCatalog: Sendable {
  /// The parts of a kind, by number.
  func list(_ kind: PartKind) throws(CatalogError) -> [PartRecord]

  /// Adds and removes parts and, for a flush, notes that every log generation up to `flushedThroughGeneration` is in
  /// parts now: all in one transaction.
  ///
  /// A part's tombstones go when it is removed; those that are added are for parts that are listed then, and one that is
  /// there already is not added twice. **Durability**: survives a power cut when it returns. When it throws, read the catalog again to know.
  func commit(
    adding: [PartRecord], removing: [PartID], flushedThroughGeneration: UInt64?, tombstones: [PartTombstone]
  ) throws(CatalogError)

  /// The tombstones of all parts, by part and content.
  func tombstones() throws(CatalogError) -> [PartTombstone]

  /// The last generation whose records are all in parts; nil before the first flush.
  func flushedThroughGeneration() throws(CatalogError) -> UInt64?

  /// A number above that of every part that was ever committed.
  func nextPartID() throws(CatalogError) -> PartID

  /// A setting's value, or nil when it was never set.
  func setting(_ name: CatalogSetting) throws(CatalogError) -> String?

  /// Sets a setting, durably.
  func set(_ name: CatalogSetting, to value: String) throws(CatalogError)

  /// Notes damaged ranges of the log for repair; one that is noted already is not noted twice.
  func note(_ damages: [LogDamage]) throws(CatalogError)

  /// The damaged ranges that were noted and not yet repaired, by segment and offset.
  func damages() throws(CatalogError) -> [LogDamage]

  /// Forgets damages that were repaired.
  func forget(_ damages: [LogDamage]) throws(CatalogError)
}

extension PartCatalog {
  /// A commit without tombstones.
  package func commit(
    adding: [PartRecord], removing: [PartID], flushedThroughGeneration: UInt64?
  ) throws(CatalogError) {
    try commit(
      adding: adding, removing: removing, flushedThroughGeneration: flushedThroughGeneration, tombstones: [])
  }
}
