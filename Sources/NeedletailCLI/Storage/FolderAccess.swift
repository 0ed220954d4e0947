import NeedletailBlocks
import NeedletailEnvironment
import NeedletailEvents
import NeedletailSeries

/// A data folder in the hands of a tool.
struct FolderAccess {
  let path: String
  let fileSystem = PosixFileSystem()
  /// Whether another process holds the folder: then it is only read.
  let isInUse: Bool
  private let lock: (any FileLock)?

  /// Takes the folder's lock; where another process holds it, reading goes on without, and writing throws.
  ///
  /// Throws `CommandFailure`.
  init(_ path: String, holder: String, writes: Bool) throws {
    var trimmed = path[...]
    while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
    self.path = String(trimmed)
    do throws(FileError) {
      let inspector = StorageInspector(self.path, on: fileSystem, isInUse: false, openCatalog: Self.reading)
      guard try inspector.isDataFolder() else {
        throw FileError(.notFound, .open, path: self.path, reason: "it is no data folder")
      }
      lock = try fileSystem.lock(self.path + "/lock", holder: holder)
      isInUse = false
    } catch {
      guard error.code == .locked, !writes else { throw CommandFailure(message: "\(error)") }
      lock = nil
      isInUse = true
    }
  }

  /// Gives the folder back.
  func close() { lock?.release() }

  var inspector: StorageInspector {
    StorageInspector(path, on: fileSystem, isInUse: isInUse, openCatalog: Self.reading)
  }

  var repair: StorageRepair {
    StorageRepair(path, on: fileSystem) { path throws(CatalogError) in try SQLiteCatalog(path: path) }
  }

  private static func reading(_ path: String) throws(CatalogError) -> any CatalogStore {
    try SQLiteCatalog(reading: path)
  }

  /// What is in the folder, for a command that judges it.
  ///
  /// Throws `CommandFailure` where another version of this program is to judge it.
  func survey() throws -> StorageSurvey {
    let survey = try Self.failing { () throws(FileError) in try inspector.survey() }
    guard survey.isOfOtherVersion else { return survey }
    throw CommandFailure(
      message: "\(path) is a data folder of another version of needletail, and is left as it is: "
        + (survey.catalogProblem ?? ""))
  }

  /// What the engines say of their parts.
  static func check(_ record: PartRecord, _ folder: PartsFolder) -> StorageDamage? {
    switch record.summary.kind {
    case .series: SeriesPartCheck.damage(record, in: folder)
    case .logs, .spans: EventPartCheck.damage(record, in: folder)
    }
  }

  /// Turns what the file system says into what the command says.
  static func failing<Result>(_ body: () throws(FileError) -> Result) throws -> Result {
    do throws(FileError) { return try body() } catch { throw CommandFailure(message: "\(error)") }
  }
}
