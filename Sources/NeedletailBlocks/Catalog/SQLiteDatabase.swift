// One connection to an SQLite database, over SQLite's own functions: what the catalog's few statements need, and no more.

import CSQLite

/// A connection, closed when it goes.
///
/// `@unchecked Sendable`: SQLite lets any thread use a connection that no other one uses meanwhile. This value is the
/// only owner of its connection, and all that touches it is `mutating`: two threads at once would be two exclusive
/// accesses to one variable, which the compiler refuses.
struct SQLiteDatabase: ~Copyable, @unchecked Sendable {
  /// Nil where another one could not be opened.
  private(set) var connection: OpaquePointer?
  private let isReadOnly: Bool
  private let files: String?
  /// Why nothing more is asked of this connection, but to be opened again.
  private(set) var broken: SQLiteError?

  /// Opens the database at `path`, or makes it unless it is only to be read.
  ///
  /// `files` names the layer of SQLite's that reads and writes the files; nil: that of the system. What another connection
  /// has locked is an error at once: the data folder has one owner, so nobody is worth waiting for.
  init(path: String, isReadOnly: Bool = false, files: String? = nil) throws(SQLiteError) {
    connection = try Self.open(path, isReadOnly: isReadOnly, files: files)
    self.isReadOnly = isReadOnly
    self.files = files
  }

  /// Closes the connection, which takes back what it had begun, and opens another, to be set up like a new one.
  mutating func reopen(path: String) throws(SQLiteError) {
    _ = sqlite3_close_v2(connection)
    connection = nil
    connection = try Self.open(path, isReadOnly: isReadOnly, files: files)
    broken = nil
  }

  /// Asks nothing more of the connection until it was opened again.
  mutating func abandon(because reason: SQLiteError) { broken = reason }

  private static func open(_ path: String, isReadOnly: Bool, files: String?) throws(SQLiteError) -> OpaquePointer {
    var opened: OpaquePointer?
    let access = isReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
    var code = sqlite3_open_v2(path, &opened, access | SQLITE_OPEN_NOMUTEX, files)
    if code == SQLITE_OK { code = sqlite3_extended_result_codes(opened, 1) }
    if code == SQLITE_OK { code = csqlite_refuse_double_quoted_text(opened) }
    guard code == SQLITE_OK, let opened else {
      // A connection that could not be opened is there all the same, for its message, and must be closed.
      let error = SQLiteError.refused(on: opened, statement: "open")
      _ = sqlite3_close_v2(opened)
      throw error
    }
    return opened
  }

  private func usable() throws(SQLiteError) -> OpaquePointer {
    if let broken { throw broken }
    guard let connection else { throw .unexpected("the connection is closed") }
    return connection
  }

  deinit {
    // It only fails for what is no connection. What a checkpoint at the end could not do, the next opening does.
    _ = sqlite3_close_v2(connection)
  }

  /// Runs a statement to its end; rows that it has are left out.
  mutating func run(_ sql: String, _ values: [SQLiteValue] = []) throws(SQLiteError) {
    let statement = try SQLiteStatement(sql, on: try usable())
    try statement.bind(values)
    while try statement.step() {}
  }

  /// What `decode` makes of each row of a statement.
  mutating func rows<Row>(
    _ sql: String, _ values: [SQLiteValue] = [],
    _ decode: (borrowing SQLiteStatement) throws(SQLiteError) -> Row
  ) throws(SQLiteError) -> [Row] {
    let statement = try SQLiteStatement(sql, on: try usable())
    try statement.bind(values)
    var rows: [Row] = []
    while try statement.step() { rows.append(try decode(statement)) }
    return rows
  }

  /// Runs `body` in a transaction that nobody else writes in: when it throws, or the commit does, nothing was done.
  ///
  /// One that only reads sees one state, whoever writes meanwhile.
  mutating func transaction<Result>(
    writing: Bool = true, _ body: (inout SQLiteDatabase) throws(SQLiteError) -> Result
  ) throws(SQLiteError) -> Result {
    try run(writing ? "BEGIN IMMEDIATE" : "BEGIN")
    do throws(SQLiteError) {
      let result = try body(&self)
      try run("COMMIT")
      return result
    } catch {
      try rollBack(because: error)
      throw error
    }
  }

  private mutating func rollBack(because reason: SQLiteError) throws(SQLiteError) {
    // After some errors, a full disk among them, SQLite has rolled back already.
    guard sqlite3_get_autocommit(connection) == 0 else { return }
    do throws(SQLiteError) { try run("ROLLBACK") } catch {
      // What this connection reads from now on is not what the file holds.
      broken = .notRolledBack(reason, because: error)
      throw .notRolledBack(reason, because: error)
    }
  }
}
