/// What limits an event engine.
package struct EventEngineOptions: Sendable {
  /// How old an event may be, in nanoseconds, before it is refused and its part dropped; nil keeps everything.
  package var retentionNanoseconds: Int64?
  /// How far an event's time may lie in the future, in nanoseconds, before it is refused: a clock that is wrong by more
  /// would otherwise make events that are newest for ever.
  package var futureNanosecondsMax: Int64
  /// The size of the head in bytes at which `wantsFlush` says so.
  package var headBytesMax: Int

  package init(
    retentionNanoseconds: Int64? = nil, futureNanosecondsMax: Int64 = 3_600_000_000_000, headBytesMax: Int = 128 << 20
  ) {
    self.retentionNanoseconds = retentionNanoseconds
    self.futureNanosecondsMax = futureNanosecondsMax
    self.headBytesMax = headBytesMax
  }
}

extension EventEngineOptions {
  /// The size of the head and the frozen head together at which appends are refused until a flush made room.
  var waitingBytesMax: Int {
    let (bytes, overflow) = headBytesMax.multipliedReportingOverflow(by: 4)
    return overflow ? .max : bytes
  }
}

/// What became of the rows of a batch.
package struct EventAppendOutcome: Equatable, Sendable {
  /// Rows that are stored now.
  package var accepted = 0
  /// Rows that the head held already.
  package var duplicates = 0
  /// Rows beyond the retention.
  package var tooOld = 0
  /// Rows too far in the future.
  package var tooNew = 0

  package init(accepted: Int = 0, duplicates: Int = 0, tooOld: Int = 0, tooNew: Int = 0) {
    self.accepted = accepted
    self.duplicates = duplicates
    self.tooOld = tooOld
    self.tooNew = tooNew
  }
}

/// Counts since the engine was opened, and what it holds now, for the node's own metrics.
package struct EventEngineStatistics: Equatable, Sendable {
  package var acceptedRows: UInt64 = 0
  package var duplicateRows: UInt64 = 0
  package var tooOldRows: UInt64 = 0
  package var tooNewRows: UInt64 = 0
  package var replayedRows: UInt64 = 0
  package var flushes: UInt64 = 0
  package var droppedParts: UInt64 = 0
  /// Parts that were merged into others.
  package var mergedParts: UInt64 = 0
  /// Folders of dropped parts that could not be removed; the next start removes them.
  package var partRemovalFailures: UInt64 = 0
  /// Reads that met a damaged or unreadable block.
  package var failedReads: UInt64 = 0
  /// Blocks of parts that queries read, and those that they passed over unread.
  package var blocksRead: UInt64 = 0
  package var blocksSkipped: UInt64 = 0
  package var headRows = 0
  package var headBytes = 0
  package var frozenRows = 0
  package var parts = 0
  /// Parts that the catalog lists and that cannot be read.
  package var unreadableParts = 0
  package var partRows: UInt64 = 0
  package var partBytes: UInt64 = 0
  package var streams = 0

  package init() {}
}
