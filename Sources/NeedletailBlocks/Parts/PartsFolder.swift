// The folder `parts/`: one sub-folder per part, named by its number. A part comes to be in this order: files and header
// written and synced, what is deleted of it noted, the header named, folder synced, `parts/` synced, and only then the
// catalog's transaction. A crash anywhere before leaves a folder that the catalog does not list; the next
// start removes it, or sets it aside where its header is named and no second name says that the catalog let go of it.
//
// A folder that has lost its catalog is repaired from the headers, and what is deleted must not come back by that. So a
// deletion sees to it that no header is left of a part that holds what it names and does not have it noted: not of one
// whose commit failed, nor of one that was replaced and is still there.

import NeedletailEnvironment

/// Who may read from which part.
private struct Held {
  /// How many hold a part.
  var counts: [PartID: Int] = [:]
  /// Parts to be removed when nobody holds them any more.
  var doomed: Set<PartID> = []
}

/// Parts that the catalog does not list.
private struct Unlisted {
  /// Those of commits that failed, which may come back.
  var doubtful: Set<PartID> = []
  /// Those that are out of the catalog for good, and whose header may still be there.
  var condemned: Set<PartID> = []
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
  private let unlisted = Lock(Unlisted())
  /// Held, ahead of the locks above and across calls to the disk, while headers of unlisted parts are taken away.
  private let retiring = Lock<Void>(())

  /// The folder at `path`, which exists, giving out part numbers from `nextID`.
  package init(path: String, fileSystem: any FileSystem, nextID: PartID) {
    self.path = path
    self.fileSystem = fileSystem
    self.nextID = Lock(nextID.rawValue)
    openFiles = OpenFiles(on: fileSystem)
  }

  /// The folder of a part.
  package func path(of id: PartID) -> String { path + "/" + id.folderName }

  /// Starts a new part with a number of its own, written at a pace where one is given.
  package func makePart(pace: PacedWork? = nil) throws(BlockError) -> PartWriter {
    let id = nextID.withLock { next in
      defer { next += 1 }
      return PartID(next)
    }
    return try PartWriter(id: id, folder: self, pace: pace)
  }

  /// Opens a part that the catalog lists, and checks its header and its files' sizes against what is listed.
  package func open(_ record: PartRecord) throws(BlockError) -> PartReader {
    try PartReader(record: record, folder: self)
  }

  /// Removes a part's folder, or has it removed when the last one who may read from it is done.
  ///
  /// Only for parts that the catalog does not list. Its header goes at once, which those who read do not need.
  package func remove(_ id: PartID) throws(FileError) {
    try retiring.withLock { (_) throws(FileError) in
      let isCondemned = unlisted.withLock { $0.condemned.contains(id) }
      let header = try fileSystem.status(path(of: id) + "/" + PartHeader.fileName)
      if isCondemned || header != nil { try retire(id) }
    }
    let isHeld = held.withLock { held in
      guard held.counts[id] != nil else { return false }
      held.doomed.insert(id)
      return true
    }
    if !isHeld { try removeNow(id) }
  }

  private func removeNow(_ id: PartID) throws(FileError) {
    openFiles.forget(below: path(of: id))
    try fileSystem.removePart(path(of: id))
  }

  /// Takes a part's header away for good; under `retiring`.
  private func retire(_ id: PartID) throws(FileError) {
    let folder = path(of: id)
    if try fileSystem.status(folder) != nil {
      try fileSystem.retirePart(folder)
    } else {
      try fileSystem.syncDirectory(path)
    }
    _ = unlisted.withLock { $0.condemned.remove(id) }
  }

  /// Notes that the catalog does not list these parts any more: no deletion is done before their headers are gone.
  package func condemn(_ ids: some Sequence<PartID>) { unlisted.withLock { $0.condemned.formUnion(ids) } }

  /// Takes away the headers of all parts that were condemned.
  ///
  /// **Durability**: survives a power cut when it returns.
  package func retireCondemned() throws(FileError) {
    try retiring.withLock { (_) throws(FileError) in try retireAll() }
  }

