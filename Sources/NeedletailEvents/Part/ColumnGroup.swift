/// The columns of a block of rows, by what is read together.
///
/// The numbers are part of the format (docs/formats/event-part.md).
enum ColumnGroup: UInt8, CaseIterable, Sendable {
  /// Streams and times; every block has it.
  case core = 1
  /// Lower halves of content identities.
  case keys = 2
  /// Kinds, statuses and flags.
  case context = 3
  /// Trace, span and parent span identifiers.
  case traces = 4
  /// Names and texts, as dictionaries.
  case names = 5
  case bodies = 6
  case attributes = 7
  /// Events and links of spans.
  case nested = 8
  /// Trace states.
  case states = 9

  /// Where the group stands in a block's list of locations.
  var position: Int { Int(rawValue) - 1 }
}

/// What the blocks of the part's files hold.
enum PartBlockKind {
  /// Column groups have the kind of their number; these come after them.
  static let tokens: UInt8 = 32
  static let streams: UInt8 = 33
  static let traceIndex: UInt8 = 34
  static let slotIndex: UInt8 = 35
  static let digests: UInt8 = 37
  static let directory: UInt8 = 36
}

enum PartFormat {
  static let version: UInt32 = 2
  /// Those that are read; 1 has no digests.
  static let versions: ClosedRange<UInt32> = 1...2
  static let magic: UInt32 = 0x5456_454E  // "NEVT"
  static let dataFile = "data"
  static let directoryFile = "directory"
  /// Rows of a block.
  static let blockRowsMax = 4096
  /// Bytes of a block's texts, bodies, attributes and so on together, beyond which no further row joins it.
  static let blockBytesMax = 2 << 20
  /// Levels that the directory tells apart; bit 63 stands for all further ones.
  static let levelsMax = 63
  /// Bytes of a level that the directory lists; a longer one counts as one of the further ones.
  static let levelBytesMax = 64
  /// Bytes of an attribute's key that the directory lists; longer ones are left out.
  static let attributeKeyBytesMax = 256
  /// Label names of attributes that the directory lists.
  static let attributeNamesMax = 1024
  static let traceIndexPageEntries = 4096
  static let streamPageBytes = 4 << 20
  static let nanosecondsPerDay: Int64 = 86_400_000_000_000

  /// Days since 1970, rounded down: the partition of a part.
  static func day(_ nanoseconds: Int64) -> Int64 {
    let (quotient, remainder) = nanoseconds.quotientAndRemainder(dividingBy: nanosecondsPerDay)
    return remainder < 0 ? quotient - 1 : quotient
  }
}
