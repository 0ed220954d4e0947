import CSQLite
import NeedletailEnvironment
import Testing

@testable import NeedletailBlocks

/// What the catalog makes of a full disk, a damaged file, a second opening and a folder of an older program.
@Suite struct SQLiteCatalogTests {
  func record(_ number: UInt64) -> PartRecord {
    PartRecord(
      id: PartID(number),
      summary: PartSummary(
        kind: .logs, format: 1, partition: 20_000, level: 0, rows: number, groups: 1, minTime: 5, maxTime: 6),
      bytes: number &* 100)
  }

  private func withCatalog(_ body: (SQLiteCatalog, String) throws -> Void) throws {
    try withScratchFolder { folder in
      let path = folder + "/catalog.sqlite"
      try body(try SQLiteCatalog(path: path), path)
    }
  }

  /// What the catalog says of the failure of `body`, which must fail.
  private func message(of body: () throws -> Void) throws -> String {
    try #require(#expect(throws: CatalogError.self) { try body() }).message
  }

  private func run(_ sql: String, on catalog: SQLiteCatalog) throws {
    try catalog.database.withLock { (database) throws(SQLiteError) in try database.run(sql) }
  }

  private func integer(_ sql: String, on catalog: SQLiteCatalog) throws -> Int64 {
    let rows = try catalog.database.withLock { (database) throws(SQLiteError) in
      try database.rows(sql) { (row) throws(SQLiteError) in try row.integer(0) }
    }
    return try #require(rows.first)
  }

  @Test("A commit survives a power cut when it returns: WAL with every commit synced, in tables of version 3")
  func settings() throws {
    try withCatalog { catalog, _ in
      #expect(try integer("PRAGMA synchronous", on: catalog) == 2)
      #expect(try integer("PRAGMA fullfsync", on: catalog) == 1)
      #expect(try integer("PRAGMA foreign_keys", on: catalog) == 1)
      #expect(try integer("PRAGMA user_version", on: catalog) == 3)
      let mode = try catalog.database.withLock { (database) throws(SQLiteError) in
        try database.rows("PRAGMA journal_mode") { (row) throws(SQLiteError) in try row.text(0) }
      }
      #expect(mode == ["wal"])
    }
  }

  @Test("An error names the file, the statement, SQLite's code and its words; the commit did nothing")
  func errorsNameTheStatement() throws {
    try withCatalog { catalog, path in
      try catalog.commit(adding: [record(1)], removing: [], flushedThroughGeneration: 1)
      let words = try message {
        try catalog.commit(adding: [record(2), record(1)], removing: [], flushedThroughGeneration: 2)
      }
      for part in ["cannot write to", path, "error 1555", "UNIQUE constraint failed: part.id", "INSERT INTO part ("] {
        #expect(words.contains(part), "\(words)")
      }
      #expect(try catalog.list(.logs) == [record(1)])
      #expect(try catalog.flushedThroughGeneration() == 1)
    }
  }

  @Test("A commit that fills the disk leaves the old state, also after a restart, and works once there is room")
  func fullDisk() throws {
    try withCatalog { catalog, path in
      try catalog.commit(adding: [record(1)], removing: [], flushedThroughGeneration: 1)
      try run("PRAGMA max_page_count = 6", on: catalog)
      let many = (2...2000 as ClosedRange<UInt64>).map { record($0) }
      let words = try message { try catalog.commit(adding: many, removing: [PartID(1)], flushedThroughGeneration: 2) }
      #expect(words.contains("error 13: database or disk is full"))
      for seen in [catalog, try SQLiteCatalog(path: path)] {
        #expect(try seen.list(.logs) == [record(1)])
        #expect(try seen.flushedThroughGeneration() == 1)
        #expect(try seen.nextPartID() == PartID(2))
      }
      try run("PRAGMA max_page_count = 1000000", on: catalog)
      try catalog.commit(adding: many, removing: [PartID(1)], flushedThroughGeneration: 2)
      #expect(try SQLiteCatalog(path: path).list(.logs) == many)
    }
  }

