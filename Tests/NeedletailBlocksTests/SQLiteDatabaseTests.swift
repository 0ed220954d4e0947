import NeedletailEnvironment
import Testing

@testable import NeedletailBlocks

/// Makes a folder of its own for a test, on the real disk.
///
/// In memory where the system has such a place and the test is not about a disk: what is synced thousands of times there
/// holds nobody up.
private func makeScratchFolder(inMemory: Bool) throws -> String {
  let disk = PosixFileSystem()
  let hasMemory = try inMemory && disk.status("/dev/shm")?.kind == .directory
  let path = (hasMemory ? "/dev/shm" : "/tmp") + "/needletail-blocks-" + PartID(SystemRandomSource().next()).folderName
  try disk.createDirectory(path)
  return path
}

/// Runs `body` with a folder of its own.
func withScratchFolder(inMemory: Bool = false, _ body: (String) throws -> Void) throws {
  let path = try makeScratchFolder(inMemory: inMemory)
  defer { try? PosixFileSystem().removeTree(path) }
  try body(path)
}

/// The same for a body that suspends.
func withScratchFolder(inMemory: Bool = false, _ body: (String) async throws -> Void) async throws {
  let path = try makeScratchFolder(inMemory: inMemory)
  defer { try? PosixFileSystem().removeTree(path) }
  try await body(path)
}

/// SQLite itself, through the few calls that the catalog makes.
@Suite struct SQLiteDatabaseTests {
  private func withDatabase(_ body: (inout SQLiteDatabase) throws -> Void) throws {
    try withScratchFolder { path in
      var database = try SQLiteDatabase(path: path + "/database")
      try body(&database)
    }
  }

  /// The error of `body`, which must throw one.
  private func error(of body: () throws(SQLiteError) -> Void) throws -> SQLiteError {
    do throws(SQLiteError) { try body() } catch { return error }
    throw Succeeded()
  }

  private struct Succeeded: Error {}

  private func count(_ database: inout SQLiteDatabase, _ table: String) throws(SQLiteError) -> Int64? {
    try database.rows("SELECT count(*) FROM \(table)") { (row) throws(SQLiteError) in try row.integer(0) }.first
  }

  @Test("Every value comes back as it was bound: zero bytes, no bytes, NULL, the ends of the integers")
  func values() throws {
    try withDatabase { database in
      try database.run("CREATE TABLE kept (id INTEGER PRIMARY KEY, value)")
      let blobs: [[UInt8]] = [[], [0], [0, 1, 0, 0, 255], [UInt8](repeating: 0, count: 70_000)]
      let texts = ["", "\0", "a\0b", "naïve 🌲", String(repeating: "long ", count: 5000)]
      let integers: [UInt64] = [0, 1, UInt64(Int64.max), UInt64(Int64.max) + 1, .max]
      for blob in blobs { try database.run("INSERT INTO kept (value) VALUES (?)", [.blob(blob)]) }
      for text in texts { try database.run("INSERT INTO kept (value) VALUES (?)", [.text(text)]) }
      for integer in integers { try database.run("INSERT INTO kept (value) VALUES (?)", [.bits(integer)]) }
      try database.run("INSERT INTO kept (value) VALUES (?)", [nil])
      func all<Value>(
        _ type: String, _ decode: (borrowing SQLiteStatement) throws(SQLiteError) -> Value
      ) throws -> [Value] {
        try database.rows("SELECT value FROM kept WHERE typeof(value) = ? ORDER BY id", [.text(type)], decode)
      }
      #expect(try all("blob") { (row) throws(SQLiteError) in try row.blob(0) } == blobs)
      #expect(try all("text") { (row) throws(SQLiteError) in try row.text(0) } == texts)
      #expect(try all("integer") { (row) throws(SQLiteError) in try row.bits(0) } == integers)
      #expect(try all("null") { (row) throws(SQLiteError) in try row.bitsOrNil(0) } == [nil])
    }
  }