  private func retireAll() throws(FileError) {
    for id in unlisted.withLock({ $0.condemned.sorted() }) { try retire(id) }
  }

  func hold(_ id: PartID) { held.withLock { $0.counts[id, default: 0] += 1 } }

  func release(_ id: PartID) {
    let isDoomed = held.withLock { held in
      let left = (held.counts[id] ?? 1) - 1
      held.counts[id] = left > 0 ? left : nil
      return left <= 0 && held.doomed.remove(id) != nil
    }
    guard isDoomed else { return }
    // One that cannot be removed now is a leftover that the next start removes.
    if let run = InMemoryRun.current { run.postpone { try? self.removeNow(id) } } else { try? removeNow(id) }
  }

  /// Commits to the catalog; then removes the folders of parts whose commits had failed before.
  ///
  /// A commit that failed may have reached the catalog's own log, and come back when the process is killed; the next
  /// one that succeeds stands in its place for good. Tombstones are first noted beside their parts, durably, for a
  /// folder that loses its catalog, and then the added parts' headers get their name. Throws as `PartCatalog.commit`
  /// does.
  package func commit(
    to catalog: any PartCatalog, adding: [PartRecord] = [], removing: [PartID] = [],
    flushedThroughGeneration: UInt64? = nil, tombstones: [PartTombstone] = []
  ) throws(CatalogError) {
    let before = unlisted.withLock { $0.doubtful }
    try note(tombstones, beside: catalog)
    do throws(FileError) { try publish(adding.map(\.id)) } catch {
      throw CatalogError("a part cannot be given its header: \(error)")
    }
    removing.forEach(mark)
    do throws(CatalogError) {
      try catalog.commit(
        adding: adding, removing: removing, flushedThroughGeneration: flushedThroughGeneration, tombstones: tombstones)
    } catch {
      if !removing.isEmpty, let listed = try? catalog.content().parts { unmark(removing.filter { listed[$0] != nil }) }
      throw error
    }
    // A commit may have been done whose answer was lost, and so may the answer to whether it was: what the catalog lists
    // has come back already, and stays.
    guard !before.isEmpty else { return }
    let listed = try catalog.content().parts
    unlisted.withLock { unlisted in
      unlisted.condemned.formUnion(before.filter { listed[$0] == nil })
      unlisted.doubtful.subtract(before)
    }
    // One that cannot be removed now is a leftover that the next start removes.
    for id in before where listed[id] == nil { try? remove(id) }
  }

  /// Marks a part as one that the catalog is about to let go of, so that a start after a crash removes it.
  ///
  /// One that cannot be marked, or whose mark a power cut takes, is set aside by that start.
  private func mark(_ id: PartID) {
    let folder = path(of: id)
    try? fileSystem.link(folder + "/" + PartHeader.fileName, to: folder + "/" + PartHeader.leavingName)
  }

  /// Takes the marks off parts that the catalog lists all the same: one must not outlive its reason, or a start with an
  /// older catalog would remove what may be the only copy by then.
  package func unmark(_ listed: some Sequence<PartID>) {
    for id in listed {
      let mark = path(of: id) + "/" + PartHeader.leavingName
      guard (try? fileSystem.status(mark)) != nil else { continue }
      try? fileSystem.remove(mark)
      try? fileSystem.syncDirectory(path(of: id))
    }
  }

  /// Whether a folder that no catalog lists holds a part that may be the only copy of something: it has a header, and
  /// nothing says that the catalog let go of it.
  static func mayBeWanted(_ folder: String, on fileSystem: any FileSystem) throws(FileError) -> Bool {
    guard try fileSystem.status(folder + "/" + PartHeader.fileName) != nil else { return false }
    return try fileSystem.status(folder + "/" + PartHeader.leavingName) == nil
  }

