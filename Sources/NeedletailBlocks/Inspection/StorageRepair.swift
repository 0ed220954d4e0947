// Carries out a plan, step by step, so that a crash between any two calls leaves a folder which is no worse than before
// and which the next repair brings to the same end:
//
// - the catalog is rebuilt after all else that it depends on: a server removes what a catalog does not list, and refuses
//   a folder without one. Only damaged files of deletions go after it, as the next repair would not miss them;
// - a part is moved first and unlisted then: in between the catalog lists a folder that is not there, which is damage
//   that a repair knows, where the other order would leave a folder that the next start of a server removes;
// - a catalog is made under another name, whole and synced; then what is left of the old one is moved away, its main
//   file first, because a database without its journal would be believed, and a journal without its database is not;
//   then the new one gets the name.

import NeedletailEnvironment

/// A repair that did not come to its end; it can be begun again.
package enum StorageRepairError: Error, Sendable, CustomStringConvertible {
  /// The file system refused.
  case file(FileError)
  /// The catalog refused.
  case catalog(CatalogError)

  package var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .catalog(let error): "\(error)"
    }
  }
}

/// Repairs a data folder that nobody else uses: hold its lock.
package struct StorageRepair {
  private static let quarantine = "quarantine"
  private static let rebuilt = "catalog.rebuilt.sqlite"
  /// SQLite's own files beside a database.
  private static let companions = ["", "-wal", "-shm", "-journal"]

  let path: String
  let fileSystem: any FileSystem
  let openCatalog: StorageInspector.OpenCatalog

  /// A repair of the folder at `path`; `openCatalog` opens a catalog for writing, or makes it.
  package init(_ path: String, on fileSystem: any FileSystem, openCatalog: @escaping StorageInspector.OpenCatalog) {
    self.path = path
    self.fileSystem = fileSystem
    self.openCatalog = openCatalog
  }

  /// Carries out the steps, in their order; `report` is told of each that is done.
  ///
  /// **Durability**: a step that was reported survives a power cut.
  package func run(
    _ plan: StorageRepairPlan, report: (StorageRepairStep) -> Void = { _ in }
  ) throws(StorageRepairError) {
    let hasCatalog = !plan.steps.contains { if case .rebuildCatalog = $0 { true } else { false } }
    for step in plan.steps {
      do throws(FileError) {
        try run(step)
      } catch {
        throw .file(error)
      }
      do throws(CatalogError) { if hasCatalog { try record(step) } } catch { throw .catalog(error) }
      report(step)
    }
  }

  /// What a step does to files.
  private func run(_ step: StorageRepairStep) throws(FileError) {
    switch step {
    case .rebuildCatalog(_, let identity, let parts, let tombstones, let flushedThrough):
      try makeCatalog(identity, parts, tombstones, flushedThrough)
      try identity.write(to: path, on: fileSystem)
      for companion in Self.companions { try setAside(StorageInspector.catalogName + companion, from: "") }
      try fileSystem.rename(
        path + "/" + Self.rebuilt, to: path + "/" + StorageInspector.catalogName)
      try fileSystem.syncDirectory(path)
    case .writeIdentity(let identity):
      try identity.write(to: path, on: fileSystem)
    case .writeDeletions(let id, let noted):
      let folder = "parts/" + id.folderName
      try setAside(PartDeletionsFile.fileName, from: folder)
      try PartDeletionsFile(fileSystem: fileSystem, folder: path + "/" + folder)
        .write(noted, of: id)
    case .quarantinePart(let id, _):
      try setAside(id.folderName, from: "parts")
    case .quarantineLog(let segments):
      for segment in segments { try setAside(segment.fileName, from: "log") }
    case .removeLeftover(let name):
      try fileSystem.removePart(path + "/parts/" + name)
      try fileSystem.syncDirectory(path + "/parts")
    }
  }

  /// What a step does to the catalog that is there.
  private func record(_ step: StorageRepairStep) throws(CatalogError) {
    guard case .quarantinePart(let id, _) = step else { return }
    try openCatalog(path + "/" + StorageInspector.catalogName).commit(
      adding: [], removing: [id], flushedThroughGeneration: nil)
  }

  /// Makes a catalog that lists these parts, whole and synced, under a name of its own.
  private func makeCatalog(
    _ identity: FolderIdentity, _ parts: [PartRecord], _ tombstones: [PartTombstone],
    _ flushedThrough: UInt64?
  ) throws(FileError) {
    let fresh = path + "/" + Self.rebuilt
    for companion in Self.companions where try fileSystem.status(fresh + companion) != nil {
      try fileSystem.remove(fresh + companion)
    }
    do throws(CatalogError) {
      // Closed, and with that in one file, when it goes at the end of this scope.
      let catalog = try openCatalog(fresh)
      try catalog.commit(adding: parts, removing: [], flushedThroughGeneration: flushedThrough, tombstones: tombstones)
      try catalog.set(.folderID, to: identity.id)
      try catalog.set(.slotCount, to: String(identity.slotCount))
      try catalog.set(.layoutVersion, to: DataFolder.layoutVersion)
    } catch {
      throw FileError(.other, .write, path: fresh, reason: "\(error)")
    }
    let file = try fileSystem.open(fresh, .readWrite)
    defer { file.close() }
    try file.sync()
    try fileSystem.syncDirectory(path)
  }

  /// Moves a name to `quarantine/`, under a name that is free there; what is not there needs no moving.
  private func setAside(_ name: String, from folder: String) throws(FileError) {
    let source = path + (folder.isEmpty ? "" : "/" + folder)
    guard try fileSystem.status(source + "/" + name) != nil else { return }
    let target = path + "/" + Self.quarantine
    try fileSystem.createDirectory(target)
    try fileSystem.syncDirectory(path)
    var free = name
    var count = 1
    while try fileSystem.status(target + "/" + free) != nil {
      count += 1
      free = "\(name).\(count)"
    }
    try fileSystem.rename(source + "/" + name, to: target + "/" + free)
    // The new name first: a power cut in between may leave both, and never none.
    try fileSystem.syncDirectory(target)
    try fileSystem.syncDirectory(source)
  }
}
