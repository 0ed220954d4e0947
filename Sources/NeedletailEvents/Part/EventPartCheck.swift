import NeedletailBlocks

/// What only this engine can tell of a part of logs or spans: whether it can be opened.
package enum EventPartCheck {
  /// Why the part cannot be opened; nil where it can.
  ///
  /// Reads its directory and streams.
  package static func damage(_ record: PartRecord, in folder: PartsFolder) -> StorageDamage? {
    do throws(BlockError) {
      guard PartFormat.versions.contains(record.summary.format) else {
        throw .damaged(path: folder.path(of: record.id), offset: 0, .version)
      }
      _ = try EventPart(try folder.open(record), table: StreamTable())
      return nil
    } catch {
      return StorageDamage(part: record.id, error, in: folder)
    }
  }
}
