import NeedletailBlocks

/// What only this engine can tell of a part of metrics: whether it can be opened.
package enum SeriesPartCheck {
  /// Why the part cannot be opened; nil where it can.
  ///
  /// Reads its table of contents.
  package static func damage(_ record: PartRecord, in folder: PartsFolder) -> StorageDamage? {
    do throws(BlockError) {
      guard SeriesEngine.partFormats.contains(record.summary.format) else {
        throw .damaged(path: folder.path(of: record.id), offset: 0, .version)
      }
      let file = try folder.open(record).file(PartFileName.content)
      guard let length = UInt32(exactly: file.size) else { throw .damaged(path: file.path, offset: 0, .length) }
      _ = try file.read(BlockLocation(offset: 0, length: length), kind: PartBlockKind.content)
      do throws(SeriesDamage) { _ = try SeriesPart(record, in: folder) } catch {
        throw .damaged(path: file.path, offset: 0, .content)
      }
      return nil
    } catch {
      return StorageDamage(part: record.id, error, in: folder)
    }
  }
}