  @Test("A file that is no database is refused when it is opened, and left as it is")
  func noDatabase() throws {
    try withScratchFolder { folder in
      let disk = PosixFileSystem()
      let path = folder + "/catalog.sqlite"
      let bytes = (0..<8192).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let file = try disk.open(path, .create)
      try file.write(bytes, at: 0)
      file.close()
      let words = try message { _ = try SQLiteCatalog(path: path) }
      #expect(words.contains("cannot open the catalog \(path)") && words.contains("error 26: file is not a database"))
      #expect(try disk.readAll(path, maxBytes: 10_000) == bytes)
    }
  }

  @Test("A damaged page is an error when it is read, never other parts")
  func damagedPage() throws {
    try withScratchFolder { folder in
      let disk = PosixFileSystem()
      let path = folder + "/catalog.sqlite"
      try closed(path)
      let file = try disk.open(path, .readWrite)
      try file.write([UInt8](repeating: 0xff, count: 4096), at: 4096)
      file.close()
      let words = try message { _ = try SQLiteCatalog(path: path).list(.logs) }
      #expect(words.contains("cannot read the catalog") && words.contains("error 11: database disk image is malformed"))
    }
  }

  /// Makes a catalog with a part and closes it, so that all of it stands in its one file.
  private func closed(_ path: String) throws {
    try SQLiteCatalog(path: path).commit(adding: [record(1)], removing: [], flushedThroughGeneration: nil)
  }

  @Test("A catalog that can only be read answers, and refuses what would change it")
  func readOnly() throws {
    try withCatalog { catalog, _ in
      try catalog.commit(adding: [record(1)], removing: [], flushedThroughGeneration: nil)
      try run("PRAGMA query_only = ON", on: catalog)
      let words = try message { try catalog.set(.slotCount, to: "1") }
      #expect(words.contains("error 8: attempt to write a readonly database"))
      #expect(try catalog.list(.logs) == [record(1)])
      #expect(try catalog.setting(.slotCount) == nil)
    }
  }