  /// Gives the headers of new parts their name, and makes all names of these parts durable.
  private func publish(_ ids: [PartID]) throws(FileError) {
    for id in ids {
      let folder = path(of: id)
      let draft = folder + "/" + PartHeader.draftName
      if try fileSystem.status(draft) != nil { try fileSystem.rename(draft, to: folder + "/" + PartHeader.fileName) }
      try fileSystem.syncDirectory(folder)
    }
    if !ids.isEmpty { try fileSystem.syncDirectory(path) }
  }

  private func deletions(of id: PartID) -> PartDeletionsFile {
    PartDeletionsFile(fileSystem: fileSystem, folder: path(of: id))
  }

  /// Writes tombstones beside their parts, with those that the catalog has of them, and beside parts whose commit
  /// failed, which may hold what the named parts hold; takes the headers of all others that may away.
  ///
  /// Should the commit that follows fail, the next one of the part or the next start takes them out again.
  private func note(_ tombstones: [PartTombstone], beside catalog: any PartCatalog) throws(CatalogError) {
    guard !tombstones.isEmpty else { return }
    let parts = Set(tombstones.map(\.part))
    let all = Dictionary(grouping: try catalog.tombstones().filter { parts.contains($0.part) } + tombstones, by: \.part)
    let flushedThrough = try catalog.flushedThroughGeneration() ?? 0
    do throws(FileError) {
      for (id, noted) in all.sorted(by: { $0.key < $1.key }) where try fileSystem.status(path(of: id)) != nil {
        let noted = NotedDeletions(contents: Set(noted.map(\.content)), flushedThrough: flushedThrough)
        try deletions(of: id).write(noted, of: id)
      }
      // Under one lock: a part that is doubtful no more is condemned by then.
      try retiring.withLock { (_) throws(FileError) in
        for id in unlisted.withLock({ $0.doubtful.subtracting(parts).sorted() })
        where try fileSystem.status(path(of: id)) != nil {
          var noted = try deletions(of: id).read(of: id) ?? NotedDeletions()
          noted.contents.formUnion(tombstones.map(\.content))
          noted.flushedThrough = flushedThrough
          try deletions(of: id).write(noted, of: id)
        }
        try retireAll()
      }
    } catch {
      throw CatalogError("a deletion cannot be noted beside its part: \(error)")
    }
  }

  /// Brings what stands beside the listed parts to what the catalog says: where a crash, a failed commit or another
  /// version left something else.
  ///
  /// What cannot be written now is written at a later start: the catalog has it all.
  func noteAll(_ tombstones: [PartTombstone], of listed: Set<PartID>, flushedThrough: UInt64) {
    let wanted = Dictionary(grouping: tombstones, by: \.part).mapValues { Set($0.map(\.content)) }
    for id in listed {
      let (file, contents) = (deletions(of: id), wanted[id] ?? [])
      guard (try? fileSystem.status(path(of: id))) != nil else { continue }
      let found = (try? file.read(of: id)) ?? nil
      guard found?.contents != contents else { continue }
      try? file.write(NotedDeletions(contents: contents, flushedThrough: flushedThrough), of: id)
    }
  }

  /// Keeps the folders of parts whose commit failed until a later one succeeds.
  package func doubt(_ records: [PartRecord]) { unlisted.withLock { $0.doubtful.formUnion(records.map(\.id)) } }

  /// Removes everything that is no folder of a listed part: what a crash left.
  ///
  /// Returns how many things were removed. **Durability**: they do not come back with the power when it returns.
  package func removeLeftovers(keeping listed: Set<PartID>) throws(FileError) -> Int {
    var removed = 0
    for name in try leftovers(beside: listed) {
      try fileSystem.removePart(path + "/" + name)
      removed += 1
    }
    if removed > 0 { try fileSystem.syncDirectory(path) }
    return removed
  }

  /// Names here that are none of listed parts.
  func leftovers(beside listed: Set<PartID>) throws(FileError) -> [String] {
    try fileSystem.list(path).map(\.name).filter { name in !(PartID(folderName: name).map(listed.contains) ?? false) }
  }
}
