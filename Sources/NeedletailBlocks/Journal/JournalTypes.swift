import NeedletailEnvironment

/// A place in the log: the number of a record.
///
/// Records are numbered without gaps for as long as the journal is open.
package struct LogPosition: RawRepresentable, Hashable, Comparable, Sendable {
  package var rawValue: UInt64

  package init(rawValue: UInt64) { self.rawValue = rawValue }

  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// When an append counts as durable.
package enum Durability: Sendable, Equatable {
  /// When it is synced: it survives a power cut.
  case fsync
  /// When it is written: it survives a crash of the process; a power cut may lose what was written within the last
  /// `seconds` (1 or more) and the time that one sync takes.
  case interval(seconds: Int)
}

/// Why the journal did not take, or cannot promise, an append.
package enum JournalError: Error, Equatable, Sendable, CustomStringConvertible {
  /// More bytes wait for the disk than may wait. Nothing was appended; try again in a moment.
  case overloaded(pendingBytes: Int)
  /// The log cannot be written, and an attempt in a fresh file failed too. For an append: nothing was appended. For a
  /// wait: the record may or may not be there after a crash. The log tries again with the next append.
  case refused(FileError)
  /// A record is larger than `LogFormat.payloadBytesMax`. Nothing was appended.
  case recordTooLarge(bytes: Int)
  /// The journal was closed.
  case closed

  package var description: String {
    switch self {
    case .overloaded(let bytes): "the log has \(bytes) bytes waiting for the disk; send again in a moment"
    case .refused(let error): "the log cannot be written: \(error)"
    case .recordTooLarge(let bytes): "a log record of \(bytes) bytes is over the limit; send smaller batches"
    case .closed: "the log is closed"
    }
  }
}

/// What limits a journal.
package struct JournalOptions: Sendable {
  /// When an append counts as durable.
  package var durability: Durability
  /// How many bytes may wait for the disk before appends are refused as `.overloaded`.
  package var pendingBytesMax: Int
  /// The size at which a log file is closed and the next one started.
  package var segmentBytes: UInt64
  /// Whether a thread of its own commits; without one, `commitPending()` does.
  package var commitsOnOwnThread: Bool

  /// The usual options, some of them changed.
  package init(
    durability: Durability = .fsync, pendingBytesMax: Int = 256 << 20, segmentBytes: UInt64 = 64 << 20,
    commitsOnOwnThread: Bool = true
  ) {
    self.durability = durability
    self.pendingBytesMax = pendingBytesMax
    self.segmentBytes = segmentBytes
    self.commitsOnOwnThread = commitsOnOwnThread
  }
}

/// What opening a journal found in the log.
package struct ReplayReport: Sendable, Equatable {
  /// How many records were replayed.
  package var records: UInt64 = 0
  /// How many bytes of payload they had.
  package var bytes: UInt64 = 0
  /// Where the log ended in the middle of a write that was never acknowledged, and how many bytes were cut there.
  package var tornTail: (segment: LogSegmentID, at: UInt64, bytes: UInt64)?
  /// Ranges that could not be read although they were durable once; also noted in the catalog.
  package var damages: [LogDamage] = []
  /// Records that a participant refused, in words; at most 100.
  package var refusals: [String] = []
  /// Part folders without an entry in the catalog that were removed.
  package var leftoverParts = 0

  /// An empty report.
  package init() {}

  package static func == (left: Self, right: Self) -> Bool {
    left.records == right.records && left.bytes == right.bytes && left.damages == right.damages
      && left.refusals == right.refusals && left.leftoverParts == right.leftoverParts
      && left.tornTail?.segment == right.tornTail?.segment && left.tornTail?.at == right.tornTail?.at
      && left.tornTail?.bytes == right.tornTail?.bytes
  }
}

/// What a flush did.
package struct FlushReport: Sendable, Equatable {
  /// The parts that were added.
  package var parts: [PartRecord] = []
  /// The last log generation that is all in parts now.
  package var generation: UInt64 = 0
}
