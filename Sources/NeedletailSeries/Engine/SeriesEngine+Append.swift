import NeedletailBlocks
import NeedletailTelemetry

// How an append keeps the promise that a log generation stands alone: under the journal's lock, the labels of every
// series that the generation has not seen are logged ahead of the batch. They come from the caller's definitions, from
// the directory (after a flush or a replay), or from the directory before (while its frozen head is being flushed).

extension SeriesEngine {
  /// Appends a batch; returns when it is durable.
  ///
  /// `definitions` name the labels of series that the engine may not know, and may be for more series than the batch
  /// has.
  ///
  /// Samples outside the retention or the out-of-order window, or too far in the future, are counted and not kept; the
  /// others are. With `asReplica` what is taken was decided elsewhere, by another clock: all is kept that is within the
  /// retention. Throws
  /// `.unknownSeries`, `.malformed`, `.overloaded` (nothing was logged) or `.unavailable`.
  package func append(
    _ batch: SeriesBatch, definitions: SeriesDefinitions?, asReplica: Bool = false
  ) async throws(SeriesEngineError) -> SeriesAppendOutcome {
    guard let journal = currentJournal else { throw .unavailable(reason: "the engine was not started") }
    let (outcome, position) = try appendInMemory(batch, definitions, to: journal, isRepair: asReplica)
    do throws(JournalError) { try await journal.awaitDurable(position) } catch { throw SeriesEngineError(error) }
    return outcome
  }

  /// Appends a batch; what the journal has up to the position must be durable before it is acknowledged.
  ///
  /// With `isRepair` it is what another replica took already: all is kept that is within the retention.
  func appendInMemory(
    _ batch: SeriesBatch, _ definitions: SeriesDefinitions?, to journal: Journal, isRepair: Bool = false
  ) throws(SeriesEngineError) -> (result: SeriesAppendOutcome, position: LogPosition) {
    let checked = try check(batch, definitions)
    do {
      return try journal.append { transaction in try self.logAndApply(batch, checked, &transaction, isRepair: isRepair)
      }
    } catch {
      throw translated(error)
    }
  }

  private func check(
    _ batch: SeriesBatch, _ definitions: SeriesDefinitions?
  ) throws(SeriesEngineError) -> CheckedDefinitions {
    if let definitions, definitions.tenant != batch.tenant {
      throw .malformed("definitions and batch are of different tenants")
    }
    do {
      try batch.withRows { try $0.checkAttachments() }
      return try definitions.map { try CheckedDefinitions($0) } ?? CheckedDefinitions()
    } catch {
      throw .malformed("\(error)")
    }
  }

  private func translated(_ error: any Error) -> SeriesEngineError {
    if let error = error as? SeriesEngineError {
      if case .unknownSeries = error { counters.withLock { $0.batchesOfUnknownSeries += 1 } }
      return error
    }
    if let error = error as? JournalError { return SeriesEngineError(error) }
    return .unavailable(reason: "\(error)")
  }

  /// Logs and applies a batch at one instant.
  ///
  /// Throws before anything was applied, or not at all.
  func logAndApply(
    _ batch: SeriesBatch, _ definitions: CheckedDefinitions, _ transaction: inout JournalTransaction,
    isRepair: Bool = false
  ) throws -> SeriesAppendOutcome {
    let (head, frozen, old, newest) = state.withLock { ($0.head, $0.frozen, $0.old, $0.newest[batch.tenant]) }
    let now = now
    let earliest = options.retention.earliest(now: now)
    let bounds = isRepair ? earliest ... .max : options.acceptedTimes(at: now, newest: newest)
    try checkRoom(batch, head, frozen, old)
    var refused = 0
    let outcome = try batch.withRows { rows in
      let plan = try AppendPlan(
        rows, tenant: batch.tenant, definitions, generation: transaction.generation, to: head, old: old)
      let times = rows.times
      do {
        try plan.log(to: &transaction)
        if times.map({ bounds.lowerBound <= $0.lowerBound && $0.upperBound <= bounds.upperBound }) ?? true {
          try transaction.log(Self.batchKind, batch.frame.bytes)
        } else {
          try Self.log(batch, bounds, to: &transaction)
        }
      } catch {
        plan.undo(in: head)
        throw error
      }
      refused = plan.apply(to: head)
      var outcome = head.withStorage { $0.apply(rows, numbers: plan.numbers, bounds: bounds) }
      outcome.tellApart(rows, bounds, earliestKept: earliest)
      noteNewest(rows, bounds, of: batch.tenant)
      // Noted once it is there to be seen: an answer of before is then known not to have it.
      if let times, times.overlaps(bounds) { changes.withLock { $0.note(times.clamped(to: bounds)) } }
      return outcome
    }
    count(outcome, batch)
    keep(definitions.metrics, in: head, refused: refused)
    return outcome
  }

