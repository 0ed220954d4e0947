// The catalog over SQLite in WAL mode with synchronous=FULL: a transaction that returned survives a power cut. One
// connection, one transaction at a time; the tables are small (one row per part), so nothing here needs to be fast.

import GRDB

/// The catalog of a real data folder.
package final class SQLiteCatalog: PartCatalog {
  private let queue: DatabaseQueue
  private let path: String

  /// The version of the tables, kept in SQLite's `user_version`.
  private static let version = 1

  /// Opens the catalog's file, or makes it.
  package init(path: String) throws(CatalogError) {
    self.path = path
    var configuration = Configuration()
    configuration.prepareDatabase { database in
      try database.execute(sql: "PRAGMA journal_mode = WAL")
      try database.execute(sql: "PRAGMA synchronous = FULL")
      // On macOS a plain fsync leaves bytes in the drive's cache; elsewhere this changes nothing.
      try database.execute(sql: "PRAGMA fullfsync = ON")
    }
    do {
      queue = try DatabaseQueue(path: path, configuration: configuration)
      try queue.write { database in try Self.migrate(database) }
    } catch {
      throw Self.wrap("open", path, error)
    }
  }

  private static func migrate(_ database: Database) throws {
    let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
    guard found <= version else {
      throw CatalogError("its tables have version \(found), this program knows up to \(version)")
    }
    if found < 1 {
      try database.execute(
        sql: """
          CREATE TABLE part (
            id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, format INTEGER NOT NULL, partition INTEGER NOT NULL,
            level INTEGER NOT NULL, rows INTEGER NOT NULL, groups INTEGER NOT NULL, min_time INTEGER NOT NULL,
            max_time INTEGER NOT NULL, bytes INTEGER NOT NULL);
          CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
          CREATE TABLE damage (
            generation INTEGER NOT NULL, number INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,
            first INTEGER, last INTEGER, PRIMARY KEY (generation, number, start, stop));
          """)
    }
    try database.execute(sql: "PRAGMA user_version = \(version)")
  }

  private static func wrap(_ verb: String, _ path: String, _ error: any Error) -> CatalogError {
    CatalogError("cannot \(verb) the catalog \(path): \(error)")
  }

  private func read<Result: Sendable>(_ body: (Database) throws -> Result) throws(CatalogError) -> Result {
    do { return try queue.read(body) } catch { throw Self.wrap("read", path, error) }
  }

  private func write(_ body: (Database) throws -> Void) throws(CatalogError) {
    do { try queue.write(body) } catch { throw Self.wrap("write to", path, error) }
  }

  // SQLite's integers are signed; numbers that are not are stored by their bits.
  private static func signed(_ value: UInt64) -> Int64 { Int64(bitPattern: value) }
  private static func unsigned(_ value: Int64) -> UInt64 { UInt64(bitPattern: value) }

  package func list(_ kind: PartKind) throws(CatalogError) -> [PartRecord] {
    try read { database in
      let sql = "SELECT * FROM part WHERE kind = ? ORDER BY id"
      return try Row.fetchAll(database, sql: sql, arguments: [Int64(kind.rawValue)]).map { row in
        let format: Int64 = row["format"]
        let level: Int64 = row["level"]
        guard let format = UInt32(exactly: format), let level = UInt32(exactly: level) else {
          throw CatalogError("a part's format or level is out of range")
        }
        let summary = PartSummary(
          kind: kind, format: format, partition: row["partition"], level: level, rows: Self.unsigned(row["rows"]),
          groups: Self.unsigned(row["groups"]), minTime: row["min_time"], maxTime: row["max_time"])
        return PartRecord(
          id: PartID(Self.unsigned(row["id"])), summary: summary, bytes: Self.unsigned(row["bytes"]))
      }
    }
  }

  package func commit(
    adding: [PartRecord], removing: [PartID], flushedThroughGeneration: UInt64?
  ) throws(CatalogError) {
    try write { database in
      for id in removing {
        try database.execute(sql: "DELETE FROM part WHERE id = ?", arguments: [Self.signed(id.rawValue)])
      }
      for record in adding {
        let summary = record.summary
        try database.execute(
          sql: """
            INSERT INTO part (id, kind, format, partition, level, rows, groups, min_time, max_time, bytes)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
          arguments: [
            Self.signed(record.id.rawValue), Int64(summary.kind.rawValue), Int64(summary.format), summary.partition,
            Int64(summary.level), Self.signed(summary.rows), Self.signed(summary.groups), summary.minTime,
            summary.maxTime, Self.signed(record.bytes),
          ])
      }
      if let highest = adding.map(\.id).max() {
        let next = max(try Self.number(database, "nextPartID") ?? 1, highest.rawValue &+ 1)
        try Self.set(database, "nextPartID", String(next))
      }
      if let generation = flushedThroughGeneration {
        let flushed = max(try Self.number(database, "flushedThrough") ?? 0, generation)
        try Self.set(database, "flushedThrough", String(flushed))
      }
    }
  }

  private static func set(_ database: Database, _ name: String, _ value: String) throws {
    try database.execute(
      sql: "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
      arguments: [name, value])
  }

  private static func get(_ database: Database, _ name: String) throws -> String? {
    try String.fetchOne(database, sql: "SELECT value FROM setting WHERE name = ?", arguments: [name])
  }

  private static func number(_ database: Database, _ name: String) throws -> UInt64? {
    guard let text = try get(database, name) else { return nil }
    guard let value = UInt64(text) else { throw CatalogError("the setting \(name) is no number") }
    return value
  }

  package func flushedThroughGeneration() throws(CatalogError) -> UInt64? {
    try read { try Self.number($0, "flushedThrough") }
  }

  package func nextPartID() throws(CatalogError) -> PartID {
    PartID(try read { try Self.number($0, "nextPartID") } ?? 1)
  }

  package func setting(_ name: CatalogSetting) throws(CatalogError) -> String? {
    try read { try Self.get($0, name.rawValue) }
  }

  package func set(_ name: CatalogSetting, to value: String) throws(CatalogError) {
    try write { try Self.set($0, name.rawValue, value) }
  }

  package func note(_ damages: [LogDamage]) throws(CatalogError) {
    try write { database in
      for damage in damages {
        try database.execute(
          sql: "INSERT OR IGNORE INTO damage (generation, number, start, stop, first, last) VALUES (?, ?, ?, ?, ?, ?)",
          arguments: [
            Self.signed(damage.segment.generation), Int64(damage.segment.number),
            Self.signed(damage.range.lowerBound), Self.signed(damage.range.upperBound),
            damage.sequences.map { Self.signed($0.lowerBound) }, damage.sequences.map { Self.signed($0.upperBound) },
          ])
      }
    }
  }

  package func damages() throws(CatalogError) -> [LogDamage] {
    try read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM damage ORDER BY generation, number, start").compactMap { row in
        let number: Int64 = row["number"]
        let (start, stop) = (Self.unsigned(row["start"]), Self.unsigned(row["stop"]))
        guard let number = UInt32(exactly: number), start <= stop else { return nil }
        let (first, last): (Int64?, Int64?) = (row["first"], row["last"])
        var sequences: ClosedRange<UInt64>?
        if let first, let last, Self.unsigned(first) <= Self.unsigned(last) {
          sequences = Self.unsigned(first)...Self.unsigned(last)
        }
        let segment = LogSegmentID(generation: Self.unsigned(row["generation"]), number: number)
        return LogDamage(segment: segment, range: start..<stop, sequences: sequences)
      }
    }
  }

  package func forget(_ damages: [LogDamage]) throws(CatalogError) {
    try write { database in
      for damage in damages {
        try database.execute(
          sql: "DELETE FROM damage WHERE generation = ? AND number = ? AND start = ? AND stop = ?",
          arguments: [
            Self.signed(damage.segment.generation), Int64(damage.segment.number),
            Self.signed(damage.range.lowerBound), Self.signed(damage.range.upperBound),
          ])
      }
    }
  }
}
