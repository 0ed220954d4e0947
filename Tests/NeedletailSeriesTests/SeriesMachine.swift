import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

/// The engine with a real journal on a simulated disk; commits happen when the test says so.
final class SeriesMachine: Sendable {
  let disk: FaultyFileSystem
  let catalog: MemoryCatalog
  let clock: ManualClock
  let engine: SeriesEngine
  let journal: Journal
  let report: ReplayReport
  private let folder: DataFolder
  private let slots: SlotMap

  init(
    _ disk: FaultyFileSystem, _ catalog: MemoryCatalog = MemoryCatalog(), clock: ManualClock = ManualClock(),
    options: SeriesEngineOptions = SeriesEngineOptions(
      retention: .forever, blockBytes: 2048, mergeFanIn: 3, closedDayQuietMilliseconds: 0),
    slots: SlotMap = .standard, watched: WatchedFileSystem? = nil
  ) throws {
    self.slots = slots
    self.disk = disk
    self.catalog = catalog
    self.clock = clock
    folder = try DataFolder.open(
      "/data", on: watched ?? disk, random: SeededRandomSource(seed: 5), holder: "a test",
      openCatalog: { (path) throws(CatalogError) in try catalog.placed(at: path, on: disk) })
    engine = try SeriesEngine(
      options: options, slots: slots, clock: clock, folder: folder.parts, catalog: folder.catalog)
    (journal, report) = try folder.startJournal(
      participants: [engine], clock: clock,
      options: JournalOptions(segmentBytes: 16 << 10, commitsOnOwnThread: false))
    engine.start(journal)
  }

  var nowMilliseconds: Int64 { clock.wallNanoseconds() / 1_000_000 }

  /// Appends and commits until the append is answered.
  func append(_ batch: SeriesBatch, _ definitions: SeriesDefinitions?) async throws -> SeriesAppendOutcome {
    let isDone = Lock(false)
    let engine = engine
    async let outcome = {
      defer { isDone.withLock { $0 = true } }
      return try await engine.append(batch, definitions: definitions)
    }()
    while !isDone.withLock({ $0 }) {
      journal.commitPending()
      await Task.yield()
    }
    return try await outcome
  }

  /// The machine that comes up after a power cut.
  func crash(_ survival: CrashSurvival) throws -> SeriesMachine {
    engine.stop()
    let disk = disk.crash(survival)
    return try SeriesMachine(disk, catalog, clock: clock, options: engine.options, slots: slots)
  }

  /// Stops in order and starts again.
  func reopen() throws -> SeriesMachine {
    journal.close()
    engine.stop()
    return try SeriesMachine(disk.copy(seed: 9), catalog, clock: clock, options: engine.options, slots: slots)
  }
}

/// What a query returned, as plain collections.
struct Answer: Equatable {
  var samples: [LabelSet: [Int64: UInt64]] = [:]
  var histograms: [LabelSet: [Int64: [UInt8]]] = [:]
  /// When counts began, where that was told.
  var starts: [LabelSet: [Int64: Int64]] = [:]

  /// Reads a cursor to its end; nil where its chunks contradict themselves.
  init?(_ cursor: inout SeriesCursor) throws {
    while let chunk = try cursor.next() {
      guard chunk.seriesCount > 0 else { return nil }
      for series in 0..<chunk.seriesCount {
        let labels = chunk.labels(series)
        guard samples[labels] == nil, histograms[labels] == nil else { return nil }
        let range = chunk.samples(series)
        let times = chunk.timestamps[range]
        guard zip(times, times.dropFirst()).allSatisfy({ $0 < $1 }) else { return nil }
        if !range.isEmpty {
          samples[labels] = Dictionary(uniqueKeysWithValues: range.map { (chunk.timestamps[$0], chunk.valueBits[$0]) })
        }
        for index in range where chunk.starts.start(of: index) != 0 {
          starts[labels, default: [:]][chunk.timestamps[index]] = chunk.starts.start(of: index)
        }
      }
      for histogram in chunk.histograms {
        let labels = chunk.labels(histogram.series)
        histograms[labels, default: [:]][histogram.timestamp] = histogram.histogram.bytes
        if histogram.start != 0 { starts[labels, default: [:]][histogram.timestamp] = histogram.start }
      }
    }
  }

  init() {}
}

/// All that a query of a tenant finds, none of it damaged.
func read(_ machine: SeriesMachine, _ tenant: TenantID = .default, _ range: TimeRange = .all) throws -> Answer {
  var cursor = try machine.engine.select(tenant: tenant, [], range)
  let answer = try #require(try Answer(&cursor))
  #expect(cursor.damages.isEmpty)
  return answer
}

extension NativeHistogram {
  /// The encoded form, which tells apart what `==` on doubles does not.
  var bytes: [UInt8] {
    var writer = ByteWriter()
    encode(to: &writer)
    return writer.bytes
  }
}

/// The naive model: dictionaries, and the rules as their documentation words them.
struct SeriesModel {
  var samples: [TenantID: [LabelSet: [Int64: UInt64]]] = [:]
  var histograms: [TenantID: [LabelSet: [Int64: [UInt8]]]] = [:]
  /// When the counts of samples, and of histograms, began: as the one told that won, the latest of equal ones.
  private var sampleStarts: [TenantID: [LabelSet: [Int64: Int64]]] = [:]
  private var histogramStarts: [TenantID: [LabelSet: [Int64: Int64]]] = [:]