  /// Moves the tenant's out-of-order window on, where there is one, for the batches that follow.
  func noteNewest(_ rows: SeriesRows, _ bounds: ClosedRange<Int64>, of tenant: TenantID) {
    guard options.outOfOrderMilliseconds != nil else { return }
    let latest = rows.latest(within: bounds)
    state.withLock { $0.newest.note(latest, of: tenant) }
  }

  /// Throws `.overloaded` where the heads, and the directories that number their series, are full.
  private func checkRoom(
    _ batch: SeriesBatch, _ head: SeriesHead, _ frozen: SeriesHead?, _ old: SeriesDirectory?
  ) throws(SeriesEngineError) {
    var bytes = frozen.map { $0.withStorage { $0.byteCount } } ?? 0
    bytes += old.map { $0.withContent { $0.byteCount } } ?? 0
    bytes += head.directory.withContent { $0.byteCount }
    let (headBytes, isFull) = head.withStorage { ($0.byteCount, $0.samples.isFull(for: batch.sampleCount)) }
    guard bytes + headBytes < options.headBytesMax, !isFull else {
      throw .overloaded("the head is full until the next flush is done")
    }
  }

  /// Makes the descriptions that the head kept those that queries see, and counts those that found no room.
  private func keep(
    _ metrics: [(key: MetricKey, description: MetricMetadata)], in head: SeriesHead, refused: Int
  ) {
    guard !metrics.isEmpty else { return }
    let kept = head.withStorage { storage in
      metrics.compactMap { metric in storage.metadata[metric.key].map { (key: metric.key, description: $0.description) }
      }
    }
    let unseen = state.withLock { state in
      kept.reduce(into: 0) { count, metric in
        if !state.metadata.take(metric.description, of: metric.key) { count += 1 }
      }
    }
    counters.withLock { $0.metadataRefused += UInt64(refused + unseen) }
  }

  /// Logs a batch with the bounds that it was held against, in one record: a torn write takes both or neither.
  private static func log(
    _ batch: SeriesBatch, _ bounds: ClosedRange<Int64>, to transaction: inout JournalTransaction
  ) throws(JournalError) {
    var writer = ByteWriter(reserving: 16 + batch.frame.bytes.count)
    writer.append(bounds.lowerBound)
    writer.append(bounds.upperBound)
    writer.append(batch.frame.bytes)
    try transaction.log(boundedBatchKind, writer.bytes)
  }

  private func count(_ outcome: SeriesAppendOutcome, _ batch: SeriesBatch) {
    counters.withLock { counters in
      counters.samplesAppended += UInt64(outcome.accepted)
      counters.histogramsAppended += UInt64(batch.histogramCount)
      counters.exemplarsAppended += UInt64(batch.exemplarCount)
      counters.samplesOutOfOrder += UInt64(outcome.outOfOrder)
      counters.samplesDuplicate += UInt64(outcome.duplicates)
      counters.samplesOutOfRetention += UInt64(outcome.outOfRetention)
      counters.samplesOutOfWindow += UInt64(outcome.outOfWindow)
      counters.samplesTooFarInFuture += UInt64(outcome.tooFarInFuture)
    }
  }
}

extension SeriesAppendOutcome {
  /// Counts those that were too old, but not for the retention, as outside of the window.
  fileprivate mutating func tellApart(_ rows: SeriesRows, _ bounds: ClosedRange<Int64>, earliestKept: Int64) {
    guard outOfRetention > 0, earliestKept < bounds.lowerBound else { return }
    outOfWindow = rows.count(from: earliestKept, upTo: bounds.lowerBound)
    outOfRetention -= outOfWindow
  }
}
