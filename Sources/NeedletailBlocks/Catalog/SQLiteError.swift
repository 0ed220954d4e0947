// What can go wrong between the catalog and SQLite, in words that name the statement.

import CSQLite

/// A statement that could not be run, or a database whose content is not what this program wrote.
enum SQLiteError: Error, Sendable, Equatable, CustomStringConvertible {
  /// SQLite refused: its extended result code, its message, and the statement (or "open").
  case refused(code: Int32, message: String, statement: String)
  /// Something stands in the database that cannot be there, or a statement was not one.
  case unexpected(String)
  /// Another version of this program made the tables.
  case otherVersion(String)
  /// A transaction failed, and so did its end: whether the connection can be used again is unknown.
  indirect case notRolledBack(SQLiteError, because: SQLiteError)

  var description: String {
    switch self {
    case .refused(let code, let message, let statement): "SQLite error \(code): \(message), in `\(statement)`"
    case .unexpected(let what), .otherVersion(let what): what
    case .notRolledBack(let first, let second): "\(first); and it was not rolled back: \(second)"
    }
  }

  /// What `connection` (nil: there was no memory for one) says of the call that it just refused.
  static func refused(on connection: OpaquePointer?, statement: String) -> SQLiteError {
    .refused(
      code: sqlite3_extended_errcode(connection), message: String(cString: sqlite3_errmsg(connection)),
      statement: statement)
  }
}
