// Carries out a plan, step by step, so that a crash between any two calls leaves a folder which is no worse than before
// and which the next repair brings to the same end:
//
// - the catalog is rebuilt after all else that it depends on: a server removes what a catalog does not list, and refuses
//   a folder without one. Only damaged files of deletions go after it, as the next repair would not miss them;
// - a part is moved first and unlisted then: in between the catalog lists a folder that is not there, which is damage
//   that a repair knows, where the other order would leave a folder that the next start of a server removes;
// - a catalog takes the place of another as CatalogPlace tells.

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
      do throws(FileError) { try run(step) } catch { throw .file(error) }
      if hasCatalog { try record(step) }
      report(step)
    }
  }

  /// What a step does to files.
  private func run(_ step: StorageRepairStep) throws(FileError) {
    switch step {
    case .rebuildCatalog(_, let identity, let parts, let tombstones, let flushedThrough):
      try identity.write(to: path, on: fileSystem)
      let content = Self.content(identity, parts, tombstones, flushedThrough)
      try place.replace(with: content, keepsOld: true, isFromMirror: false)
    case .mendCatalog, .forgetLosses: break
    case .quarantineRefused(let name):
      try setAside(name, from: "log")
    case .writeIdentity(let identity):
      try identity.write(to: path, on: fileSystem)
    case .writeDeletions(let id, let noted):
      let folder = "parts/" + id.folderName
      try setAside(PartDeletionsFile.fileName, from: folder)
      try PartDeletionsFile(fileSystem: fileSystem, folder: path + "/" + folder)
        .write(noted, of: id)
    case .quarantinePart(let id, _), .setAside(let id):
      try setAside(id.folderName, from: "parts")
    case .quarantineLog(let segments):
      for segment in segments { try setAside(segment.fileName, from: "log") }
    case .removeLeftover(let name):
      try fileSystem.removePart(path + "/parts/" + name)
      try fileSystem.syncDirectory(path + "/parts")
    }
  }

  private var place: CatalogPlace { CatalogPlace(folder: path, fileSystem: fileSystem, openStore: openCatalog) }

  private func setAside(_ name: String, from folder: String) throws(FileError) {
    try Quarantine(folder: path, fileSystem: fileSystem).take([name], from: folder)
  }

  /// What a step does to the catalog that is there, or to one of its two copies, which opening it sets right.
  private func record(_ step: StorageRepairStep) throws(StorageRepairError) {
    var change: CatalogChange?
    switch step {
    case .mendCatalog: break
    case .quarantinePart(let id, _): change = .removing([id])
    case .forgetLosses(let damages): change = .forgetting(damages)
    default: return
    }
    do {
      let catalog = try place.open(identity: try FolderIdentity.readIfPossible(path, on: fileSystem)?.id).catalog
      if let change { try catalog.make(change) } else { _ = try catalog.content() }
    } catch {
      throw .catalog((error as? CatalogError) ?? CatalogError("\(error)"))
    }
  }

  /// What a catalog of these parts holds.
  private static func content(
    _ identity: FolderIdentity, _ parts: [PartRecord], _ tombstones: [PartTombstone], _ flushedThrough: UInt64?
  ) -> CatalogContent {
    var content = CatalogContent()
    for record in parts { content.parts[record.id] = record }
    content.nextPartID = PartID((parts.map(\.id.rawValue).max() ?? 0) &+ 1)
    for tombstone in tombstones { content.tombstones[tombstone.part, default: []].insert(tombstone.content) }
    content.flushedThroughGeneration = flushedThrough
    content.settings = [
      .folderID: identity.id, .slotCount: String(identity.slotCount), .layoutVersion: DataFolder.layoutVersion,
    ]
    // More than any catalog of these parts had, so that an old one that is put back beside it does not count.
    content.changes = content.nextPartID.rawValue &<< 20
    return content
  }
}
