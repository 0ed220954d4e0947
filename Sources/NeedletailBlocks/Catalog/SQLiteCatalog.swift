import NeedletailEnvironment

// The catalog over SQLite in WAL mode with synchronous=FULL: a transaction that returned survives a power cut. One
// connection, one transaction at a time; the tables are small (one row per part), so nothing here needs to be fast.
//
// SQLite does not look whether its pages are what it wrote. So the checksum of all that the tables hold stands among
// them, is written anew with every change and held against the rows whenever these are read: what a flipped bit made of
// the file is never taken for a catalog, nor written over with a checksum that is right.

/// The catalog of a real data folder.
package final class SQLiteCatalog: CatalogStore {
  let database: Lock<SQLiteDatabase>
  private let path: String

  /// Opens the catalog's file, or makes it.
  ///
  /// `files` names the layer of SQLite's that reads and writes the files; nil: that of the system.
  package init(path: String, files: String? = nil) throws(CatalogError) {
    self.path = path
    do throws(SQLiteError) {
      var database = try SQLiteDatabase(path: path, files: files)
      try Self.prepare(&database)
      self.database = Lock(database)
    } catch {
      throw Self.wrap("open", path, error)
    }
  }

  /// Opens the file of a catalog that another process may have open, for reading alone.
  ///
  /// Everything that writes throws. Neither waits for the other.
  package init(reading path: String) throws(CatalogError) {
    self.path = path
    do throws(SQLiteError) {
      var database = try SQLiteDatabase(path: path, isReadOnly: true)
      try CatalogTables.checkVersion(&database)
      self.database = Lock(database)
    } catch {
      throw Self.wrap("read", path, error)
    }
  }

  private static func prepare(_ database: inout SQLiteDatabase) throws(SQLiteError) {
    // SQLite answers with the mode that it is in, which is another one where the file system cannot share memory.
    let mode = try database.rows("PRAGMA journal_mode = WAL") { (row) throws(SQLiteError) in try row.text(0) }
    guard mode == ["wal"] else { throw .unfit("its file system does not take SQLite's WAL mode") }
    try database.run("PRAGMA synchronous = FULL")
    // On macOS a plain fsync leaves bytes in the drive's cache; elsewhere this changes nothing.
    try database.run("PRAGMA fullfsync = ON")
    try database.run("PRAGMA foreign_keys = ON")
    try database.transaction { (database) throws(SQLiteError) in try CatalogTables.migrate(&database) }
  }

  private static func wrap(_ verb: String, _ path: String, _ error: SQLiteError) -> CatalogError {
    CatalogError("cannot \(verb) the catalog \(path): \(error)", cause: error.cause)
  }

  /// Opens another connection in place of one that could not roll back, so that one bad moment of the disk does not
  /// last until the next start.
  private func mend(_ database: inout SQLiteDatabase) throws(SQLiteError) {
    guard let broken = database.broken else { return }
    do throws(SQLiteError) {
      try database.reopen(path: path)
      try Self.prepare(&database)
    } catch {
      database.abandon(because: broken)
      throw error
    }
  }

  package func content() throws(CatalogError) -> CatalogContent {
    do throws(SQLiteError) {
      return try database.withLock { (database) throws(SQLiteError) in
        try mend(&database)
        // Several statements, which must see one state.
        return try database.transaction(writing: false) { (database) throws(SQLiteError) in
          try CatalogTables.content(&database)
        }
      }
    } catch {
      throw Self.wrap("read", path, error)
    }
  }

  private func write(_ body: (inout SQLiteDatabase) throws(SQLiteError) -> Void) throws(CatalogError) {
    do throws(SQLiteError) {
      try database.withLock { (database) throws(SQLiteError) in
        try mend(&database)
        try database.transaction(body)
      }
    } catch {
      throw Self.wrap("write to", path, error)
    }
  }

  package func make(_ change: CatalogChange) throws(CatalogError) {
    try write { (database) throws(SQLiteError) in
      var content = try CatalogTables.content(&database)
      try CatalogTables.write(change, &database)
      do throws(CatalogError) { try content.apply(change) } catch { throw .unexpected(error.message) }
      try CatalogTables.seal(content, &database)
    }
  }

  package func replace(with content: CatalogContent) throws(CatalogError) {
    try write { (database) throws(SQLiteError) in try CatalogTables.replace(with: content, &database) }
  }
}