  mutating func add(_ tenant: TenantID, _ labels: LabelSet, _ time: Int64, _ bits: UInt64, start: Int64 = 0) {
    let old = samples[tenant, default: [:]][labels, default: [:]][time]
    let known = old == nil ? nil : sampleStarts[tenant]?[labels]?[time]
    if let old, let known, SampleConflict.winner(old, bits) == old {
      sampleStarts[tenant]?[labels]?[time] = old == bits ? max(known, start) : known
    } else {
      sampleStarts[tenant, default: [:]][labels, default: [:]][time] = start
    }
    samples[tenant, default: [:]][labels, default: [:]][time] = old.map { SampleConflict.winner($0, bits) } ?? bits
  }

  mutating func add(
    _ tenant: TenantID, _ labels: LabelSet, _ time: Int64, _ histogram: NativeHistogram, start: Int64 = 0
  ) {
    let old = histograms[tenant, default: [:]][labels, default: [:]][time]
    var winner = histogram.bytes
    if let old, let decoded = HistogramRule.decoded(old) {
      if decoded.isStale == histogram.isStale {
        if winner.lexicographicallyPrecedes(old) { winner = old }
      } else if histogram.isStale {
        winner = old
      }
    }
    histograms[tenant, default: [:]][labels, default: [:]][time] = winner
    let known = old == nil ? nil : histogramStarts[tenant]?[labels]?[time]
    if let known, winner == old {
      histogramStarts[tenant]?[labels]?[time] = winner == histogram.bytes ? max(known, start) : known
    } else {
      histogramStarts[tenant, default: [:]][labels, default: [:]][time] = start
    }
  }

  func start(ofSample time: Int64, _ tenant: TenantID, _ labels: LabelSet) -> Int64 {
    sampleStarts[tenant]?[labels]?[time] ?? 0
  }

  func start(ofHistogram time: Int64, _ tenant: TenantID, _ labels: LabelSet) -> Int64 {
    histogramStarts[tenant]?[labels]?[time] ?? 0
  }

  mutating func delete(_ tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange) {
    for (labels, times) in samples[tenant] ?? [:] where matchers.allSatisfy({ $0.matches(labels) }) {
      samples[tenant]?[labels] = times.filter { !range.contains($0.key) }
    }
    for (labels, times) in histograms[tenant] ?? [:] where matchers.allSatisfy({ $0.matches(labels) }) {
      histograms[tenant]?[labels] = times.filter { !range.contains($0.key) }
    }
  }

  func answer(_ tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange) -> Answer {
    var answer = Answer()
    for (labels, times) in histograms[tenant] ?? [:] where matchers.allSatisfy({ $0.matches(labels) }) {
      let found = times.filter { range.contains($0.key) }
      if !found.isEmpty { answer.histograms[labels] = found }
      for time in found.keys {
        guard let start = histogramStarts[tenant]?[labels]?[time], start != 0 else { continue }
        answer.starts[labels, default: [:]][time] = start
      }
    }
    for (labels, times) in samples[tenant] ?? [:] where matchers.allSatisfy({ $0.matches(labels) }) {
      let found = times.filter { range.contains($0.key) && answer.histograms[labels]?[$0.key] == nil }
      if !found.isEmpty { answer.samples[labels] = found }
      for time in found.keys {
        guard let start = sampleStarts[tenant]?[labels]?[time], start != 0 else { continue }
        answer.starts[labels, default: [:]][time] = start
      }
    }
    return answer
  }
}

/// A batch that is made at random, and what it does to the model.
struct RandomBatch {
  var batch: SeriesBatch
  var definitions: SeriesDefinitions
  var model: SeriesModel

  /// Samples of up to 12 series of a tenant about `now` (ms), some far away, some too far in the future.
  init?(_ generator: inout TelemetryGenerator, tenant: TenantID, now: Int64, onto model: SeriesModel) {
    self.model = model
    var builder = SeriesBatchBuilder()
    var definitions = SeriesDefinitionsBuilder()
    for _ in 0..<generator.int(1...12) {
      let labels = generator.labelSet()
      let id = SeriesID(labels, tenant: tenant)
      definitions.append(id, labels: labels)
      // Mostly one of few, so that they change and come again; at times one for each row.
      let start: Int64? =
        switch generator.int(0...5) {
        case 0...2: nil
        case 3: now - Int64(generator.int(0...1_000_000))
        default: now - Int64(generator.int(1...2)) * 200_000
        }
      builder.beginSeries(id, startTimestamp: start)
      for _ in 0..<generator.int(0...8) {
        let time = Self.time(&generator, now)
        if generator.oneIn(6) {
          let histogram = generator.histogram()
          builder.append(timestamp: time, histogram: histogram)
          if time <= now + 600_000 { self.model.add(tenant, labels, time, histogram, start: start ?? 0) }
        } else {
          let bits = generator.valueBits()
          builder.append(timestamp: time, valueBits: bits)
          if time <= now + 600_000 { self.model.add(tenant, labels, time, bits, start: start ?? 0) }
        }
      }
    }
    guard
      let batch = builder.build(
        tenant: tenant, batchID: Hash128(high: generator.random.next(), low: generator.random.next())),
      let built = definitions.build(tenant: tenant)
    else { return nil }
    self.batch = batch
    self.definitions = built
  }

  /// Mostly one of few instants, so that samples collide; at times the ends of time.
  static func time(_ generator: inout TelemetryGenerator, _ now: Int64) -> Int64 {
    switch generator.int(0...30) {
    case 0: generator.pick([.min, .min + 1, 0, -1, 1, -86_400_000])
    case 1: generator.pick([.max, now + 600_000, now + 600_001])
    case 2...5: now - Int64(generator.int(0...2)) * 86_400_000
    default: now - Int64(generator.int(0...40)) * 15_000
    }
  }
}
