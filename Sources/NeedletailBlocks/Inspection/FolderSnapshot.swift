// A snapshot is a data folder by itself: a catalog of what was there at one instant, and hard links of the files of all parts
// that it lists. Parts never change, so a link costs nothing and stays what it is when a merge replaces the part. It is
// made under a name that begins with a dot, and gets its own when all of it is on disk.

import NeedletailEnvironment

extension DataFolder {
  /// Where snapshots lie, within the folder.
  static let snapshots = "snapshots"

  /// Makes `snapshots/<name>` out of the parts that the catalog lists now; what is in the log alone is not in it.
  ///
  /// Blocks; one snapshot is made at a time. Merges and retention go on meanwhile.
  ///
  /// **Durability**: all of it survives a power cut when this returns; before that there is none of that name.
  package func makeSnapshot(named name: String) throws(DataFolderError) {
    guard !name.isEmpty, name.utf8.allSatisfy(Self.isPlain) else {
      throw .unusable(path: path, reason: "'\(name)' is no name for a snapshot")
    }
    var failure: DataFolderError?
    snapshotting.withLock { _ in
      let folder = path + "/" + Self.snapshots
      let draft = folder + "/." + name
      do throws(DataFolderError) {
        do throws(FileError) {
          try fileSystem.createDirectory(folder)
          try fileSystem.syncDirectory(path)
          try removeDrafts(in: folder)
        } catch {
          throw .file(error)
        }
        try fill(draft)
        do throws(FileError) {
          try fileSystem.rename(draft, to: folder + "/" + name)
          try fileSystem.syncDirectory(folder)
        } catch {
          throw .file(error)
        }
      } catch {
        try? fileSystem.removeTree(draft)
        failure = error
      }
    }
    if let failure { throw failure }
  }

  /// Letters, digits and dashes: a name that leads nowhere else.
  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
      true
    default: false
    }
  }

  /// Removes what a crash left of snapshots that were being made.
  private func removeDrafts(in folder: String) throws(FileError) {
    for entry in try fileSystem.list(folder) where entry.name.hasPrefix(".") {
      try fileSystem.removeTree(folder + "/" + entry.name)
    }
  }

  private func fill(_ draft: String) throws(DataFolderError) {
    // A part may be replaced between the look at the catalog and the hold on it; the next look does not list it any more.
    for attempt in 1...Self.attemptsMax {
      do throws(FileError) {
        try fileSystem.removeTree(draft)
        try fileSystem.createDirectory(draft)
      } catch {
        throw .file(error)
      }
      let content: CatalogContent
      do throws(CatalogError) { content = try catalog.content() } catch { throw .catalog(error) }
      let listed = content.parts.keys.sorted()
      let holds = listed.map { PartHold($0, in: parts) }
      defer { withExtendedLifetime(holds) {} }
      do throws(FileError) {
        try link(listed, into: draft)
        try CatalogPlace(folder: draft, fileSystem: fileSystem, openStore: openStore).make(with: content)
        for name in ["/parts", "/log", ""] { try fileSystem.syncDirectory(draft + name) }
        return
      } catch {
        guard error.code == .notFound, attempt < Self.attemptsMax else { throw .file(error) }
      }
    }
  }

  private static let attemptsMax = 10

  /// Links all files of a part.
  ///
  /// The header last, under the name that it has before or after the part was replaced: where there still is one, nothing
  /// of the part was removed by then. Where there is none this throws `.notFound`.
  private func link(_ part: String, to target: String) throws(FileError) {
    let headers = [PartHeader.fileName, PartHeader.draftName, PartHeader.replacedName, PartHeader.leavingName]
    for entry in try fileSystem.list(part)
    where entry.kind == .file && !headers.contains(entry.name) && entry.name != PartDeletionsFile.freshName {
      try fileSystem.link(part + "/" + entry.name, to: target + "/" + entry.name)
    }
    do throws(FileError) {
      try fileSystem.link(part + "/" + PartHeader.fileName, to: target + "/" + PartHeader.fileName)
    } catch {
      guard error.code == .notFound else { throw error }
      try fileSystem.link(part + "/" + PartHeader.replacedName, to: target + "/" + PartHeader.fileName)
    }
  }

  /// Links all files of these parts.
  private func link(_ listed: [PartID], into draft: String) throws(FileError) {
    for name in ["parts", "log"] { try fileSystem.createDirectory(draft + "/" + name) }
    for id in listed {
      let target = draft + "/parts/" + id.folderName
      try fileSystem.createDirectory(target)
      try link(parts.path(of: id), to: target)
      try fileSystem.syncDirectory(target)
    }
    try FolderIdentity(id: id, slotCount: slotCount).write(to: draft, on: fileSystem)
  }
}
