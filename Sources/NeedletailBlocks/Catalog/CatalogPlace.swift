// Where a data folder's catalog lies, how it is opened, and how one is put in place of another: made whole and synced
// under a name of its own, then what is left of the old one is moved away, its main file first, because a database
// without its journal would be believed, and a journal without its database is not; then the new one gets the name.

import NeedletailEnvironment

/// A catalog that was opened.
struct OpenedCatalog {
  var catalog: MirroredCatalog
  /// What it holds.
  var content: CatalogContent
  /// What was wrong with one of its copies, and is set right.
  var remark: String?
}

/// The catalog's files in a data folder.
struct CatalogPlace {
  /// Opens the store at a path, or makes it.
  typealias OpenStore = @Sendable (_ path: String) throws(CatalogError) -> any CatalogStore

  static let fileName = "catalog.sqlite"
  private static let freshName = "catalog.rebuilt.sqlite"
  /// SQLite's own files beside a database.
  private static let companions = ["", "-wal", "-shm", "-journal"]

  /// The data folder.
  let folder: String
  let fileSystem: any FileSystem
  let openStore: OpenStore

  private var path: String { folder + "/" + Self.fileName }

  var mirror: CatalogMirror { CatalogMirror(folder: folder, fileSystem: fileSystem) }

  /// Opens the catalog, or makes it; makes the database anew from the mirror where that alone is whole.
  ///
  /// `identity` is the folder's, where its file is whole.
  func open(identity: String?) throws(DataFolderError) -> OpenedCatalog {
    let (reading, isThere, isFolder, hasLoneLog): (CatalogReading, Bool, Bool, Bool)
    do throws(FileError) {
      let status = try fileSystem.status(path)
      isThere = status?.kind == .directory || (status?.size ?? 0) > 0
      isFolder = status?.kind == .directory
      // Most of what was committed may stand in it alone, and SQLite removes it where it makes the database.
      let log = try fileSystem.status(path + "-wal")?.size ?? 0
      hasLoneLog = !isThere && log > 0
      reading = try mirror.read()
    } catch {
      throw .file(error)
    }
    // Before anything of another version's is touched.
    if case .otherVersion = reading { throw Self.refusal(CatalogVerdict(database: .missing, mirror: reading), folder) }
    var (store, database): ((any CatalogStore)?, CatalogReading) = (nil, .missing)
    // One that is gone is not made before it is known that nothing else has it.
    if isFolder {
      database = .damaged("it is no file")
    } else if isThere || (reading == .missing && !hasLoneLog) {
      (store, database) = try openDatabase(beside: reading)
    }
    let verdict = CatalogVerdict(database: database, mirror: reading, identity: identity)
    switch verdict {
    case .database(let content, let isMirrored, let damage):
      guard let store else { throw loneLog }
      try checkLayout(content)
      if damage != nil { try setMirrorAside() }
      let catalog = MirroredCatalog(store, mirror: mirror, content: content, isMirrored: isMirrored)
      let remark = damage.map { "\(mirror.path): \($0); it is written anew from \(Self.fileName)" }
      return OpenedCatalog(catalog: catalog, content: content, remark: remark)
    case .mirror(let content, let reason):
      try checkLayout(content)
      // Closed before its files go: SQLite takes what lies under their names for its own.
      store = nil
      let remark = "\(path) is made anew from \(CatalogMirror.fileName), which has all of it: \(reason)"
      let catalog = try remake(content, keepsOld: isThere || hasLoneLog)
      return OpenedCatalog(catalog: catalog, content: content, remark: remark)
    case .none: throw loneLog
    case .lost, .unclear, .otherVersion: throw Self.refusal(verdict, folder)
    }
  }

  /// Opens the database, and says what it holds.
  private func openDatabase(
    beside mirror: CatalogReading
  ) throws(DataFolderError) -> ((any CatalogStore)?, CatalogReading) {
    do throws(CatalogError) {
      let opened = try openStore(path)
      return (opened, .content(try opened.content()))
    } catch {
      switch error.cause {
      case .damaged: return (nil, .damaged(error.message))
      case .otherVersion: return (nil, .otherVersion(error.message))
      case .unreadable:
        // A disk may read again later; where the mirror has all of it there is no need to wait for that.
        guard case .content = mirror else { throw .catalog(error) }
        return (nil, .damaged(error.message))
      case .refused: throw .catalog(error)
      }
    }
  }

  private static func refusal(_ verdict: CatalogVerdict, _ folder: String) -> DataFolderError {
    switch verdict {
    case .otherVersion(let words): .catalog(CatalogError(words, cause: .otherVersion))
    case .unclear(let words):
      .unusable(path: folder, reason: words + ". Put the right one back, or move the wrong one away")
    case .lost(let words):
      .unusable(
        path: folder,
        reason: "its catalog cannot be read: \(words). Make a new one from the parts with `needletail storage repair`")
    case .database, .mirror, .none: .unusable(path: folder, reason: "it has no catalog")
    }
  }

