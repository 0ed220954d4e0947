import NeedletailEnvironment

// The catalog over SQLite in WAL mode with synchronous=FULL: a transaction that returned survives a power cut. One
// connection, one transaction at a time; the tables are small (one row per part), so nothing here needs to be fast.

/// The catalog of a real data folder.
package final class SQLiteCatalog: PartCatalog {
  let database: Lock<SQLiteDatabase>
  private let path: String

  /// The version of the tables, kept in SQLite's `user_version`.
  private static let version: Int64 = 2

  private static let tables = [
    """
    CREATE TABLE part (
      id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, format INTEGER NOT NULL, partition INTEGER NOT NULL,
      level INTEGER NOT NULL, rows INTEGER NOT NULL, groups INTEGER NOT NULL, min_time INTEGER NOT NULL,
      max_time INTEGER NOT NULL, bytes INTEGER NOT NULL)
    """,
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE damage (
      generation INTEGER NOT NULL, number INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,
      first INTEGER, last INTEGER, PRIMARY KEY (generation, number, start, stop))
    """,
  ]

  /// A tombstone goes with its part, in whatever transaction that is.
  private static let tombstoneTable = """
    CREATE TABLE tombstone (
      part INTEGER NOT NULL REFERENCES part (id) ON DELETE CASCADE, content BLOB NOT NULL,
      PRIMARY KEY (part, content)) WITHOUT ROWID
    """

  /// Opens the catalog's file, or makes it.
  package init(path: String) throws(CatalogError) {
    self.path = path
    do throws(SQLiteError) {
      var database = try SQLiteDatabase(path: path)
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
      let found = try database.rows("PRAGMA user_version") { (row) throws(SQLiteError) in try row.integer(0) }.first
      guard found == Self.version else {
        // What has no version has no tables either: it is no catalog, or nothing was ever committed to it.
        guard let found, found > 0 else { throw .unexpected("it has no tables") }
        let hint = found < Self.version ? "; a start of the server brings them to version \(Self.version)" : ""
        throw .otherVersion("its tables have version \(found), this program reads version \(Self.version)\(hint)")
      }
      self.database = Lock(database)
    } catch {
      throw Self.wrap("read", path, error)
    }
  }

  /// Writes all of the catalog, as it is at one instant, to a new file, which may not exist.
  ///
  /// The file is not synced.
  package func copy(to target: String) throws(CatalogError) {
    do throws(SQLiteError) {
      try database.withLock { (database) throws(SQLiteError) in
        try database.run("VACUUM INTO ?", [.text(target)])
      }
    } catch {
      throw Self.wrap("copy", path, error)
    }
  }

  private static func prepare(_ database: inout SQLiteDatabase) throws(SQLiteError) {
    // SQLite answers with the mode that it is in, which is another one where the file system cannot share memory.
    let mode = try database.rows("PRAGMA journal_mode = WAL") { (row) throws(SQLiteError) in try row.text(0) }
    guard mode == ["wal"] else { throw .unexpected("its file system does not take SQLite's WAL mode") }
    try database.run("PRAGMA synchronous = FULL")
    // On macOS a plain fsync leaves bytes in the drive's cache; elsewhere this changes nothing.
    try database.run("PRAGMA fullfsync = ON")
    try database.run("PRAGMA foreign_keys = ON")
    try database.transaction { (database) throws(SQLiteError) in try Self.migrate(&database) }
  }

  private static func migrate(_ database: inout SQLiteDatabase) throws(SQLiteError) {
    let found = try database.rows("PRAGMA user_version") { (row) throws(SQLiteError) in try row.integer(0) }.first ?? 0
    guard found <= version else {
      throw .otherVersion("its tables have version \(found), this program knows up to \(version)")
    }
    if found < 1 {
      for table in tables { try database.run(table) }
    }
    if found < 2 { try database.run(tombstoneTable) }
    // Written even when it stays the same: a catalog that cannot be written to is found now, not at the first flush.
    try database.run("PRAGMA user_version = \(version)")
  }

  private static func wrap(_ verb: String, _ path: String, _ error: SQLiteError) -> CatalogError {
    var isOfOtherVersion = false
    if case .otherVersion = error { isOfOtherVersion = true }
    return CatalogError("cannot \(verb) the catalog \(path): \(error)", isOfOtherVersion: isOfOtherVersion)
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

  /// Each read is one statement, which sees one state of the database; several would need a transaction.
  private func read<Result: Sendable>(
    _ body: (inout SQLiteDatabase) throws(SQLiteError) -> Result
  ) throws(CatalogError) -> Result {
    do throws(SQLiteError) {
      return try database.withLock { (database) throws(SQLiteError) in
        try mend(&database)
        return try body(&database)
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

  package func list(_ kind: PartKind) throws(CatalogError) -> [PartRecord] {
    try read { (database) throws(SQLiteError) in
      let sql = """
        SELECT id, format, partition, level, rows, groups, min_time, max_time, bytes FROM part WHERE kind = ?
        ORDER BY id
        """
      return try database.rows(sql, [.integer(Int64(kind.rawValue))]) { (row) throws(SQLiteError) in
        guard let format = UInt32(exactly: try row.integer(1)), let level = UInt32(exactly: try row.integer(3)) else {
          throw .unexpected("a part's format or level is out of range")
        }
        let summary = PartSummary(
          kind: kind, format: format, partition: try row.integer(2), level: level, rows: try row.bits(4),
          groups: try row.bits(5), minTime: try row.integer(6), maxTime: try row.integer(7))
        return PartRecord(id: PartID(try row.bits(0)), summary: summary, bytes: try row.bits(8))
      }
    }
  }

  package func commit(
    adding: [PartRecord], removing: [PartID], flushedThroughGeneration: UInt64?, tombstones: [PartTombstone]
  ) throws(CatalogError) {
    try write { (database) throws(SQLiteError) in
      for id in removing { try database.run("DELETE FROM part WHERE id = ?", [.bits(id.rawValue)]) }
      for record in adding {
        let summary = record.summary
        try database.run(
          """
          INSERT INTO part (id, kind, format, partition, level, rows, groups, min_time, max_time, bytes)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          """,
          [
            .bits(record.id.rawValue), .integer(Int64(summary.kind.rawValue)), .integer(Int64(summary.format)),
            .integer(summary.partition), .integer(Int64(summary.level)), .bits(summary.rows), .bits(summary.groups),
            .integer(summary.minTime), .integer(summary.maxTime), .bits(record.bytes),
          ])
      }
      for tombstone in tombstones {
        try database.run(
          "INSERT INTO tombstone (part, content) VALUES (?, ?) ON CONFLICT (part, content) DO NOTHING",
          [.bits(tombstone.part.rawValue), .blob(tombstone.content)])
      }
      if let highest = adding.map(\.id).max() {
        let next = max(try Self.number(&database, "nextPartID") ?? 1, highest.rawValue &+ 1)
        try Self.set(&database, "nextPartID", String(next))
      }
      if let generation = flushedThroughGeneration {
        let flushed = max(try Self.number(&database, "flushedThrough") ?? 0, generation)
        try Self.set(&database, "flushedThrough", String(flushed))
      }
    }
  }

  package func tombstones() throws(CatalogError) -> [PartTombstone] {
    try read { (database) throws(SQLiteError) in
      try database.rows("SELECT part, content FROM tombstone ORDER BY part, content") { (row) throws(SQLiteError) in
        PartTombstone(part: PartID(try row.bits(0)), content: try row.blob(1))
      }
    }
  }

  private static func set(_ database: inout SQLiteDatabase, _ name: String, _ value: String) throws(SQLiteError) {
    try database.run(
      "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
      [.text(name), .text(value)])
  }

  private static func get(_ database: inout SQLiteDatabase, _ name: String) throws(SQLiteError) -> String? {
    try database.rows("SELECT value FROM setting WHERE name = ?", [.text(name)]) { (row) throws(SQLiteError) in
      try row.text(0)
    }.first
  }

  private static func number(_ database: inout SQLiteDatabase, _ name: String) throws(SQLiteError) -> UInt64? {
    guard let text = try get(&database, name) else { return nil }
    guard let value = UInt64(text) else { throw .unexpected("the setting \(name) is no number") }
    return value
  }

  package func flushedThroughGeneration() throws(CatalogError) -> UInt64? {
    try read { (database) throws(SQLiteError) in try Self.number(&database, "flushedThrough") }
  }

  package func nextPartID() throws(CatalogError) -> PartID {
    PartID(try read { (database) throws(SQLiteError) in try Self.number(&database, "nextPartID") } ?? 1)
  }

  package func setting(_ name: CatalogSetting) throws(CatalogError) -> String? {
    try read { (database) throws(SQLiteError) in try Self.get(&database, name.rawValue) }
  }

  package func set(_ name: CatalogSetting, to value: String) throws(CatalogError) {
    try write { (database) throws(SQLiteError) in try Self.set(&database, name.rawValue, value) }
  }

  package func note(_ damages: [LogDamage]) throws(CatalogError) {
    try write { (database) throws(SQLiteError) in
      for damage in damages {
        try database.run(
          "INSERT OR IGNORE INTO damage (generation, number, start, stop, first, last) VALUES (?, ?, ?, ?, ?, ?)",
          Self.key(damage) + [.bits(damage.sequences?.lowerBound), .bits(damage.sequences?.upperBound)])
      }
    }
  }

  package func damages() throws(CatalogError) -> [LogDamage] {
    try read { (database) throws(SQLiteError) in
      let sql = "SELECT generation, number, start, stop, first, last FROM damage ORDER BY generation, number, start"
      return try database.rows(sql) { (row) throws(SQLiteError) -> LogDamage? in
        let (start, stop) = (try row.bits(2), try row.bits(3))
        guard let number = UInt32(exactly: try row.integer(1)), start <= stop else { return nil }
        var sequences: ClosedRange<UInt64>?
        if let first = try row.bitsOrNil(4), let last = try row.bitsOrNil(5), first <= last { sequences = first...last }
        let segment = LogSegmentID(generation: try row.bits(0), number: number)
        return LogDamage(segment: segment, range: start..<stop, sequences: sequences)
      }.compactMap { $0 }
    }
  }

  package func forget(_ damages: [LogDamage]) throws(CatalogError) {
    try write { (database) throws(SQLiteError) in
      for damage in damages {
        try database.run(
          "DELETE FROM damage WHERE generation = ? AND number = ? AND start = ? AND stop = ?", Self.key(damage))
      }
    }
  }

  /// What tells one damage from another: the first four columns of its table.
  private static func key(_ damage: LogDamage) -> [SQLiteValue] {
    [
      .bits(damage.segment.generation), .integer(Int64(damage.segment.number)), .bits(damage.range.lowerBound),
      .bits(damage.range.upperBound),
    ]
  }
}
