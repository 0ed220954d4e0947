// What goes into a statement; what comes out is read column by column (SQLiteStatement).

/// A value that is bound to a `?` of a statement.
enum SQLiteValue: Sendable, ExpressibleByNilLiteral {
  case null
  case integer(Int64)
  case text(String)
  case blob([UInt8])

  init(nilLiteral: ()) { self = .null }

  /// A number by its bits: SQLite's integers are signed.
  static func bits(_ value: UInt64) -> SQLiteValue { .integer(Int64(bitPattern: value)) }

  /// A number by its bits, or NULL.
  static func bits(_ value: UInt64?) -> SQLiteValue { value.map { .bits($0) } ?? .null }
}
