// A prepared statement: bound, stepped through, its columns read, and finalized when it goes. Columns are read strictly:
// SQLite would turn a text into the number 0 without a word.

import CSQLite

/// One statement of one connection, which must outlive it; used by one thread at a time, as the connection is.
struct SQLiteStatement: ~Copyable {
  private let handle: OpaquePointer
  private let sql: String

  /// Compiles `sql`, which must be one statement and no more.
  init(_ sql: String, on connection: OpaquePointer) throws(SQLiteError) {
    var text = sql
    let (code, handle, isWhole) = text.withUTF8 { utf8 in
      utf8.withMemoryRebound(to: CChar.self) { bytes in
        var handle: OpaquePointer?
        var rest: UnsafePointer<CChar>?
        let code = sqlite3_prepare_v2(connection, bytes.baseAddress, Int32(clamping: bytes.count), &handle, &rest)
        return (code, handle, rest == bytes.baseAddress.map { $0 + bytes.count })
      }
    }
    guard code == SQLITE_OK else { throw .refused(on: connection, statement: sql) }
    guard let handle, isWhole else {
      _ = sqlite3_finalize(handle)
      throw .unexpected("`\(sql)` is not one statement")
    }
    self.handle = handle
    self.sql = sql
  }

  deinit {
    // The code is that of the last step, which was thrown when it came; finalizing itself cannot fail.
    _ = sqlite3_finalize(handle)
  }

  private func failure() -> SQLiteError { .refused(on: sqlite3_db_handle(handle), statement: sql) }

  /// Binds values to the `?` in their order, one to each.
  func bind(_ values: [SQLiteValue]) throws(SQLiteError) {
    guard values.count == Int(sqlite3_bind_parameter_count(handle)) else {
      throw .unexpected("`\(sql)` was given \(values.count) values")
    }
    for (offset, value) in values.enumerated() {
      let index = Int32(clamping: offset + 1)
      let code =
        switch value {
        case .null: sqlite3_bind_null(handle, index)
        case .integer(let integer): sqlite3_bind_int64(handle, index, integer)
        case .text(var text):
          text.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) { bytes in
              csqlite_bind_text(handle, index, bytes.baseAddress, UInt64(bytes.count))
            }
          }
        case .blob(let blob):
          blob.withUnsafeBytes { csqlite_bind_blob(handle, index, $0.baseAddress, UInt64($0.count)) }
        }
      guard code == SQLITE_OK else { throw failure() }
    }
  }

  /// Goes on to the next row; false when there is none.
  func step() throws(SQLiteError) -> Bool {
    switch sqlite3_step(handle) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default: throw failure()
    }
  }

  private func check(_ column: Int32, is type: Int32, _ name: String) throws(SQLiteError) {
    guard sqlite3_column_type(handle, column) == type else {
      throw .unexpected("column \(column) of `\(sql)` is no \(name)")
    }
  }

  /// The integer in a column of the current row.
  func integer(_ column: Int32) throws(SQLiteError) -> Int64 {
    try check(column, is: SQLITE_INTEGER, "integer")
    return sqlite3_column_int64(handle, column)
  }

  /// The number whose bits a column of the current row holds.
  func bits(_ column: Int32) throws(SQLiteError) -> UInt64 { UInt64(bitPattern: try integer(column)) }

  /// The number whose bits a column of the current row holds, or nil where it holds NULL.
  func bitsOrNil(_ column: Int32) throws(SQLiteError) -> UInt64? {
    sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : try bits(column)
  }

  /// The text in a column of the current row.
  func text(_ column: Int32) throws(SQLiteError) -> String {
    try check(column, is: SQLITE_TEXT, "text")
    return String(decoding: try bytes(column, at: UnsafeRawPointer(sqlite3_column_text(handle, column))), as: UTF8.self)
  }

  /// The bytes in a column of the current row.
  func blob(_ column: Int32) throws(SQLiteError) -> [UInt8] {
    try check(column, is: SQLITE_BLOB, "blob")
    return Array(try bytes(column, at: sqlite3_column_blob(handle, column)))
  }

  /// The bytes of a column whose value lies at `start`, until the next step. Where there are none SQLite may give no
  /// address; where there are some that means that memory ran out.
  private func bytes(_ column: Int32, at start: UnsafeRawPointer?) throws(SQLiteError) -> UnsafeRawBufferPointer {
    let count = Int(sqlite3_column_bytes(handle, column))
    guard start != nil || sqlite3_errcode(sqlite3_db_handle(handle)) != SQLITE_NOMEM else { throw failure() }
    return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count)
  }
}
