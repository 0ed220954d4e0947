// A data folder and what is in it:
//
//   lock            held by the process that has it open
//   identity        the folder's identity and slots once more, for when the catalog is lost
//   catalog.sqlite  which parts exist (and SQLite's own files beside it)
//   catalog.mirror  the same once more, from which the catalog is made anew when something happens to it
//   parts/<id>/     the parts
//   log/            what was acknowledged and is in no part yet
//   snapshots/      data folders of their own, whose parts are hard links
//   quarantine/     what a repair took out of the way

import NeedletailEnvironment

/// A data folder that cannot be opened.
package enum DataFolderError: Error, Sendable, CustomStringConvertible {
  /// The file system refused.
  case file(FileError)
  /// The catalog refused.
  case catalog(CatalogError)
  /// It was laid out by another version of this program, or is damaged.
  case unusable(path: String, reason: String)

  package var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .catalog(let error): "\(error)"
    case .unusable(let path, let reason): "the data folder \(path) cannot be used: \(reason)"
    }
  }
}

/// An open data folder, locked against other processes.
///
/// The engines are made from `catalog` and `parts`; then `startJournal` replays the log into them and takes appends.
package final class DataFolder: Sendable {
  /// The folder's path.
  package let path: String
  /// The file system that it lies on.
  package let fileSystem: any FileSystem
  /// Which parts exist.
  package let catalog: any PartCatalog
  /// The parts' files.
  package let parts: PartsFolder
  /// Over how many slots series are spread; fixed when the folder was made.
  package let slotCount: Int
  /// The folder's identity, 32 hexadecimal digits.
  package let id: String
  /// What was found wrong with the catalog at the opening, and set right; nil where nothing was.
  package let remark: String?
  /// The version of the folder's layout.
  static let layoutVersion = "1"
  /// Opens a catalog's file, or makes it.
  let openStore: CatalogPlace.OpenStore
  private let lock: any FileLock
  private let leftoverParts: Int
  /// Held while a snapshot is made.
  let snapshotting = Lock<Void>(())

  private init(
    path: String, fileSystem: any FileSystem, catalog: any PartCatalog, parts: PartsFolder, slotCount: Int, id: String,
    openStore: @escaping CatalogPlace.OpenStore, lock: any FileLock, leftoverParts: Int, remark: String?
  ) {
    self.path = path
    self.fileSystem = fileSystem
    self.catalog = catalog
    self.parts = parts
    self.slotCount = slotCount
    self.id = id
    self.openStore = openStore
    self.lock = lock
    self.leftoverParts = leftoverParts
    self.remark = remark
  }

  /// Opens the folder, or makes it when there is none (its parent must exist).
  ///
  /// `openCatalog` opens the catalog's file at a path, or makes it; `holder` is what another process is told while this
  /// one holds the lock.
  package static func open(
    _ path: String, on fileSystem: any FileSystem, random: any RandomSource, slotCount: Int = 1024, holder: String,
    openCatalog: @escaping @Sendable (_ path: String) throws(CatalogError) -> any CatalogStore
  ) throws(DataFolderError) -> DataFolder {
    do throws(FileError) {
      try fileSystem.createDirectory(path)
    } catch {
      throw .file(error)
    }
    let lock: any FileLock
    do throws(FileError) { lock = try fileSystem.lock(path + "/lock", holder: holder) } catch { throw .file(error) }
    var opened = false
    defer { if !opened { lock.release() } }
    do throws(FileError) {
      for name in ["log", "parts"] { try fileSystem.createDirectory(path + "/" + name) }
      try fileSystem.syncDirectory(path)
      try fileSystem.syncDirectory(parent(of: path))
    } catch {
      throw .file(error)
    }
    let place = CatalogPlace(folder: path, fileSystem: fileSystem, openStore: openCatalog)
    let known: FolderIdentity?
    do throws(FileError) { known = try FolderIdentity.readIfPossible(path, on: fileSystem) } catch {
      throw .file(error)
    }
    let opening = try place.open(identity: known?.id)
    let catalog = opening.catalog
    let fresh = FolderIdentity(random: random, slotCount: slotCount)
    let isBlank = opening.content.settings[.layoutVersion] == nil
    if isBlank {
      try refuseLeftData(in: path, on: fileSystem)
      // Ahead of the catalog, which could otherwise contradict an identity that an older one left.
      do throws(FileError) { try fresh.write(to: path, on: fileSystem) } catch { throw .file(error) }
    }
    let settings: (id: String, slots: Int)
    let content: CatalogContent
    do throws(CatalogError) {
      settings = try Self.settings(of: catalog, fresh: fresh)
      content = try catalog.content()
    } catch {
      throw .catalog(error)
    }
    guard settings.slots > 0 else { throw .unusable(path: path, reason: "its number of slots is no number") }
    let identity = FolderIdentity(id: settings.id, slotCount: settings.slots)
    do throws(FileError) {
      if known != identity, !isBlank { try identity.write(to: path, on: fileSystem) }
    } catch {
      throw .file(error)
    }
    let parts = PartsFolder(path: path + "/parts", fileSystem: fileSystem, nextID: content.nextPartID)
    let listed = Set(content.parts.keys)
    let folders: Int
    var remark = opening.remark
    do throws(FileError) {
      if let words = try Self.setAside(parts, beside: listed, in: path) {
        remark = [remark, words].compactMap { $0 }.joined(separator: "; ")
      }
      folders = try parts.removeLeftovers(keeping: listed)
    } catch {
      throw .file(error)
    }
    parts.unmark(listed)
    parts.noteAll(
      content.sortedTombstones, of: listed, flushedThrough: content.flushedThroughGeneration ?? 0)
    opened = true
    return DataFolder(
      path: path, fileSystem: fileSystem, catalog: catalog, parts: parts, slotCount: settings.slots, id: settings.id,
      openStore: openCatalog, lock: lock, leftoverParts: folders, remark: remark)
  }

  /// Moves parts that have a header to `quarantine/`, of which the catalog does not know and did not let go.
  ///
  /// Mostly a crash came within the few milliseconds before a commit, and what they hold is elsewhere too. But the catalog
  /// may also be an old one that somebody put back, or have lost its end, and then they are the only copy.
  private static func setAside(
    _ parts: PartsFolder, beside listed: Set<PartID>, in path: String
  ) throws(FileError) -> String? {
    let quarantine = Quarantine(folder: path, fileSystem: parts.fileSystem)
    var names: [String] = []
    for name in try parts.leftovers(beside: listed)
    where try PartsFolder.mayBeWanted(parts.path + "/" + name, on: parts.fileSystem) {
      try quarantine.take([name], from: "parts")
      names.append(name)
    }
    guard !names.isEmpty else { return nil }
    return "parts that the catalog does not list were moved to \(Quarantine.name)/: " + names.joined(separator: ", ")
  }

  /// Throws where parts or logs lie beside a new catalog.
  ///
  /// The catalog was lost then: it lists no part, so that all of them would be taken for leftovers and removed, and the
  /// new identity would make every record of the log unreadable.
  private static func refuseLeftData(in path: String, on fileSystem: any FileSystem) throws(DataFolderError) {
    for name in ["parts", "log"] {
      let isEmpty: Bool
      do throws(FileError) { isEmpty = try fileSystem.list(path + "/" + name).isEmpty } catch { throw .file(error) }
      guard isEmpty else {
        throw .unusable(
          path: path,
          reason: "its catalog.sqlite is new or blank, but \(name)/ holds data that only the old catalog knows. "
            + "Put the old catalog.mirror or catalog.sqlite (with its -wal file) back, or make a new one from the parts with "
            + "`needletail storage repair`; to begin anew, move parts/ and log/ away")
      }
    }
  }

  /// The folder whose entry makes `path` exist.
  private static func parent(of path: String) -> String {
    let parts = path.split(separator: "/").dropLast().joined(separator: "/")
    if path.hasPrefix("/") { return "/" + parts }
    return parts.isEmpty ? "." : parts
  }

  /// Says that the folder was laid out by another version of this program.
  static func unknownLayout(_ version: String) -> CatalogError {
    CatalogError(
      "the data folder has layout version \(version), this program knows version \(layoutVersion)",
      cause: .otherVersion)
  }

  private static func settings(
    of catalog: any PartCatalog, fresh: FolderIdentity
  ) throws(CatalogError) -> (id: String, slots: Int) {
    let version = try catalog.setting(.layoutVersion)
    if let version, version != layoutVersion {
      throw unknownLayout(version)
    }
    if version == nil {
      var change = CatalogChange()
      change.settings = [
        .folderID: fresh.id, .slotCount: String(fresh.slotCount), .layoutVersion: layoutVersion,
      ]
      try catalog.make(change)
    }
    let slots = Int(try catalog.setting(.slotCount) ?? "") ?? 0
    return (try catalog.setting(.folderID) ?? "", slots)
  }

  /// Replays the log into the participants and starts taking appends.
  ///
  /// Call once. Damaged ranges are noted in the catalog; what could be read is replayed all the same.
  package func startJournal(
    participants: [any JournalParticipant], clock: any WallClock, options: JournalOptions = JournalOptions()
  ) throws(DataFolderError) -> (journal: Journal, report: ReplayReport) {
    var owners: [LogRecordKind: any JournalParticipant] = [:]
    for participant in participants {
      for kind in participant.recordKinds {
        precondition(owners.updateValue(participant, forKey: kind) == nil, "two participants share a record kind")
      }
    }
    let seal = LogSeal(salt: Checksum.of(Array(id.utf8)))
    let log = path + "/log"
    let replay = LogReplay(fileSystem: fileSystem, folder: log, seal: seal)
    let flushed: UInt64
    do throws(CatalogError) { flushed = try catalog.flushedThroughGeneration() ?? 0 } catch { throw .catalog(error) }
    var outcome: LogReplay.Outcome
    do throws(FileError) {
      outcome = try replay.run(flushedThrough: flushed, kinds: Set(owners.keys)) { kind, payload in
        try owners[kind]?.replay(kind, payload)
      }
    } catch {
      throw .file(error)
    }
    if let (segment, kind) = outcome.unknownKind {
      throw .unusable(
        path: path,
        reason: "\(segment) of its log holds records of kind \(kind.rawValue), which this program does not know and "
          + "the next flush would delete. Open it with the version of the program that wrote them")
    }
    do throws(CatalogError) {
      try note(outcome.report.damages)
    } catch {
      throw .catalog(error)
    }
    do throws(FileError) {
      let quarantine = Quarantine(folder: path, fileSystem: fileSystem)
      for segment in outcome.strangers { try quarantine.take([segment.fileName], from: "log") }
    } catch {
      throw .file(error)
    }
    outcome.report.leftoverParts = leftoverParts
    let writer = LogWriter(
      fileSystem: fileSystem, folder: log, seal: seal, segmentBytes: options.segmentBytes, last: outcome.lastSegment)
    let journal = Journal(
      participants: participants, parts: parts, catalog: catalog, clock: clock, options: options, seal: seal,
      writer: writer, generation: max(outcome.lastSegment?.generation ?? 0, flushed &+ 1), sequence: outcome.last)
    guard journal.start() else { throw .unusable(path: path, reason: "the system gives no thread for its log") }
    return (journal, outcome.report)
  }

  /// Notes damages of the log, but for those whose records are noted as lost already, at another place: where a file was
  /// that is gone.
  private func note(_ damages: [LogDamage]) throws(CatalogError) {
    guard !damages.isEmpty else { return }
    let noted = try catalog.damages()
    let fresh = damages.filter { damage in
      guard let missing = damage.sequences else { return true }
      return !noted.contains { other in
        guard other.segment != damage.segment, let known = other.sequences else { return false }
        return known.lowerBound <= missing.lowerBound && missing.upperBound <= known.upperBound
      }
    }
    if !fresh.isEmpty { try catalog.note(fresh) }
  }

  /// Gives the folder back to other processes.
  ///
  /// Close the journal first.
  package func close() { lock.release() }
}
