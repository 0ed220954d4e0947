// Where a data folder's catalog lies, how it is opened, and how one is put in place of another: made whole and synced
// under a name of its own, then what is left of the old one is moved away, its main file first, because a database
// without its journal would be believed, and a journal without its database is not; then the new one gets the name.

import NeedletailEnvironment

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
  /// `content` is what it holds, `remark` says what was wrong with either, and is set right.
  func open() throws(DataFolderError) -> (catalog: MirroredCatalog, content: CatalogContent, remark: String?) {
    let (reading, isThere, hasLoneLog): (CatalogReading, Bool, Bool)
    do throws(FileError) {
      isThere = (try fileSystem.status(path)?.size ?? 0) > 0
      // Most of what was committed may stand in it alone, and SQLite removes it where it makes the database.
      let log = try fileSystem.status(path + "-wal")?.size ?? 0
      hasLoneLog = !isThere && log > 0
      reading = try mirror.read()
    } catch {
      throw .file(error)
    }
    var store: (any CatalogStore)?
    var database = CatalogReading.missing
    do throws(CatalogError) {
      if !hasLoneLog {
        let opened = try openStore(path)
        database = .content(try opened.content())
        store = opened
      }
    } catch {
      switch error.cause {
      case .refused: throw .catalog(error)
      case .damaged: database = .damaged(error.message)
      case .otherVersion: database = .otherVersion(error.message)
      }
    }
    switch CatalogVerdict(database: database, mirror: reading) {
    case .database(let content, let isMirrored, let damage):
      guard let store else { throw loneLog }
      let catalog = MirroredCatalog(store, mirror: mirror, content: content, isMirrored: isMirrored)
      return (catalog, content, damage.map { "\(mirror.path): \($0); it is written anew from \(Self.fileName)" })
    case .mirror(let content, let reason):
      // Closed before its files go: SQLite takes what lies under their names for its own.
      store = nil
      let remark = "\(path) is made anew from \(CatalogMirror.fileName), which has all of it: \(reason)"
      return (try remake(content, keepsOld: isThere || hasLoneLog), content, remark)
    case .none: throw loneLog
    case .lost(let words):
      throw .unusable(
        path: folder,
        reason: "its catalog cannot be read: \(words). Make a new one from the parts with `needletail storage repair`")
    case .otherVersion(let words): throw .catalog(CatalogError(words, cause: .otherVersion))
    }
  }

  private func remake(_ content: CatalogContent, keepsOld: Bool) throws(DataFolderError) -> MirroredCatalog {
    do throws(FileError) { try replace(with: content, keepsOld: keepsOld) } catch { throw .file(error) }
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
    var verdict = CatalogVerdict.none
    // The database first: a mirror that was read later may only be ahead of it, which reading both again shows.
    for _ in 0..<(isInUse ? 5 : 1) {
      let database = try read()
      verdict = CatalogVerdict(database: database, mirror: try mirror.read())
      if case .database = verdict { break }
    }
    return verdict
  }

  private func read() throws(FileError) -> CatalogReading {
    guard let status = try fileSystem.status(path), status.size > 0 else { return .missing }
    guard status.kind == .file else { return .damaged("it is no file") }
    do throws(CatalogError) {
      return .content(try openStore(path).content())
    } catch {
      return error.cause == .otherVersion ? .otherVersion(error.message) : .damaged(error.message)
    }
  }

  /// Makes the catalog of a folder that has none: the database, whole and synced, and its mirror.
  func make(with content: CatalogContent) throws(FileError) {
    try makeDatabase(path, content)
    try mirror.write(content)
  }

  /// Puts a catalog of this content into the place of what is there; that goes to `quarantine/` where it is to be kept.
  func replace(with content: CatalogContent, keepsOld: Bool = true) throws(FileError) {
    let fresh = folder + "/" + Self.freshName
    for companion in Self.companions where try fileSystem.status(fresh + companion) != nil {
      try fileSystem.remove(fresh + companion)
    }
    try makeDatabase(fresh, content)
    let quarantine = Quarantine(folder: folder, fileSystem: fileSystem)
    for companion in Self.companions {
      if keepsOld {
        try quarantine.take(Self.fileName + companion, from: "")
      } else if try fileSystem.status(path + companion) != nil {
        try fileSystem.remove(path + companion)
      }
    }
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
    let file = try fileSystem.open(path, .readWrite)
    defer { file.close() }
    try file.sync()
    try fileSystem.syncDirectory(folder)
  }
}
