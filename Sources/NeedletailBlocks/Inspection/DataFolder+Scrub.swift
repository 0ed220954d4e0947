import NeedletailEnvironment

/// A part in which something is not what was written.
package struct ScrubbedDamage: Equatable, Sendable {
  package var record: PartRecord
  package var damages: [StorageDamage]
}

extension DataFolder {
  /// Reads every byte of the parts of a folder that is in use, one after the other, and holds it against its checksums.
  ///
  /// Keeps to a pace between files. Blocks for as long as that takes; ends soon after its task is cancelled. A part that
  /// is merged or dropped meanwhile is passed over. Throws where the disk refuses to be read, which is no damage.
  package func scrub(at pace: PacedWork, found: (ScrubbedDamage) -> Void) throws(DataFolderError) {
    let listed = try content().values.sorted { $0.id < $1.id }
    let scrub = PartScrub(fileSystem: fileSystem, folder: path)
    pace.begin()
    for record in listed {
      if Task.isCancelled { return }
      let damages: [StorageDamage]
      do throws(FileError) { damages = try scrub.damages(of: record, pace) } catch {
        guard try content()[record.id] != nil else { continue }
        throw .file(error)
      }
      guard !damages.isEmpty, try content()[record.id] == record else { continue }
      found(ScrubbedDamage(record: record, damages: damages))
    }
  }

  private func content() throws(DataFolderError) -> [PartID: PartRecord] {
    do throws(CatalogError) { return try catalog.content().parts } catch { throw .catalog(error) }
  }
}

extension PartScrub {
  /// What is wrong with a part; after each file the pace is told how much was read.
  fileprivate func damages(of record: PartRecord, _ pace: PacedWork) throws(FileError) -> [StorageDamage] {
    let header: PartHeader
    switch try self.header(of: record.id) {
    case .failure(let damage): return [damage]
    case .success(let found): header = found
    }
    var damages = try shape(header)
    for file in header.files {
      var one = header
      one.files = [file]
      damages += try content(one).damages
      // Each byte is read twice.
      pace.did(bytes: Int(clamping: file.size.addingReportingOverflow(file.size).partialValue))
      if Task.isCancelled { break }
    }
    return damages
  }
}
