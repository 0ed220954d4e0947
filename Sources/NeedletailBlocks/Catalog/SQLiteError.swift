// What can go wrong between the catalog and SQLite, in words that name the statement.

import CSQLite

/// A statement that could not be run, or a database whose content is not what this program wrote.
enum SQLiteError: Error, Sendable, Equatable, CustomStringConvertible {
  /// SQLite refused: its extended result code, its message, and the statement (or "open").
  case refused(code: Int32, message: String, statement: String)
  /// Something stands in the database that cannot be there, or a statement was not one.
  case unexpected(String)
  /// SQLite cannot do here what the catalog needs.
  case unfit(String)
  /// Another version of this program made the tables.
  case otherVersion(String)
  /// A transaction failed, and so did its end: whether the connection can be used again is unknown.
  indirect case notRolledBack(SQLiteError, because: SQLiteError)

  var description: String {
    switch self {
    case .refused(let code, let message, let statement): "SQLite error \(code): \(message), in `\(statement)`"
    case .unexpected(let what), .unfit(let what), .otherVersion(let what): what
    case .notRolledBack(let first, let second): "\(first); and it was not rolled back: \(second)"
    }
  }

  /// Whether it says something of the catalog, or only of this moment.
  ///
  /// A flipped bit also makes a file whose tables are not there, or that claims to be for reading alone.
  var cause: CatalogError.Cause {
    switch self {
    case .refused(let code, _, _):
      switch code & 0xff {
      case SQLITE_ERROR, SQLITE_READONLY, SQLITE_CORRUPT, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_NOTADB: .damaged
      case SQLITE_IOERR: .unreadable
      default: .refused
      }
    case .unexpected: .damaged
    case .unfit: .refused
    case .otherVersion: .otherVersion
    case .notRolledBack(let first, _): first.cause
    }
  }

  /// What `connection` (nil: there was no memory for one) says of the call that it just refused.
  static func refused(on connection: OpaquePointer?, statement: String) -> SQLiteError {
    .refused(
      code: sqlite3_extended_errcode(connection), message: String(cString: sqlite3_errmsg(connection)),
      statement: statement)
  }
}