  @Test("A tombstone goes with its part, stands once, and is refused for a part that is not listed")
  func tombstones() throws {
    try withCatalog { catalog, path in
      let all = [(1, [1, 2]), (1, [3]), (2, [1, 2])].map { part, content in
        PartTombstone(part: PartID(part), content: content)
      }
      try catalog.commit(adding: [record(1)], removing: [], flushedThroughGeneration: nil, tombstones: [all[1]])
      try catalog.commit(adding: [record(2)], removing: [], flushedThroughGeneration: nil, tombstones: all)
      #expect(try catalog.tombstones() == all)
      #expect(try SQLiteCatalog(reading: path).tombstones() == all)
      #expect(throws: CatalogError.self) {
        try catalog.commit(
          adding: [record(3)], removing: [], flushedThroughGeneration: nil,
          tombstones: [PartTombstone(part: PartID(9), content: [])])
      }
      #expect(try catalog.list(record(1).summary.kind).map(\.id) == [PartID(1), PartID(2)])
      try catalog.commit(adding: [record(3)], removing: [PartID(1)], flushedThroughGeneration: nil)
      #expect(try catalog.tombstones() == [all[2]])
    }
  }

  @Test("A transaction that could not be rolled back costs its connection alone: the next call has another one")
  func notRolledBack() throws {
    try withCatalog { catalog, path in
      try catalog.set(.slotCount, to: "1")
      catalog.database.withLock { database in
        _ = sqlite3_set_authorizer(
          database.connection,
          { _, action, operation, _, _, _ in
            guard action == SQLITE_TRANSACTION, let operation, String(cString: operation) != "BEGIN" else {
              return SQLITE_OK
            }
            return SQLITE_DENY
          }, nil)
      }
      let words = try message { try catalog.set(.slotCount, to: "2") }
      #expect(words.contains("and it was not rolled back"))
      #expect(try catalog.setting(.slotCount) == "1")
      try catalog.set(.slotCount, to: "3")
      #expect(try SQLiteCatalog(path: path).setting(.slotCount) == "3")
      #expect(try integer("PRAGMA synchronous", on: catalog) == 2 && integer("PRAGMA fullfsync", on: catalog) == 1)
    }
  }

  @Test("Tables of a later version are refused by name")
  func laterVersion() throws {
    try withCatalog { catalog, path in
      try run("PRAGMA user_version = 4", on: catalog)
      let words = try message { _ = try SQLiteCatalog(path: path) }
      #expect(words.hasSuffix("its tables have version 4, this program knows up to 3"))
      #expect(try integer("PRAGMA user_version", on: catalog) == 4)
    }
  }

  @Test("While one connection writes, another is told at once that the catalog is locked, and reads the old state")
  func locked() throws {
    try withCatalog { catalog, path in
      let other = try SQLiteCatalog(path: path)
      try catalog.set(.slotCount, to: "1")
      try run("BEGIN IMMEDIATE", on: catalog)
      try catalog.database.withLock { (database) throws(SQLiteError) in
        var content = try CatalogTables.content(&database)
        content.settings[.slotCount] = "2"
        try CatalogTables.replace(with: content, &database)
      }
      let words = try message { try other.set(.slotCount, to: "3") }
      #expect(words.contains("error 5: database is locked, in `BEGIN IMMEDIATE`"))
      #expect(try message { _ = try SQLiteCatalog(path: path) }.contains("error 5: database is locked"))
      #expect(try other.setting(.slotCount) == "1")
      try run("COMMIT", on: catalog)
      #expect(try other.setting(.slotCount) == "2")
      try other.set(.slotCount, to: "3")
      #expect(try catalog.setting(.slotCount) == "3")
    }
  }

  /// The file was written by `needletail serve` when the catalog stood on GRDB: three flushes of a gauge and a log
  /// record, then a start that found a flipped byte in the log.
  @Test("A catalog that was written through GRDB opens, says what it said, and takes commits")
  func writtenThroughGRDB() throws {
    try withScratchFolder { folder in
      let disk = PosixFileSystem()
      let fixture = #filePath.split(separator: "/").dropLast().joined(separator: "/")
      let bytes = try disk.readAll("/\(fixture)/Fixtures/grdb-catalog.sqlite", maxBytes: 1 << 16)
      let path = folder + "/catalog.sqlite"
      let file = try disk.open(path, .create)
      try file.write(bytes, at: 0)
      file.close()
      var catalog = try SQLiteCatalog(path: path)
      #expect(try catalog.setting(.folderID) == "9c39fabc160f1d326f3b42be719165b5")
      #expect(try catalog.setting(.slotCount) == "1024")
      #expect(try catalog.setting(.layoutVersion) == "1")
      #expect(try catalog.flushedThroughGeneration() == 3)
      #expect(try catalog.nextPartID() == PartID(7))
      #expect(try catalog.list(.series).map(\.id) == [1, 3, 5].map { PartID($0) })
      #expect(try catalog.list(.series).map(\.bytes) == [571, 563, 563])
      let time: Int64 = 1_795_397_120_000_000_000
      let summary = PartSummary(
        kind: .logs, format: 1, partition: 20_780, level: 0, rows: 1, groups: 1, minTime: time, maxTime: time)
      let logs = [2, 4, 6].map { PartRecord(id: PartID($0), summary: summary, bytes: 510) }
      #expect(try catalog.list(.logs) == logs)
      let damage = LogDamage(segment: LogSegmentID(generation: 4, number: 0), range: 888..<1312, sequences: 4...4)
      #expect(try catalog.damages() == [damage])
      try catalog.forget([damage])
      try catalog.commit(adding: [record(7)], removing: [PartID(2)], flushedThroughGeneration: 4)
      catalog = try SQLiteCatalog(path: path)
      #expect(try catalog.damages().isEmpty)
      #expect(try catalog.list(.logs) == [logs[1], logs[2], record(7)])
      #expect(try catalog.flushedThroughGeneration() == 4)
      #expect(try integer("PRAGMA user_version", on: catalog) == 3)
    }
  }
}