  @Test("A column of another type than was asked for is an error, not a zero")
  func strictColumns() throws {
    try withDatabase { database in
      let text = try error { () throws(SQLiteError) in
        _ = try database.rows("SELECT 'seven'") { (row) throws(SQLiteError) in try row.integer(0) }
      }
      #expect(text == .unexpected("column 0 of `SELECT 'seven'` is no integer"))
      let null = try error { () throws(SQLiteError) in
        _ = try database.rows("SELECT 1, NULL") { (row) throws(SQLiteError) in try row.text(1) }
      }
      #expect(null == .unexpected("column 1 of `SELECT 1, NULL` is no text"))
      let absent = try error { () throws(SQLiteError) in
        _ = try database.rows("SELECT 1") { (row) throws(SQLiteError) in try row.blob(1) }
      }
      #expect(absent == .unexpected("column 1 of `SELECT 1` is no blob"))
    }
  }

  @Test("An error names its statement, SQLite's extended code and SQLite's words")
  func errorsNameTheStatement() throws {
    try withDatabase { database in
      try database.run("CREATE TABLE kept (id INTEGER PRIMARY KEY, value TEXT NOT NULL)")
      try database.run("INSERT INTO kept VALUES (1, 'a')")
      let twice = try error { () throws(SQLiteError) in try database.run("INSERT INTO kept VALUES (1, 'b')") }
      #expect(
        "\(twice)" == "SQLite error 1555: UNIQUE constraint failed: kept.id, in `INSERT INTO kept VALUES (1, 'b')`")
      let null = try error { () throws(SQLiteError) in try database.run("INSERT INTO kept VALUES (2, ?)", [nil]) }
      guard case .refused(let code, _, let statement) = null else { throw null }
      #expect(code == 1299 && statement == "INSERT INTO kept VALUES (2, ?)")
      let misspelled = try error { () throws(SQLiteError) in try database.run("SELECT \"valeu\" FROM kept") }
      #expect("\(misspelled)".contains("no such column"))
      let values = try error { () throws(SQLiteError) in try database.run("SELECT ?", [.integer(1), .integer(2)]) }
      #expect(values == .unexpected("`SELECT ?` was given 2 values"))
      for sql in ["", "SELECT 1; SELECT 2"] {
        let several = try error { () throws(SQLiteError) in try database.run(sql) }
        #expect(several == .unexpected("`\(sql)` is not one statement"))
      }
    }
  }

  @Test("A file that cannot be opened is an error that says so")
  func cannotOpen() throws {
    try withScratchFolder { path in
      for place in [path, path + "/nowhere/database"] {
        let refused = try error { () throws(SQLiteError) in _ = try SQLiteDatabase(path: place) }
        guard case .refused(let code, _, "open") = refused else { throw refused }
        #expect(code & 0xff == 14)
      }
    }
  }

  @Test("A transaction whose body throws, or whose commit is refused, did nothing, and the next one works")
  func transactions() throws {
    try withDatabase { database in
      try database.run("PRAGMA foreign_keys = ON")
      try database.run("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
      try database.run("CREATE TABLE child (parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)")
      let thrown = try error { () throws(SQLiteError) in
        try database.transaction { (database) throws(SQLiteError) in
          try database.run("INSERT INTO parent VALUES (1)")
          throw .unexpected("changed its mind")
        }
      }
      #expect(thrown == .unexpected("changed its mind"))
      #expect(try count(&database, "parent") == 0)
      // A deferred constraint is checked by the commit, which then leaves the transaction open.
      let refused = try error { () throws(SQLiteError) in
        try database.transaction { (database) throws(SQLiteError) in
          try database.run("INSERT INTO parent VALUES (1)")
          try database.run("INSERT INTO child VALUES (2)")
        }
      }
      #expect("\(refused)" == "SQLite error 787: FOREIGN KEY constraint failed, in `COMMIT`")
      #expect(try count(&database, "parent") == 0)
      let sum = try database.transaction { (database) throws(SQLiteError) in
        try database.run("INSERT INTO parent VALUES (1)")
        try database.run("INSERT INTO child VALUES (1)")
        return try count(&database, "parent")
      }
      #expect(sum == 1)
    }
  }
}
