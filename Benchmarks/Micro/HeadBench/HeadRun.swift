import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSeries
import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// An engine in a temporary folder, and a journal beside it that takes the same frames without an engine.
struct HeadRun {
  enum Order: String {
    case asCreated = "as created"
    case shuffled
    case late = "as created but each sample earlier than the last"
  }

  private static let control = LogRecordKind.series(9)
  private let fleet: Fleet
  private let root: String
  private let engine: SeriesEngine
  private let journal: Journal
  private let controlJournal: Journal
  private var ids: [SeriesID] = []
  private var time = SystemClock().wallNanoseconds() / 1_000_000 - 600_000
  private var batches: UInt64 = 0
  /// When all counts began, in ms; nil where that is not told.
  private let started: Int64?
  /// Anonymous memory before the first series, in bytes.
  private var before = 0

  init(_ fleet: Fleet, hasStarts: Bool) throws {
    self.fleet = fleet
    started = hasStarts ? time - 3_600_000 : nil
    root = "/tmp/needletail-head-bench-\(getpid())"
    let files = PosixFileSystem()
    try files.createDirectory(root)
    let options = JournalOptions(durability: .interval(seconds: 1), pendingBytesMax: 1 << 30)
    let folder = try Self.open(root + "/engine", files)
    engine = try SeriesEngine(
      options: SeriesEngineOptions(retention: .forever), slots: .standard, clock: SystemClock(), folder: folder.parts,
      catalog: folder.catalog)
    (journal, _) = try folder.startJournal(participants: [engine], clock: SystemClock(), options: options)
    engine.start(journal)
    (controlJournal, _) = try Self.open(root + "/control", files)
      .startJournal(participants: [], clock: SystemClock(), options: options)
  }

  private static func open(_ path: String, _ files: PosixFileSystem) throws -> DataFolder {
    try DataFolder.open(
      path, on: files, random: SystemRandomSource(), holder: "a benchmark",
      openCatalog: { path throws(CatalogError) in try SQLiteCatalog(path: path) })
  }

  func close() {
    journal.close()
    controlJournal.close()
    engine.stop()
    try? PosixFileSystem().removeTree(root)
  }

  /// Prints by how much anonymous memory grew, once the logs have let go of what was not synced; then the same without
  /// what the allocator keeps of freed memory.
  private func printMemory(_ name: String) {
    while journal.pendingBytes + controlJournal.pendingBytes > 0 { usleep(10_000) }
    let grown = Memory.anonymous() - before
    let start = OneThread.cpu()
    FreeMemory.giveBack()
    let took = OneThread.cpu() - start
    print(
      "anonymous memory, \(name): \(grown / fleet.count) bytes a series,"
        + " \((Memory.anonymous() - before) / fleet.count) when given back, which takes \(took / 1000) us")
  }

  // MARK: - Appending

  /// Appends frames; the CPU time in ns with the engine, and that of the log alone.
  private func cost(
    _ batch: SeriesBatch, _ definitions: SeriesDefinitions?
  ) async throws -> (engine: Int64, log: Int64) {
    let start = OneThread.cpu()
    let outcome = try await engine.append(batch, definitions: definitions)
    let end = OneThread.cpu()
    guard outcome.accepted == batch.sampleCount else { throw SeriesEngineError.malformed("samples were refused") }
    let (_, position) = try controlJournal.append { transaction in
      if let definitions { try transaction.log(Self.control, definitions.frame.bytes) }
      try transaction.log(Self.control, batch.frame.bytes)
    }
    try await controlJournal.awaitDurable(position)
    return (end - start, OneThread.cpu() - end)
  }

  private mutating func batch(_ series: ArraySlice<Int>, builder: inout SeriesBatchBuilder) throws -> SeriesBatch {
    for index in series {
      builder.beginSeries(ids[index], startTimestamp: started)
      builder.append(timestamp: time, valueBits: Double(index).bitPattern)
    }
    batches += 1
    guard let batch = builder.build(tenant: .default, batchID: Hash128(high: 1, low: batches)) else {
      throw SeriesEngineError.malformed("no batch")
    }
    return batch
  }

  /// New series, then two more samples for each.
  mutating func fill() async throws {
    ids.reserveCapacity(fleet.count)
    var builder = SeriesBatchBuilder()
    var definitions = SeriesDefinitionsBuilder()
    before = Memory.anonymous() + ids.capacity * 16
    var total: Int64 = 0
    for start in stride(from: 0, to: fleet.count, by: 2_000) {
      let range = start..<min(start + 2_000, fleet.count)
      for index in range {
        let labels = fleet.labels(index)
        ids.append(SeriesID(labels, tenant: .default))
        definitions.append(ids[index], labels: labels)
      }
      let took = try await cost(
        try batch(Array(range)[...], builder: &builder), definitions.build(tenant: .default))
      total += took.engine - took.log
    }
    print("new series: \(total / Int64(fleet.count)) ns each")
    time += 15_000
    try await append(rows: 2_000, order: .asCreated)
    try await append(rows: 2_000, order: .asCreated)
    let statistics = engine.statistics
    printMemory("3 samples each")
    print(
      "the engine's own account: head \(statistics.headBytes / fleet.count),"
        + " of it directory \(statistics.directoryBytes / fleet.count) bytes a series")
  }