  /// Throws where another version laid the folder out: before anything is written to it.
  private func checkLayout(_ content: CatalogContent) throws(DataFolderError) {
    guard let layout = content.settings[.layoutVersion], layout != DataFolder.layoutVersion else { return }
    throw .catalog(DataFolder.unknownLayout(layout))
  }

  /// Moves a mirror that is damaged, or another folder's, to `quarantine/`: it may be the best that is left of a catalog.
  private func setMirrorAside() throws(DataFolderError) {
    do throws(FileError) {
      try Quarantine(folder: folder, fileSystem: fileSystem).take([CatalogMirror.fileName], from: "")
    } catch {
      throw .file(error)
    }
  }

  private func remake(_ content: CatalogContent, keepsOld: Bool) throws(DataFolderError) -> MirroredCatalog {
    do throws(FileError) { try replace(with: content, keepsOld: keepsOld, isFromMirror: true) } catch {
      throw .file(error)
    }
    do throws(CatalogError) {
      return MirroredCatalog(try openStore(path), mirror: mirror, content: content, isMirrored: true)
    } catch {
      throw .catalog(error)
    }
  }

  private var loneLog: DataFolderError {
    .unusable(
      path: folder,
      reason:
        "\(Self.fileName) is gone and its \(Self.fileName)-wal is there, which holds what was committed last. Put "
        + "\(Self.fileName) back beside it, or make a new one from the parts with `needletail storage repair`")
  }

  /// What the two copies say, without changing anything; `isInUse`: a server may be writing them.
  func verdict(isInUse: Bool) throws(FileError) -> CatalogVerdict {
    let identity = try FolderIdentity.readIfPossible(folder, on: fileSystem)?.id
    var verdict = CatalogVerdict.none
    // The database first: a mirror that was read later may only be ahead of it, which reading both again shows.
    let tries = isInUse ? 5 : 1
    for attempt in 1...tries {
      let (database, refusal) = try read()
      let reading = try mirror.read()
      // What cannot be read now is no damage, unless the other copy tells all of it.
      if let refusal {
        guard refusal.cause == .unreadable, case .content = reading else {
          // A server that starts or stops has it for a moment.
          if attempt < tries { continue }
          throw FileError(.other, .open, path: path, reason: refusal.message)
        }
      }
      verdict = CatalogVerdict(database: database, mirror: reading, identity: identity)
      if case .database = verdict { break }
    }
    return verdict
  }

  private func read() throws(FileError) -> (CatalogReading, refusal: CatalogError?) {
    guard let status = try fileSystem.status(path), status.kind != .file || status.size > 0 else {
      return (.missing, nil)
    }
    guard status.kind != .directory else { return (.damaged("it is no file"), nil) }
    do throws(CatalogError) {
      return (.content(try openStore(path).content()), nil)
    } catch {
      switch error.cause {
      case .damaged: return (.damaged(error.message), nil)
      case .otherVersion: return (.otherVersion(error.message), nil)
      case .unreadable, .refused: return (.damaged(error.message), error)
      }
    }
  }

  /// Makes the catalog of a folder that has none: the database, whole and synced, and its mirror.
  func make(with content: CatalogContent) throws(FileError) {
    try makeDatabase(path, content)
    try mirror.write(content)
  }

  /// Puts a catalog of this content into the place of what is there.
  ///
  /// What is left of the database goes to `quarantine/` where it is to be kept, and so does the mirror where it is not
  /// what the content is from.
  func replace(with content: CatalogContent, keepsOld: Bool, isFromMirror: Bool) throws(FileError) {
    let fresh = folder + "/" + Self.freshName
    for companion in Self.companions where try fileSystem.status(fresh + companion) != nil {
      try fileSystem.remove(fresh + companion)
    }
    try makeDatabase(fresh, content)
    let quarantine = Quarantine(folder: folder, fileSystem: fileSystem)
    if keepsOld {
      try quarantine.take(Self.companions.map { Self.fileName + $0 }, from: "")
    } else {
      for companion in Self.companions where try fileSystem.status(path + companion) != nil {
        try fileSystem.remove(path + companion)
      }
    }
    if !isFromMirror { try quarantine.take([CatalogMirror.fileName], from: "") }
    try fileSystem.rename(fresh, to: path)
    try fileSystem.syncDirectory(folder)
    try mirror.write(content)
  }

  private func makeDatabase(_ path: String, _ content: CatalogContent) throws(FileError) {
    do throws(CatalogError) {
      // Closed, and with that in one file, when it goes at the end of this scope.
      try openStore(path).replace(with: content)
    } catch {
      throw FileError(.other, .write, path: path, reason: "\(error)")
    }
    // What SQLite could not bring into the one file would be left behind.
    guard (try fileSystem.status(path + "-wal")?.size ?? 0) == 0 else {
      throw FileError(.other, .write, path: path, reason: "SQLite could not bring its log into the file")
    }
    let file = try fileSystem.open(path, .readWrite)
    defer { file.close() }
    try file.sync()
    try fileSystem.syncDirectory(folder)
  }
}
