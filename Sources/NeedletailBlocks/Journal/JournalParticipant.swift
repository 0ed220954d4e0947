// How an engine takes part in the journal. The three promises that the journal keeps for it:
//
// 1. Log order is apply order: both happen at one instant under the journal's lock, so a replay builds the same head.
// 2. A freeze is an exact boundary: every record before it is in the generation that ends there and in the frozen head,
//    every record after it in the next generation and in the fresh head.
// 3. A generation's log files are deleted only after the catalog lists the parts that hold its records.
//
// What an engine must make true in return: `replay` of a record does what applying it did, and applying a record again
// that is there already changes nothing (records that were never acknowledged may come back after a crash).

/// What a log record means; each number belongs to one participant.
package struct LogRecordKind: RawRepresentable, Hashable, Sendable {
  package var rawValue: UInt8

  /// The kind with this number, 1 to 255; 0 is the log's own.
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The series engine's numbers: 1 to 15.
  package static func series(_ number: UInt8) -> Self { Self(rawValue: min(15, max(1, number))) }

  /// The events engine's numbers, from 0: 16 to 47.
  package static func events(_ number: UInt8) -> Self { Self(rawValue: 16 + min(31, number)) }
}

/// An engine, as the journal sees it.
package protocol JournalParticipant: AnyObject, Sendable {
  /// The kinds of records that are this participant's to replay.
  var recordKinds: [LogRecordKind] { get }

  /// Applies a record that was logged before the last stop. Called at open, in log order, from one thread; the bytes
  /// are valid only during the call. An error is reported as a damage of that record, and the replay goes on.
  func replay(_ kind: LogRecordKind, _ payload: UnsafeRawBufferPointer) throws

  /// Makes the head the frozen head and starts a fresh one. Called under the journal's lock: must not block, nor call
  /// the journal. Never called while a frozen head is still there.
  func freeze()

  /// Writes the frozen head as parts, synced but not yet committed; none when it is empty. Called outside the lock, on
  /// the thread that flushes; the frozen head keeps answering queries. After an error, here or at the commit, it is
  /// called again later and must write everything anew; what it wrote before is removed in time.
  func writeFrozen(to parts: PartsFolder) throws -> [PartRecord]

  /// The catalog lists `records` (this participant's own): serve them and drop the frozen head, in one step for
  /// queries. May throw when a part cannot be opened: then the frozen head must stay and go on answering; it is called
  /// again with the same records at the next flush.
  func publishFrozen(_ records: [PartRecord]) throws
}