  /// One sample for each series.
  mutating func append(rows: Int, order: Order) async throws {
    var series = Array(0..<fleet.count)
    if order == .shuffled {
      var generator = SeededGenerator(seed: 1)
      series.shuffle(using: &generator)
    }
    let now = time
    if order == .late { time -= 20_000 }
    var builder = SeriesBatchBuilder()
    var total: Int64 = 0
    var best = (engine: Int64.max, log: Int64.max)
    for start in stride(from: 0, to: fleet.count - rows + 1, by: rows) {
      let some = series[start..<min(start + rows, fleet.count)]
      let took = try await cost(try batch(some, builder: &builder), nil)
      total += took.engine - took.log
      best = (min(best.engine, took.engine), min(best.log, took.log))
    }
    time = order == .late ? now : now + 15_000
    print(
      "known series, \(order.rawValue), \(rows) rows a batch: \(total / Int64(fleet.count)) ns a sample"
        + " (least batch \((best.engine - best.log) / Int64(rows)); the log alone \(best.log / Int64(rows)))")
  }

  // MARK: - Asking

  private func measure(_ name: String, _ body: () throws -> Int) rethrows {
    var best = Int64.max
    var found = 0
    for _ in 0..<3 {
      let start = OneThread.cpu()
      found = try body()
      best = min(best, OneThread.cpu() - start)
    }
    print("\(name): \(Double(best / 1000) / 1000) ms, \(found) found")
  }

  func ask(_ place: String) throws {
    let selectors: [(String, [LabelMatcher])] = [
      ("= of one metric", [LabelMatcher("__name__", equals: "container_resource_usage_metric_7_seconds_total")]),
      (
        "= and =",
        [
          LabelMatcher("__name__", equals: "container_resource_usage_metric_7_seconds_total"),
          LabelMatcher("namespace", equals: "team-3"),
        ]
      ),
      ("=~ prefix.*", [try LabelMatcher("pod", .matches, "service-12-.*")]),
      (
        "=~ of ten alternatives",
        [try LabelMatcher("pod", .matches, (0..<10).map { "service-\($0)-\($0)" }.joined(separator: "|"))]
      ),
      ("=~ that runs on every value", [try LabelMatcher("pod", .matches, ".*-12-[0-9]+")]),
      (
        "!= beside =",
        [
          LabelMatcher("__name__", equals: "container_resource_usage_metric_7_seconds_total"),
          try LabelMatcher("namespace", .notEqual, "team-3"),
        ]
      ),
      (
        "!~ prefix.* beside =",
        [
          LabelMatcher("__name__", equals: "container_resource_usage_metric_7_seconds_total"),
          try LabelMatcher("pod", .notMatches, "service-12-.*"),
        ]
      ),
      ("!= alone", [try LabelMatcher("namespace", .notEqual, "team-3")]),
      (
        "!~ of ten alternatives",
        [try LabelMatcher("namespace", .notMatches, (0..<10).map { "team-\($0)" }.joined(separator: "|"))]
      ),
      ("all, in order", []),
    ]
    print("\(place):")
    for (name, matchers) in selectors {
      try measure("select \(name)") {
        try engine.select(tenant: .default, matchers, .all).matchedSeriesCount
      }
    }
    for label in ["namespace", "pod", "id"] {
      try measure("values of \(label)") {
        try engine.labelValues(tenant: .default, name: label, [], .all).elements.count
      }
    }
    try measure("digests of an hour, all slots") {
      let digests = try engine.digests(window: SeriesWindow(of: time - 15_000))
      return digests.reduce(0) { $0 + Int($1.count) }
    }
    try measure("values of pod of one metric") {
      let matcher = LabelMatcher("__name__", equals: "container_resource_usage_metric_7_seconds_total")
      return try engine.labelValues(tenant: .default, name: "pod", [matcher], .all).elements.count
    }
  }

  /// A flush, and what the first round of samples costs after it.
  mutating func flush() async throws {
    let start = OneThread.cpu()
    _ = try journal.flush()
    print("flush: \((OneThread.cpu() - start) / Int64(fleet.count)) ns a series")
    printMemory("flushed")
    try ask("in a part")
    time += 15_000
    print("in the new generation:")
    try await append(rows: 2_000, order: .asCreated)
    try await append(rows: 2_000, order: .asCreated)
  }
}
