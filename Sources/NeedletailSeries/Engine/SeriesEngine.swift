import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry

// The time-series engine: a head in memory, the parts that it was flushed to, and how a query sees both as one.
//
// Its state is a triple (head, frozen head, parts) that changes in single steps under one lock. A query takes the
// triple once and keeps it: a flush that happens meanwhile swaps in another triple and changes nothing of this one, so
// nothing is missing and nothing stands twice. Locks are taken in the order journal, engine, directory, head, and none
// is held across I/O; but `replacing`, ahead of the engine's, which appends and queries never take.

/// Stores samples of all tenants, durably, and finds them again.
package final class SeriesEngine: JournalParticipant {
  /// The version of the part format (docs/formats/series-part.md).
  package static let partFormat: UInt32 = 7
  /// Those that are read; in 4 the runs of histograms are lists.
  static let partFormats: ClosedRange<UInt32> = 4...7
  static let definitionsKind = LogRecordKind.series(1)
  static let batchKind = LogRecordKind.series(2)
  static let boundedBatchKind = LogRecordKind.series(3)
  static let dayMilliseconds: Int64 = 86_400_000

  struct State {
    var head: SeriesHead
    var frozen: SeriesHead?
    /// The directory of the frozen head, where the head has another one: its series are known still.
    var old: SeriesDirectory?
    var parts: [SeriesPart] = []
    /// Parts that could not be opened: what a query that needs them must tell.
    var unreadable: [(record: PartRecord, damage: SeriesDamage)] = []
    /// Those of them that count as not there where replicas are compared.
    var passedOver: Set<PartID> = []
    /// What is deleted of a part, by its number.
    var deletions: [PartID: PartDeletions] = [:]
    /// Parts that a merge or a retention pass is working on: no other one takes them.
    var claimed: Set<PartID> = []
    /// Replacements of which it is not known whether the catalog has them: their parts stay claimed until it is.
    var untold: [UntoldReplacement] = []
    /// Parts that a merge met damage in: left as they are.
    var spared: Set<PartID> = []
    /// When a flush added something to a UTC day, in ms since 1970.
    var lastAdded: [Int64: Int64] = [:]
    /// Empty where there is no out-of-order window.
    var newest = NewestTimes()
    /// What `metadata` answers: of the parts and the heads together.
    var metadata: MetricDescriptions

    init(_ options: SeriesEngineOptions, _ slots: SlotMap) {
      head = SeriesHead(SeriesDirectory(), slots, metadataBytesMax: options.metadataBytesMax)
      metadata = MetricDescriptions(bytesMax: options.metadataBytesMax)
    }

    /// Parts of which nobody may tell other replicas as if they were not there.
    var unread: [(record: PartRecord, damage: SeriesDamage)] {
      unreadable.filter { !passedOver.contains($0.record.id) }
    }
  }

  let options: SeriesEngineOptions
  let slots: SlotMap
  let clock: any WallClock
  let catalog: any PartCatalog
  let folder: PartsFolder
  let blocks: PartBlockCache
  let state: Lock<State>
  /// Held, ahead of the state's lock and across a commit, by whatever replaces or removes parts and by a deletion, so
  /// that the parts which a deletion names are those that there are.
  let replacing = Lock<Void>(())
  let counters = Lock(SeriesStatistics())
  /// Which times changed since the start.
  let changes = Lock(ChangedTimes())
  let digestCache: Lock<SlotDigestCache<UInt64>>
  /// What the descriptions of each slot come to, and the version of them that these are of.
  let descriptionDigests = Lock<(version: UInt64, digests: [RangeDigest])?>(nil)
  /// When those of all slots were worked out last, in ns; nil for never.
  let digestsWorkedOut = Lock<Int64?>(nil)
  private let journal = Lock<Journal?>(nil)

  /// Opens the parts that the catalog lists.
  ///
  /// One that cannot be opened is not served and named in every answer that needs it. Then open the journal with this
  /// engine among its participants, and call `start`.
  package init(
    options: SeriesEngineOptions, slots: SlotMap, clock: any WallClock, folder: PartsFolder, catalog: any PartCatalog
  ) throws(CatalogError) {
    self.options = options
    self.slots = slots
    self.clock = clock
    self.folder = folder
    self.catalog = catalog
    digestCache = Lock(SlotDigestCache(slots))
    blocks = PartBlockCache(indexBytesMax: options.indexCacheBytes, sampleBytesMax: options.sampleCacheBytes)
    var state = State(options, slots)
    for record in try catalog.list(.series) {
      do throws(SeriesDamage) {
        let part = try SeriesPart(record, in: folder)
        state.parts.append(part)
      } catch {
        state.unreadable.append((record, error))
      }
    }
    state.metadata.add(of: [], state.parts.byAge)
    if options.outOfOrderMilliseconds != nil { state.newest.note(state.parts) }
    state.add(try catalog.tombstones())
    self.state = Lock(state)
  }

  /// Takes the journal that appends go through.
  ///
  /// Before, they are refused as unavailable.
  package func start(_ journal: Journal) { self.journal.withLock { $0 = journal } }

  /// Lets go of the journal: later appends are refused as unavailable; queries go on.
  package func stop() { journal.withLock { $0 = nil } }

  var currentJournal: Journal? { journal.withLock { $0 } }

  /// The clock's time in ms.
  var now: Int64 { clock.wallNanoseconds() / 1_000_000 }

  /// The times of a tenant's samples that are taken when it is `now`, both in ms since 1970.
  package func acceptedTimes(at now: Int64, tenant: TenantID) -> ClosedRange<Int64> {
    options.acceptedTimes(at: now, newest: state.withLock { $0.newest[tenant] })
  }

  /// What would become of the samples of a batch if it were appended now, as far as their times decide; and the times
  /// that are taken, in ms since 1970.
  package func expected(
    of batch: SeriesBatch
  ) -> (outcome: SeriesAppendOutcome, times: ClosedRange<Int64>) {
    let now = now
    let bounds = acceptedTimes(at: now, tenant: batch.tenant)
    var outcome = SeriesAppendOutcome(accepted: batch.sampleCount + batch.histogramCount)
    batch.withRows { rows in
      guard let times = rows.times, times.lowerBound < bounds.lowerBound || bounds.upperBound < times.upperBound else {
        return
      }
      let kept = options.retention.earliest(now: now)
      let old = rows.count(from: .min, upTo: bounds.lowerBound)
      outcome.outOfWindow = kept < bounds.lowerBound ? rows.count(from: kept, upTo: bounds.lowerBound) : 0
      outcome.outOfRetention = old - outcome.outOfWindow
      outcome.tooFarInFuture = outcome.accepted - old - rows.count(within: bounds)
      outcome.accepted -= old + outcome.tooFarInFuture
    }
    return (outcome, bounds)
  }

  /// The open parts, as the catalog lists them, the oldest first.
  package var partRecords: [PartRecord] { state.withLock { $0.parts.byAge.map(\.record) } }

  /// Why parts could not be opened: every answer about their time is incomplete.
  package var unreadableParts: [SeriesDamage] { state.withLock { $0.unreadable.map(\.damage) } }

  /// Parts of which something is deleted that they still hold.
  package var partsWithDeletions: Set<PartID> { state.withLock { Set($0.deletions.keys) } }

  /// What the engine counts and holds.
  ///
  /// Cheap enough for every scrape.
  package var statistics: SeriesStatistics {
    var result = counters.withLock { $0 }
    let (head, frozen) = state.withLock { state in
      result.parts = state.parts.count + state.unreadable.count
      result.damagedParts = state.unreadable.count
      result.damagedReads = state.parts.reduce(0) { $0 + $1.met.count }
      result.partBytes = state.parts.reduce(0) { $0 + $1.record.bytes }
      result.tombstones = state.tombstoneCount
      return (state.head, state.frozen)
    }
    let (indexes, samples) = (blocks.indexStatistics, blocks.sampleStatistics)
    (result.indexCacheBytes, result.indexCacheHits, result.indexCacheMisses) = (
      indexes.bytes, indexes.hits, indexes.misses
    )
    (result.sampleCacheBytes, result.sampleCacheHits, result.sampleCacheMisses) = (
      samples.bytes, samples.hits, samples.misses
    )
    (result.activeSeries, result.headBytes) = head.withStorage { ($0.activeCount, $0.byteCount) }
    if let frozen { result.headBytes += frozen.withStorage { $0.byteCount } }
    let grown: Int
    (result.knownSeries, result.directoryBytes, grown) = head.directory.withContent {
      ($0.count, $0.byteCount, $0.grownByteCount)
    }
    result.headBytes += grown
    return result
  }

  /// Bytes on disk of all parts by what they hold, compressed, in the order of the format's numbers.
  package var partSizes: [(name: String, bytes: UInt64)] {
    let parts = state.withLock { $0.parts }
    return PartBlockKind.titles.compactMap { kind, title in
      let bytes = parts.reduce(UInt64(0)) { sum, part in
        part.content.blocks(kind).reduce(sum) { $0 &+ UInt64($1.length) }
      }
      return bytes == 0 ? nil : (title, bytes)
    }
  }

  // MARK: - JournalParticipant

  package var recordKinds: [LogRecordKind] { [Self.definitionsKind, Self.batchKind, Self.boundedBatchKind] }

  package func replay(_ kind: LogRecordKind, _ payload: UnsafeRawBufferPointer) throws {
    let head = state.withLock { $0.head }
    switch kind {
    case Self.definitionsKind:
      try replay(SeriesDefinitions(validating: Frame(logged: payload)), into: head)
    case Self.batchKind:
      try replay(batch: payload, bounds: .min ... .max, into: head)
    case Self.boundedBatchKind:
      var reader = ByteReader(payload)
      let (earliest, latest) = (try reader.read(Int64.self), try reader.read(Int64.self))
      guard earliest <= latest else { throw MalformedBytes.invalid("bounds are the wrong way round") }
      try replay(batch: try reader.read(count: reader.remaining), bounds: earliest...latest, into: head)
    default:
      throw MalformedBytes.invalid("a record of another kind")
    }
  }

  private func replay(_ definitions: SeriesDefinitions, into head: SeriesHead) throws {
    let checked = try CheckedDefinitions(definitions)
    let isFull = head.directory.withContent { content in
      var isFull = false
      checked.forEachSeries { id, labels in
        guard !isFull, content.find(id) == nil else { return }
        isFull = content.add(id, tenant: definitions.tenant, labels: labels) == nil
      }
      return isFull
    }
    if isFull { throw MalformedBytes.invalid("there are more series than the index can hold") }
    head.withStorage { storage in
      // Generation 0 never is the current one: descriptions are logged again in the generation that goes on from here,
      // as are labels, which no replay marks as logged.
      for metric in checked.metrics { storage.metadata.take(metric.description, of: metric.key) }
    }
    state.withLock { state in
      for metric in checked.metrics { state.metadata.take(metric.description, of: metric.key) }
    }
  }

  private func replay(
    batch: UnsafeRawBufferPointer, bounds: ClosedRange<Int64>, into head: SeriesHead
  ) throws {
    try SeriesBatch.withRows(logged: batch) { tenant, rows in
      try rows.checkAttachments()
      var numbers = [UInt32](repeating: 0, count: rows.seriesCount)
      let unknown = head.directory.withContent { $0.findAll(rows, into: &numbers) }
      var fresh: [UInt32] = []
      head.withStorage { storage in
        storage.activate(numbers, fresh: &fresh)
        _ = storage.apply(rows, numbers: numbers, bounds: bounds)
      }
      head.directory.noteActive(fresh)
      noteNewest(rows, bounds, of: tenant)
      guard unknown == 0 else { throw MalformedBytes.invalid("a batch names series whose labels are not in the log") }
    }
  }

  package func freeze() {
    state.withLock { state in
      let (isEmpty, active) = state.head.withStorage { ($0.isEmpty, $0.activeCount) }
      guard !isEmpty else { return }
      state.frozen = state.head
      var directory = state.head.directory
      // A quarter of all that the heads may take: a directory must never be what keeps appends out for good.
      if directory.withContent({ $0.endGeneration(active: active, bytesMax: options.headBytesMax / 4) }) {
        state.old = directory
        directory = SeriesDirectory()
      }
      state.head = SeriesHead(directory, slots, metadataBytesMax: options.metadataBytesMax)
    }
  }

  package func writeFrozen(to parts: PartsFolder) throws -> [PartRecord] {
    guard let frozen = state.withLock({ $0.frozen }) else { return [] }
    return try HeadFlush(frozen.snapshot, slots: slots, blockBytes: options.blockBytes)
      .write(to: parts, dayOfDescriptions: dayOfDescriptions)
  }

  /// The day of a part that has descriptions alone: not later than that of the newest samples, since retention counts
  /// back from there.
  private var dayOfDescriptions: Int64 {
    let today = Self.day(of: now)
    let days = state.withLock { state in
      state.parts.map(\.record.summary.partition) + state.unreadable.map(\.record.summary.partition)
    }
    return min(today, days.max() ?? today)
  }

  package func publishFrozen(_ records: [PartRecord]) throws {
    var opened: [SeriesPart] = []
    for record in records { opened.append(try SeriesPart(record, in: folder)) }
    let now = now
    state.withLock { [opened] state in
      for part in opened { state.lastAdded[part.record.summary.partition] = now }
      let there = Set(state.parts.map(\.record.id))
      state.parts += opened.filter { !there.contains($0.record.id) }
      state.frozen = nil
      state.old = nil
    }
  }
}
