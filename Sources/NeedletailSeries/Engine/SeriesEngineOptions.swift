import NeedletailBlocks

/// How long samples are kept.
package enum SeriesRetention: Equatable, Sendable {
  /// Everything, from whatever year.
  case forever
  /// Samples of the last so many milliseconds.
  case milliseconds(Int64)

  /// The earliest time that is kept, in ms since 1970, when it is `now`.
  package func earliest(now: Int64) -> Int64 {
    switch self {
    case .forever: return .min
    case .milliseconds(let age):
      let (earliest, overflow) = now.subtractingReportingOverflow(max(0, age))
      return overflow ? .min : earliest
    }
  }
}

/// What limits the engine.
package struct SeriesEngineOptions: Sendable {
  package var retention: SeriesRetention
  /// How many bytes all parts may take before the oldest days are dropped; nil: any number.
  package var retentionBytes: UInt64?
  /// How far ahead of the clock a sample may be, in ms.
  package var futureMilliseconds: Int64
  /// How much older than the newest sample of its tenant a sample may be, in ms; nil: as old as the retention allows.
  ///
  /// A batch is held against what came before it.
  package var outOfOrderMilliseconds: Int64?
  /// When the heads (active and frozen together) and the directory of their series hold this many bytes, appends are
  /// refused as `.overloaded`.
  package var headBytesMax: Int
  /// The size before compression at which a block of samples is closed, in bytes.
  package var blockBytes: Int
  /// How many bytes of the blocks of parts' indexes are kept in memory.
  package var indexCacheBytes: Int
  /// How many bytes of the blocks of parts' samples are kept in memory.
  package var sampleCacheBytes: Int
  /// How many bytes of descriptions of metrics a head keeps, and likewise the engine for all that is stored.
  ///
  /// A flush writes a head's as one block, so this must stay far below a block's limit.
  package var metadataBytesMax: Int
  /// How many parts of about one size are merged at a time while their day goes on.
  package var mergeFanIn: Int
  /// How many bytes the parts of one merge may hold together.
  package var mergedPartBytesMax: UInt64
  /// How long nothing must have been added to a day that is over before all its parts are merged, in ms.
  package var closedDayQuietMilliseconds: Int64

  package init(
    retention: SeriesRetention = .milliseconds(15 * 86_400_000), retentionBytes: UInt64? = nil,
    futureMilliseconds: Int64 = 600_000, outOfOrderMilliseconds: Int64? = nil,
    headBytesMax: Int = 4 << 30, blockBytes: Int = 128 << 10, indexCacheBytes: Int = 256 << 20,
    sampleCacheBytes: Int = 64 << 20, metadataBytesMax: Int = 16 << 20, mergeFanIn: Int = 8,
    mergedPartBytesMax: UInt64 = 4 << 30,
    closedDayQuietMilliseconds: Int64 = 1_800_000
  ) {
    self.retention = retention
    self.retentionBytes = retentionBytes
    self.mergeFanIn = mergeFanIn
    self.mergedPartBytesMax = mergedPartBytesMax
    self.closedDayQuietMilliseconds = closedDayQuietMilliseconds
    self.futureMilliseconds = futureMilliseconds
    self.outOfOrderMilliseconds = outOfOrderMilliseconds
    self.headBytesMax = headBytesMax
    self.blockBytes = blockBytes
    self.indexCacheBytes = indexCacheBytes
    self.sampleCacheBytes = sampleCacheBytes
    self.metadataBytesMax = metadataBytesMax
  }

  /// The times of samples that are taken when it is `now` and the tenant's newest sample is `newest`, all in ms since
  /// 1970.
  func acceptedTimes(at now: Int64, newest: Int64?) -> ClosedRange<Int64> {
    let (sum, overflow) = now.addingReportingOverflow(futureMilliseconds)
    let latest = overflow ? .max : sum
    var earliest = retention.earliest(now: now)
    if let newest, let window = outOfOrderMilliseconds {
      // The newest counts as no later than now: one sender whose clock is ahead must not shut the window to the others.
      let (edge, isBefore) = min(newest, now).subtractingReportingOverflow(max(0, window))
      if !isBefore { earliest = max(earliest, edge) }
    }
    return earliest...max(earliest, latest)
  }
}

/// What the engine counts and holds, for the node's own metrics.
package struct SeriesStatistics: Equatable, Sendable {
  /// Samples accepted since the start, replayed ones not counted.
  package var samplesAppended: UInt64 = 0
  package var histogramsAppended: UInt64 = 0
  package var exemplarsAppended: UInt64 = 0
  package var samplesOutOfOrder: UInt64 = 0
  package var samplesDuplicate: UInt64 = 0
  package var samplesOutOfRetention: UInt64 = 0
  package var samplesOutOfWindow: UInt64 = 0
  package var samplesTooFarInFuture: UInt64 = 0
  package var batchesOfUnknownSeries: UInt64 = 0
  /// Descriptions of metrics that were not kept for want of room, each as often as it came.
  package var metadataRefused: UInt64 = 0
  /// Series with samples since the last freeze.
  package var activeSeries = 0
  /// Bytes of the head and the frozen head, and what the directory has grown by since the last freeze: what a flush makes
  /// room for.
  package var headBytes = 0
  /// Series whose labels the directory knows, those without a sample in the head included.
  package var knownSeries = 0
  /// Bytes of the directory, which stays over flushes.
  package var directoryBytes = 0
  package var parts = 0
  package var partBytes: UInt64 = 0
  /// Parts that the catalog lists but that cannot be opened.
  package var damagedParts = 0
  /// Reads that met something damaged in parts that are still there.
  package var damagedReads = 0
  /// Deletions that wait for parts to be rewritten, counted once for each part.
  package var tombstones = 0
  /// Bytes of parts' indexes in memory, and how often a block of them was there or had to be read.
  package var indexCacheBytes = 0
  package var indexCacheHits: UInt64 = 0
  package var indexCacheMisses: UInt64 = 0
  /// The same of blocks of samples.
  package var sampleCacheBytes = 0
  package var sampleCacheHits: UInt64 = 0
  package var sampleCacheMisses: UInt64 = 0
  /// Parts that were merged into others.
  package var mergedParts: UInt64 = 0
  /// Parts that retention removed.
  package var droppedParts: UInt64 = 0
  /// Folders of removed parts that could not be removed; the next start removes them.
  package var partRemovalFailures: UInt64 = 0
}
