// The folder `parts/`: one sub-folder per part, named by its number. A part comes to be in this order: files written
// and synced, header written and synced, folder synced, `parts/` synced, and only then the catalog's transaction. A
// crash anywhere before leaves a folder that the catalog does not list; it is removed at the next start.

import NeedletailEnvironment

/// Who may read from which part.
private struct Held {
  /// How many hold a part.
  var counts: [PartID: Int] = [:]
  /// Parts to be removed when nobody holds them any more.
  var doomed: Set<PartID> = []
}

/// Makes, opens and removes the parts of a data folder.
///
/// May be shared between threads.
package final class PartsFolder: Sendable {
  /// The folder's path.
  package let path: String
  /// The file system that it lies on.
  package let fileSystem: any FileSystem
  private let nextID: Lock<UInt64>
  /// The parts' files that are open.
  let openFiles: OpenFiles
  private let held = Lock(Held())
  /// Parts of commits that failed.
  private let doubtful = Lock<Set<PartID>>([])

  /// The folder at `path`, which exists, giving out part numbers from `nextID`.
  package init(path: String, fileSystem: any FileSystem, nextID: PartID) {
    self.path = path
    self.fileSystem = fileSystem
    self.nextID = Lock(nextID.rawValue)
    openFiles = OpenFiles(on: fileSystem)
  }

  /// The folder of a part.
  package func path(of id: PartID) -> String { path + "/" + id.folderName }

  /// Starts a new part with a number of its own.
  package func makePart() throws(BlockError) -> PartWriter {
    let id = nextID.withLock { next in
      defer { next += 1 }
      return PartID(next)
    }
    return try PartWriter(id: id, folder: self)
  }

  /// Opens a part that the catalog lists, and checks its header and its files' sizes against what is listed.
  package func open(_ record: PartRecord) throws(BlockError) -> PartReader {
    try PartReader(record: record, folder: self)
  }

  /// Removes a part's folder, or has it removed when the last one who may read from it is done.
  ///
  /// Only for parts that the catalog does not list.
  package func remove(_ id: PartID) throws(FileError) {
    let isHeld = held.withLock { held in
      guard held.counts[id] != nil else { return false }
      held.doomed.insert(id)
      return true
    }
    if !isHeld { try removeNow(id) }
  }

  private func removeNow(_ id: PartID) throws(FileError) {
    openFiles.forget(below: path(of: id))
    try fileSystem.removeTree(path(of: id))
  }

  func hold(_ id: PartID) { held.withLock { $0.counts[id, default: 0] += 1 } }

  func release(_ id: PartID) {
    let isDoomed = held.withLock { held in
      let left = (held.counts[id] ?? 1) - 1
      held.counts[id] = left > 0 ? left : nil
      return left <= 0 && held.doomed.remove(id) != nil
    }
    // One that cannot be removed now is a leftover that the next start removes.
    if isDoomed { try? removeNow(id) }
  }

  /// Commits to the catalog; then removes the folders of parts whose commits had failed before.
  ///
  /// A commit that failed may have reached the catalog's own log, and come back when the process is killed; the next
  /// one that succeeds stands in its place for good. Throws as `PartCatalog.commit` does.
  package func commit(
    to catalog: any PartCatalog, adding: [PartRecord] = [], removing: [PartID] = [],
    flushedThroughGeneration: UInt64? = nil, tombstones: [PartTombstone] = []
  ) throws(CatalogError) {
    let before = doubtful.withLock { $0 }
    try catalog.commit(
      adding: adding, removing: removing, flushedThroughGeneration: flushedThroughGeneration, tombstones: tombstones)
    // One that cannot be removed now is a leftover that the next start removes.
    for id in before { try? remove(id) }
    doubtful.withLock { $0.subtract(before) }
  }

  /// Keeps the folders of parts whose commit failed until a later one succeeds.
  package func doubt(_ records: [PartRecord]) { doubtful.withLock { $0.formUnion(records.map(\.id)) } }

  /// Removes everything that is no folder of a listed part: what a crash left.
  ///
  /// Returns how many things were removed.
  package func removeLeftovers(keeping listed: Set<PartID>) throws(FileError) -> Int {
    var removed = 0
    for entry in try fileSystem.list(path) {
      if let id = PartID(folderName: entry.name), listed.contains(id) { continue }
      try fileSystem.removeTree(path + "/" + entry.name)
      removed += 1
    }
    return removed
  }
}
