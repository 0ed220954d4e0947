// The tables of `catalog.sqlite` (docs/formats/catalog.md), and what a catalog's content is in them.

/// Reads and writes the tables, within a transaction of somebody else.
enum CatalogTables {
  /// The version of the tables, kept in SQLite's `user_version`. 1 had no tombstones, 2 no checksum.
  static let version: Int64 = 3

  private static let first = [
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
  private static let second = """
    CREATE TABLE tombstone (
      part INTEGER NOT NULL REFERENCES part (id) ON DELETE CASCADE, content BLOB NOT NULL,
      PRIMARY KEY (part, content)) WITHOUT ROWID
    """

  /// What stands among the settings beside those that have a name of their own.
  private enum Key: String, CaseIterable {
    case flushedThrough, nextPartID
    /// How many changes the content is made of.
    case changes
    /// The checksum of the content's bytes, 16 hexadecimal digits.
    case checksum
  }

  private static func foundVersion(_ database: inout SQLiteDatabase) throws(SQLiteError) -> Int64 {
    try database.rows("PRAGMA user_version") { (row) throws(SQLiteError) in try row.integer(0) }.first ?? 0
  }

  /// Throws where the tables cannot be read as they are.
  static func checkVersion(_ database: inout SQLiteDatabase) throws(SQLiteError) {
    let found = try foundVersion(&database)
    // What has no version has no tables either: it is no catalog, or nothing was ever committed to it.
    guard found > 0 else { throw .unexpected("it has no tables") }
    guard found != 1 && found <= version else {
      let hint = found < version ? "; a start of the server brings them to version \(version)" : ""
      throw .otherVersion("its tables have version \(found), this program reads version \(version)\(hint)")
    }
  }

  /// Makes the tables, or brings those of an older version to this one.
  static func migrate(_ database: inout SQLiteDatabase) throws(SQLiteError) {
    let found = try foundVersion(&database)
    guard found <= version else {
      throw .otherVersion("its tables have version \(found), this program knows up to \(version)")
    }
    if found < 1 {
      for table in first { try database.run(table) }
    }
    if found < 2 { try database.run(second) }
    if found < 3 { try seal(try content(&database), &database) }
    // Written even when it stays the same: a catalog that cannot be written to is found now, not at the first flush.
    try database.run("PRAGMA user_version = \(version)")
  }

  // MARK: Reading

  /// All that the tables hold; throws where it is not what was written.
  static func content(_ database: inout SQLiteDatabase) throws(SQLiteError) -> CatalogContent {
    var content = CatalogContent()
    var checksum: String?
    let settings = try database.rows("SELECT name, value FROM setting") { (row) throws(SQLiteError) in
      (try row.text(0), try row.text(1))
    }
    for (name, value) in settings {
      if let setting = CatalogSetting(rawValue: name) {
        content.settings[setting] = value
        continue
      }
      guard let key = Key(rawValue: name) else { throw .unexpected("it has a setting of an unknown name") }
      switch key {
      case .flushedThrough: content.flushedThroughGeneration = try number(value, name)
      case .nextPartID: content.nextPartID = PartID(try number(value, name))
      case .changes: content.changes = try number(value, name)
      case .checksum: checksum = value
      }
    }
    for record in try parts(&database) { content.parts[record.id] = record }
    for tombstone in try tombstones(&database) {
      content.tombstones[tombstone.part, default: []].insert(tombstone.content)
    }
    content.damages = Set(try damages(&database))
    // Version 2 had none; where there is one it counts, whatever a flipped bit made of the version.
    let found = try foundVersion(&database)
    guard checksum != nil || found < 3 else { throw .unexpected("it has no checksum") }
    guard checksum.map({ $0 == content.checksum.hexadecimal }) ?? true else {
      throw .unexpected("what its tables hold is not what was written: the checksum is another")
    }
    return content
  }

  private static func number(_ text: String, _ name: String) throws(SQLiteError) -> UInt64 {
    guard let value = UInt64(text) else { throw .unexpected("the setting \(name) is no number") }
    return value
  }

  private static func parts(_ database: inout SQLiteDatabase) throws(SQLiteError) -> [PartRecord] {
    let sql = "SELECT id, kind, format, partition, level, rows, groups, min_time, max_time, bytes FROM part"
    return try database.rows(sql) { (row) throws(SQLiteError) in
      guard let kind = UInt8(exactly: try row.integer(1)).flatMap({ PartKind(rawValue: $0) }),
        let format = UInt32(exactly: try row.integer(2)), let level = UInt32(exactly: try row.integer(4))
      else { throw .unexpected("a part's kind, format or level is out of range") }
      let summary = PartSummary(
        kind: kind, format: format, partition: try row.integer(3), level: level, rows: try row.bits(5),
        groups: try row.bits(6), minTime: try row.integer(7), maxTime: try row.integer(8))
      return PartRecord(id: PartID(try row.bits(0)), summary: summary, bytes: try row.bits(9))
    }
  }

  private static func tombstones(_ database: inout SQLiteDatabase) throws(SQLiteError) -> [PartTombstone] {
    try database.rows("SELECT part, content FROM tombstone") { (row) throws(SQLiteError) in
      PartTombstone(part: PartID(try row.bits(0)), content: try row.blob(1))
    }
  }

  private static func damages(_ database: inout SQLiteDatabase) throws(SQLiteError) -> [LogDamage] {
    let sql = "SELECT generation, number, start, stop, first, last FROM damage"
    return try database.rows(sql) { (row) throws(SQLiteError) -> LogDamage? in
      let (start, stop) = (try row.bits(2), try row.bits(3))
      guard let number = UInt32(exactly: try row.integer(1)), start <= stop else { return nil }
      var sequences: ClosedRange<UInt64>?
      if let first = try row.bitsOrNil(4), let last = try row.bitsOrNil(5), first <= last { sequences = first...last }
      let segment = LogSegmentID(generation: try row.bits(0), number: number)
      return LogDamage(segment: segment, range: start..<stop, sequences: sequences)
    }.compactMap { $0 }
  }

  // MARK: Writing

  /// Makes a change of the rows.
  static func write(_ change: CatalogChange, _ database: inout SQLiteDatabase) throws(SQLiteError) {
    for id in change.removing { try database.run("DELETE FROM part WHERE id = ?", [.bits(id.rawValue)]) }
    for record in change.adding { try insert(record, &database) }
    for tombstone in change.tombstones {
      try database.run(
        "INSERT INTO tombstone (part, content) VALUES (?, ?) ON CONFLICT (part, content) DO NOTHING",
        [.bits(tombstone.part.rawValue), .blob(tombstone.content)])
    }
    for (name, value) in change.settings { try set(name.rawValue, value, &database) }
    for damage in change.noting {
      try database.run(
        "INSERT OR IGNORE INTO damage (generation, number, start, stop, first, last) VALUES (?, ?, ?, ?, ?, ?)",
        key(damage) + [.bits(damage.sequences?.lowerBound), .bits(damage.sequences?.upperBound)])
    }
    for damage in change.forgetting {
      try database.run(
        "DELETE FROM damage WHERE generation = ? AND number = ? AND start = ? AND stop = ?", key(damage))
    }
  }

  /// Writes what stands once for all of the content, its checksum among it: the end of each change.
  static func seal(_ content: CatalogContent, _ database: inout SQLiteDatabase) throws(SQLiteError) {
    for key in Key.allCases {
      switch key {
      case .flushedThrough:
        guard let generation = content.flushedThroughGeneration else { continue }
        try set(key.rawValue, String(generation), &database)
      case .nextPartID: try set(key.rawValue, String(content.nextPartID.rawValue), &database)
      case .changes: try set(key.rawValue, String(content.changes), &database)
      case .checksum: try set(key.rawValue, content.checksum.hexadecimal, &database)
      }
    }
  }

  /// Puts this content in place of all that the tables hold.
  static func replace(with content: CatalogContent, _ database: inout SQLiteDatabase) throws(SQLiteError) {
    for table in ["tombstone", "part", "damage", "setting"] { try database.run("DELETE FROM \(table)") }
    var change = CatalogChange()
    (change.adding, change.tombstones) = (Array(content.parts.values), content.sortedTombstones)
    (change.settings, change.noting) = (content.settings, content.sortedDamages)
    try write(change, &database)
    try seal(content, &database)
  }

  private static func insert(_ record: PartRecord, _ database: inout SQLiteDatabase) throws(SQLiteError) {
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

  private static func set(
    _ name: String, _ value: String, _ database: inout SQLiteDatabase
  ) throws(SQLiteError) {
    try database.run(
      "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
      [.text(name), .text(value)])
  }

  /// What tells one damage from another: the first four columns of its table.
  private static func key(_ damage: LogDamage) -> [SQLiteValue] {
    [
      .bits(damage.segment.generation), .integer(Int64(damage.segment.number)), .bits(damage.range.lowerBound),
      .bits(damage.range.upperBound),
    ]
  }
}
