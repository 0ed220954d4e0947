// Logs and spans as wide events. A batch is logged as it came and kept as it came, with flat indexes over its rows; a
// flush turns the head into one part for each UTC day. Queries run on a snapshot: the batches of the head and of the
// frozen head, and the parts, as they were at one instant. A record is identified by its content: copies of it, which a
// retry or a crash may leave in several places, meet when rows are put in order of time and content, and are returned
// once.

import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry

/// The engine of one kind of events: a node has one for logs and one for spans.
package final class EventEngine: Sendable {
  struct State {
    var head = EventHead()
    var frozen: EventHead?
    var parts: [EventPart] = []
    /// Parts that the catalog lists and that cannot be read, and why.
    var unreadable: [UnreadablePart] = []
    /// Those of them that count as not there where replicas are compared.
    var passedOver: Set<PartID> = []
    /// Parts that a merge or a retention pass is working on: no other one takes them.
    var claimed: Set<PartID> = []
    /// Parts that a merge met damage in, all of that merge: left as they are.
    var spared: Set<PartID> = []
    var journal: Journal?
    var statistics = EventEngineStatistics()

    /// Parts of which nobody may tell other replicas as if they were not there.
    var unread: [UnreadablePart] { unreadable.filter { !passedOver.contains($0.record.id) } }
  }

  /// A part that could not be opened: what it held is missing from this node.
  package struct UnreadablePart: Sendable {
    package let record: PartRecord
    package let error: BlockError
  }

  /// What a query runs on.
  struct Snapshot {
    fileprivate var frozen: BatchList
    fileprivate var head: BatchList
    var parts: [EventPart]

    /// The batches of both heads, in the order that they came.
    var batches: [HeadBatch] { frozen.all + head.all }
  }

  /// Whether it holds spans; otherwise logs.
  package let isSpans: Bool
  let options: EventEngineOptions
  let clock: any WallClock
  let slots: SlotMap
  let streams = StreamTable()
  let state = Lock(State())
  let digestCache: Lock<SlotDigestCache<DigestStamp>>
  let catalog: any PartCatalog
  let folder: PartsFolder

  /// Opens the parts that the catalog lists.
  ///
  /// One that cannot be read does not keep the others from being served: it stands in `unreadableParts`, and only
  /// queries that would need it fail. Then start the journal with the engine as a participant, and `attach` it.
  package init(
    kind: Frame.Kind, catalog: any PartCatalog, parts folder: PartsFolder, slots: SlotMap = .standard,
    options: EventEngineOptions = EventEngineOptions(), clock: any WallClock = SystemClock()
  ) throws(EventEngineError) {
    guard kind == .logs || kind == .spans else { throw .wrongKind }
    isSpans = kind == .spans
    self.options = options
    self.clock = clock
    self.slots = slots
    digestCache = Lock(SlotDigestCache(slots))
    self.catalog = catalog
    self.folder = folder
    let records: [PartRecord]
    do throws(CatalogError) { records = try catalog.list(partKind) } catch { throw .catalog(error) }
    var parts: [EventPart] = []
    var unreadable: [UnreadablePart] = []
    for record in records {
      do throws(BlockError) {
        parts.append(try EventPart(try folder.open(record), table: streams))
      } catch {
        unreadable.append(UnreadablePart(record: record, error: error))
      }
    }
    state.withLock { state in
      state.parts = parts
      state.unreadable = unreadable
    }
  }

  var eventSlots: EventSlots { EventSlots(map: slots, isSpans: isSpans) }

  var partKind: PartKind { isSpans ? .spans : .logs }

  /// Gives the engine the journal that it logs to.
  package func attach(_ journal: Journal) { state.withLock { $0.journal = journal } }

  /// Stores a batch; returns when it is durable.
  ///
  /// The same batch again changes nothing. Throws `.journal(.overloaded)` also while flushes fail to empty the head: it
  /// and the frozen head together take at most four times `headBytesMax`. With `asReplica` what is taken was decided
  /// elsewhere, by another clock: all is kept that is within the retention.
  package func append(
    _ batch: EventBatch, asReplica: Bool = false
  ) async throws(EventEngineError) -> EventAppendOutcome {
    guard batch.isSpans == isSpans else { throw .wrongKind }
    guard let journal = state.withLock({ $0.journal }) else { throw .notAttached }
    let (outcome, position) = try appendInMemory(batch, to: journal, isRepair: asReplica)
    guard let position else { return outcome }
    do throws(JournalError) { try await journal.awaitDurable(position) } catch { throw .journal(error) }
    return outcome
  }

  /// Stores a batch; what the journal has up to the position must be durable before it is acknowledged. No position:
  /// nothing was kept.
  ///
  /// With `isRepair` it is what another replica took already: all is kept that is within the retention.
  func appendInMemory(
    _ batch: EventBatch, to journal: Journal, isRepair: Bool = false
  ) throws(EventEngineError) -> (result: EventAppendOutcome, position: LogPosition?) {
    let accepted = acceptedTimes()
    let bounds = isRepair ? accepted.lowerBound ... .max : accepted
    let prepared: PreparedBatch
    do throws(MalformedBytes) {
      prepared = try PreparedBatch(batch, bounds: bounds, streams: streams)
    } catch {
      throw .malformed(error)
    }
    guard !prepared.rows.isEmpty else {
      let outcome = state.withLock { state in
        count(EventAppendOutcome(tooOld: prepared.tooOld, tooNew: prepared.tooNew), in: &state)
      }
      return (outcome, nil)
    }
    do {
      return try journal.append { transaction in try self.log(prepared, bounds: bounds, in: &transaction) }
    } catch let error as JournalError {
      throw .journal(error)
    } catch {
      throw .notAttached
    }
  }

  /// What would become of the rows of a batch if it were appended now, as far as their times decide; and the times that
  /// are taken, in ns since 1970.
  package func expected(of batch: EventBatch) -> (outcome: EventAppendOutcome, times: ClosedRange<Int64>) {
    let bounds = acceptedTimes()
    var outcome = EventAppendOutcome(accepted: batch.rowCount)
    batch.withRows { rows in
      for row in 0..<rows.rowCount where !bounds.contains(rows.time(row)) {
        outcome.accepted -= 1
        if rows.time(row) < bounds.lowerBound { outcome.tooOld += 1 } else { outcome.tooNew += 1 }
      }
    }
    return (outcome, bounds)
  }

  /// The times that are accepted now.
  func acceptedTimes() -> ClosedRange<Int64> {
    let now = clock.wallNanoseconds()
    let (newest, overflow) = now.addingReportingOverflow(max(0, options.futureNanosecondsMax))
    let oldest = options.retentionNanoseconds.map { now.subtractingReportingOverflow(max(0, $0)) }
    let start = oldest.map { $0.overflow ? .min : $0.partialValue } ?? .min
    return start...(overflow ? .max : newest)
  }

  /// Logs the batch and applies it to the head, under the journal's lock.
  private func log(
    _ prepared: PreparedBatch, bounds: ClosedRange<Int64>, in transaction: inout JournalTransaction
  ) throws(JournalError) -> EventAppendOutcome {
    let waiting = state.withLock { $0.head.byteCount + ($0.frozen?.byteCount ?? 0) }
    guard waiting < options.waitingBytesMax else { throw .overloaded(pendingBytes: waiting) }
    if prepared.tooOld + prepared.tooNew == 0 {
      try transaction.log(batchKind, prepared.batch.frame.bytes)
    } else {
      // A replay happens later, when a row that was too new may not be so any more: what was refused must stay refused.
      try transaction.log(boundedBatchKind, Self.encode(bounds, prepared.batch))
    }
    return state.withLock { state in count(apply(prepared, to: &state), in: &state) }
  }

  /// Puts the rows into the head, but for those that it or the frozen head has.
  func apply(_ prepared: PreparedBatch, to state: inout State) -> EventAppendOutcome {
    let frozen = state.frozen
    let taken = state.head.append(
      prepared.batch, rows: prepared.rows, streams: prepared.streams, slots: eventSlots
    ) { frozen?.contains($0) ?? false }
    return EventAppendOutcome(
      accepted: taken, duplicates: prepared.rows.count - taken, tooOld: prepared.tooOld, tooNew: prepared.tooNew)
  }

  private func count(_ outcome: EventAppendOutcome, in state: inout State) -> EventAppendOutcome {
    state.statistics.acceptedRows += UInt64(outcome.accepted)
    state.statistics.duplicateRows += UInt64(outcome.duplicates)
    state.statistics.tooOldRows += UInt64(outcome.tooOld)
    state.statistics.tooNewRows += UInt64(outcome.tooNew)
    return outcome
  }

  /// Whether the head has grown so large that the node should flush.
  package var wantsFlush: Bool { state.withLock { $0.head.byteCount >= options.headBytesMax } }

  /// About what the head takes in memory, in bytes.
  package var headBytes: Int { state.withLock { $0.head.byteCount } }

  /// Counts and sizes, at one instant.
  package var statistics: EventEngineStatistics {
    let known = streams.count
    return state.withLock { state in
      var statistics = state.statistics
      statistics.headRows = state.head.rowCount
      statistics.headBytes = state.head.byteCount
      statistics.frozenRows = state.frozen?.rowCount ?? 0
      statistics.parts = state.parts.count
      statistics.unreadableParts = state.unreadable.count
      statistics.partRows = state.parts.reduce(0) { $0 &+ $1.record.summary.rows }
      statistics.partBytes = state.parts.reduce(0) { $0 &+ $1.record.bytes }
      statistics.streams = known
      return statistics
    }
  }

  /// Parts that the catalog lists and that cannot be read.
  package var unreadableParts: [UnreadablePart] { state.withLock { $0.unreadable } }

  /// The data as of now; throws where a part that cannot be read may have events of the range.
  func snapshot(_ range: EventTimeRange) throws(EventEngineError) -> Snapshot {
    let (snapshot, problem) = state.withLock { state in
      (
        Snapshot(frozen: state.frozen?.batches ?? BatchList(), head: state.head.batches, parts: state.parts),
        Self.problem(range, in: &state)
      )
    }
    if let problem { throw .block(problem) }
    return snapshot
  }

  /// The data as of now without the parts that cannot be read, and why those cannot that may have events of the range.
  func readable(_ range: EventTimeRange) -> (snapshot: Snapshot, damages: [BlockError]) {
    state.withLock { state in
      let lost = state.unreadable.filter { $0.record.summary.overlaps(range) }.map(\.error)
      state.statistics.failedReads += UInt64(lost.count)
      let snapshot = Snapshot(
        frozen: state.frozen?.batches ?? BatchList(), head: state.head.batches, parts: state.parts)
      return (snapshot, lost)
    }
  }

  /// Why the range cannot be answered, if it cannot; counted as a failed read.
  static func problem(_ range: EventTimeRange, in state: inout State) -> BlockError? {
    for part in state.unreadable where part.record.summary.overlaps(range) {
      state.statistics.failedReads += 1
      return part.error
    }
    return nil
  }

  func note(read: UInt64 = 0, skipped: UInt64 = 0, failed: UInt64 = 0) {
    state.withLock { state in
      state.statistics.blocksRead += read
      state.statistics.blocksSkipped += skipped
      state.statistics.failedReads += failed
    }
  }
}

extension PartSummary {
  fileprivate func overlaps(_ range: EventTimeRange) -> Bool {
    minTime <= range.endNanoseconds && maxTime >= range.startNanoseconds
  }
}
