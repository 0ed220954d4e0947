// A snapshot is a data folder by itself: a copy of the catalog at one instant, and hard links of the files of all parts
// that it lists. Parts never change, so a link costs nothing and stays what it is when a merge replaces the part. It is
// made under a name that begins with a dot, and gets its own when all of it is on disk.

import NeedletailEnvironment

extension DataFolder {
  /// Where snapshots lie, within the folder.
  static let snapshots = "snapshots"

  /// Makes `snapshots/<name>` out of the parts that the catalog lists now; what is in the log alone is not in it.
  ///
  /// `copyCatalog` writes a copy of the catalog to a new file, `openCopy` opens that for reading. Blocks; one snapshot is
  /// made at a time. Merges and retention go on meanwhile.
  ///
  /// **Durability**: all of it survives a power cut when this returns; before that there is none of that name.
  package func makeSnapshot(
    named name: String, copyCatalog: (_ path: String) throws(CatalogError) -> Void,
    openCopy: (_ path: String) throws(CatalogError) -> any PartCatalog
  ) throws(DataFolderError) {
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
        try fill(draft, copyCatalog, openCopy)
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

  private func fill(
    _ draft: String, _ copyCatalog: (String) throws(CatalogError) -> Void,
    _ openCopy: (String) throws(CatalogError) -> any PartCatalog
  ) throws(DataFolderError) {
    // A part may be replaced between the copy and the hold on it; the next copy does not list it any more.
    for attempt in 1...Self.attemptsMax {
      do throws(FileError) {
        try fileSystem.removeTree(draft)
        try fileSystem.createDirectory(draft)
      } catch {
        throw .file(error)
      }
      var listed: [PartID] = []
      do throws(CatalogError) {
        try copyCatalog(draft + "/" + StorageInspector.catalogName)
        let copy = try openCopy(draft + "/" + StorageInspector.catalogName)
        for kind in PartKind.allCases { listed += try copy.list(kind).map(\.id) }
      } catch {
        throw .catalog(error)
      }
      let holds = listed.map { PartHold($0, in: parts) }
      defer { withExtendedLifetime(holds) {} }
      do throws(FileError) {
        try link(listed, into: draft)
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
    let headers = [PartHeader.fileName, PartHeader.draftName, PartHeader.replacedName]
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

  /// Links all files of these parts, and syncs all of the draft.
  private func link(_ listed: [PartID], into draft: String) throws(FileError) {
    for name in ["parts", "log"] { try fileSystem.createDirectory(draft + "/" + name) }
    for id in listed {
      let target = draft + "/parts/" + id.folderName
      try fileSystem.createDirectory(target)
      try link(parts.path(of: id), to: target)
      try fileSystem.syncDirectory(target)
    }
    let catalog = try fileSystem.open(draft + "/" + StorageInspector.catalogName, .readWrite)
    defer { catalog.close() }
    try catalog.sync()
    try FolderIdentity(id: id, slotCount: slotCount).write(to: draft, on: fileSystem)
    for name in ["/parts", "/log", ""] { try fileSystem.syncDirectory(draft + name) }
  }
}
