import NeedletailEnvironment

/// A part in the making.
///
/// Not shared between threads.
///
/// Make its files, append their blocks, call `finish`. A writer that is dropped without `finish` or `discard` leaves a
/// folder behind that the next start removes.
package final class PartWriter {
  /// The part's number.
  package let id: PartID
  private let folder: PartsFolder
  private let path: String
  private let pace: PacedWork?
  private var writers: [(name: String, writer: BlockWriter)] = []

  init(id: PartID, folder: PartsFolder, pace: PacedWork?) throws(BlockError) {
    self.id = id
    self.pace = pace
    self.folder = folder
    path = folder.path(of: id)
    do throws(FileError) { try folder.fileSystem.createDirectory(path) } catch { throw .file(error) }
  }

  private static let ownNames = [
    PartHeader.fileName, PartHeader.draftName, PartHeader.replacedName, PartHeader.leavingName,
    PartDeletionsFile.fileName,
    PartDeletionsFile.freshName,
  ]

  /// Starts a file of blocks.
  ///
  /// `name` is plain: letters, digits, dots; none of the folder's own, and not used twice.
  package func makeFile(_ name: String) throws(BlockError) -> BlockWriter {
    precondition(
      !Self.ownNames.contains(name) && !name.isEmpty && !name.contains("/"), "no name for a part's file")
    let writer = try BlockWriter(creating: path + "/" + name, on: folder.fileSystem, pace: pace)
    writers.append((name, writer))
    return writer
  }

  /// Finishes all files, writes the header under the name of a draft and syncs them.
  ///
  /// The part exists once the catalog lists the record; `PartsFolder.commit` gives the header its name before.
  ///
  /// **Durability**: the bytes of all files survive a power cut when it returns, their names when they are committed.
  package func finish(_ summary: PartSummary) throws(BlockError) -> PartRecord {
    var files: [PartFile] = []
    for (name, writer) in writers {
      let (size, checksum) = try writer.finish()
      files.append(PartFile(name: name, size: size, checksum: checksum))
    }
    files.sort { $0.name < $1.name }
    let bytes = PartHeader(id: id, summary: summary, files: files).encoded()
    do throws(FileError) {
      let file = try folder.fileSystem.open(path + "/" + PartHeader.draftName, .create)
      try file.write(bytes, at: 0)
      try file.sync()
      file.close()
    } catch {
      throw .file(error)
    }
    let total = files.reduce(UInt64(bytes.count)) { $0 + $1.size }
    return PartRecord(id: id, summary: summary, bytes: total)
  }

  /// Gives the part up and removes its folder, as far as that works.
  package func discard() {
    for (_, writer) in writers { writer.abandon() }
    try? folder.remove(id)
  }
}
