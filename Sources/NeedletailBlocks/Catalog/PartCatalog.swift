// The catalog is the one truth on which parts exist, and its transaction the only commit point of the data folder: what
// a flush, a merge or a retention pass did is either all there or not at all. Everything else on disk (part folders,
// log files) is only a candidate until the catalog says so, and is removed at the next start when it does not, or set
// aside where it is a part with a header. So it stands there twice, each with a checksum over all of it: in SQLite, and in a mirror (MirroredCatalog).

/// A catalog that cannot do what was asked; after a change it is unknown whether it was made.
package struct CatalogError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What stands behind it.
  package enum Cause: Sendable, Equatable {
    /// It cannot be done now; nothing is known to be wrong with the catalog.
    case refused
    /// The device does not give back what is there.
    case unreadable
    /// What is there is not what was written.
    case damaged
    /// The catalog is whole, and another version of this program wrote it.
    case otherVersion
  }

  /// What was tried, and why it failed.
  package var message: String
  /// What stands behind it.
  package var cause: Cause

  /// An error with these words.
  package init(_ message: String, cause: Cause = .refused) {
    self.message = message
    self.cause = cause
  }

  package var description: String { message }
}

/// A range of a log file that could not be read: what was in it must come from another copy.
package struct LogDamage: Hashable, Sendable {
  /// The log's generation and segment.
  package var segment: LogSegmentID
  /// The damaged bytes of the segment's file.
  package var range: Range<UInt64>
  /// The numbers of the records that are missing, as far as their neighbours tell; nil when nothing tells whether any
  /// is: another folder's file, or one that is damaged all over.
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
  /// All that it holds, at one instant.
  ///
  /// Throws also where what is there is not what was written.
  func content() throws(CatalogError) -> CatalogContent

  /// Makes a change, in one transaction; throws where it adds a part that is listed, or a tombstone of one that is not.
  ///
  /// **Durability**: survives a power cut when it returns. When it throws, read the catalog again to know.
  func make(_ change: CatalogChange) throws(CatalogError)
}

/// Where a catalog lies, of which there is a mirror besides.
package protocol CatalogStore: PartCatalog {
  /// Puts this in place of all that it holds, in one transaction.
  ///
  /// **Durability**: survives a power cut when it returns.
  func replace(with content: CatalogContent) throws(CatalogError)
}

extension PartCatalog {
  /// The parts of a kind, by number.
  package func list(_ kind: PartKind) throws(CatalogError) -> [PartRecord] { try content().list(kind) }

  /// The tombstones of all parts, by part and content.
  package func tombstones() throws(CatalogError) -> [PartTombstone] { try content().sortedTombstones }

  /// The last generation whose records are all in parts; nil before the first flush.
  package func flushedThroughGeneration() throws(CatalogError) -> UInt64? { try content().flushedThroughGeneration }

  /// A number above that of every part that was ever committed.
  package func nextPartID() throws(CatalogError) -> PartID { try content().nextPartID }

  /// A setting's value, or nil when it was never set.
  package func setting(_ name: CatalogSetting) throws(CatalogError) -> String? { try content().settings[name] }

  /// The damaged ranges that were noted and not yet repaired, by segment and offset.
  package func damages() throws(CatalogError) -> [LogDamage] { try content().sortedDamages }

  /// Adds and removes parts and, for a flush, notes that every log generation up to `flushedThroughGeneration` is in
  /// parts now: all in one transaction.
  ///
  /// A part's tombstones go when it is removed. Throws as `make` does.
  package func commit(
    adding: [PartRecord], removing: [PartID], flushedThroughGeneration: UInt64?, tombstones: [PartTombstone] = []
  ) throws(CatalogError) {
    var change = CatalogChange()
    (change.adding, change.removing) = (adding, removing)
    (change.flushedThroughGeneration, change.tombstones) = (flushedThroughGeneration, tombstones)
    try make(change)
  }

  /// Sets a setting, durably.
  package func set(_ name: CatalogSetting, to value: String) throws(CatalogError) {
    var change = CatalogChange()
    change.settings[name] = value
    try make(change)
  }

  /// Notes damaged ranges of the log for repair.
  package func note(_ damages: [LogDamage]) throws(CatalogError) {
    var change = CatalogChange()
    change.noting = damages
    try make(change)
  }

  /// Forgets damages that were repaired.
  package func forget(_ damages: [LogDamage]) throws(CatalogError) {
    var change = CatalogChange()
    change.forgetting = damages
    try make(change)
  }
}
