// What parts of the time-series engine take: bytes a sample by file and section, CPU time a sample of flushes, merges
// and scans, and the selection of many series. The same of native histograms.
//
//   NEEDLETAIL_BENCH=1 NEEDLETAIL_ONLY=PartBench swift build -c release
//   .build/release/PartBench [SERIES] [ROUNDS] [ROUNDS-A-FLUSH]
//   .build/release/PartBench histograms [SERIES] [ROUNDS] [ROUNDS-A-FLUSH]
//
// CPU times are those of this thread, so that work on another core does not count; wall time is not told.

import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSeries
import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@main
enum PartBench {
  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
    let isOfHistograms = CommandLine.arguments.contains("histograms")
    let series = arguments.first ?? (isOfHistograms ? 4_000 : 40_000)
    let rounds = arguments.count > 1 ? arguments[1] : 240
    let flushRounds = arguments.count > 2 ? arguments[2] : max(1, rounds / 8)
    // The day before yesterday: it is over, so all of it is merged.
    let start = (SystemClock().wallNanoseconds() / 86_400_000_000_000 - 2) * 86_400_000
    var run =
      try isOfHistograms
      ? Run(HistogramFleet(series: series, start: start)) : Run(Fleet(series: series, start: start))
    try await run.ingest(rounds: rounds, flushRounds: flushRounds)
    try run.merge()
    run.printSizes()
    try run.scan()
    if !isOfHistograms { try run.select() }
    run.close()
  }

  /// CPU ns of this thread.
  static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }

  static func line(_ name: String, _ value: Double, _ unit: String) {
    let digits = (value * 1000).rounded() / 1000
    print("\(name): \(digits) \(unit)")
  }
}

/// A batch holds too many rounds of a flush for a frame.
struct BatchTooLarge: Error {}

/// One folder of data, filled and measured.
struct Run {
  private let engine: SeriesEngine
  private let journal: Journal
  private let folder: DataFolder
  private let path: String
  private var fleet: any Load
  private var samples = 0

  init(_ fleet: some Load) throws {
    self.fleet = fleet
    let fileSystem = PosixFileSystem()
    path = "/tmp/needletail-partbench-\(getpid())"
    folder = try DataFolder.open(
      path, on: fileSystem, random: SystemRandomSource(), holder: "PartBench",
      openCatalog: { path throws(CatalogError) in try SQLiteCatalog(path: path) })
    let clock = SystemClock()
    engine = try SeriesEngine(
      options: SeriesEngineOptions(retention: .forever), slots: .standard, clock: clock, folder: folder.parts,
      catalog: folder.catalog)
    journal = try folder.startJournal(participants: [engine], clock: clock).0
    engine.start(journal)
  }

  func close() {
    journal.close()
    engine.stop()
    try? PosixFileSystem().removeTree(path)
  }

  mutating func ingest(rounds: Int, flushRounds: Int) async throws {
    let ids = (0..<fleet.seriesCount).map { SeriesID(fleet.labels($0), tenant: .default) }
    var flush = 0.0
    for first in stride(from: 0, to: rounds, by: flushRounds) {
      let some = first..<min(rounds, first + flushRounds)
      for start in stride(from: 0, to: fleet.seriesCount, by: fleet.seriesPerBatch) {
        var batch = SeriesBatchBuilder()
        var definitions = SeriesDefinitionsBuilder()
        for series in start..<min(fleet.seriesCount, start + fleet.seriesPerBatch) {
          if first == 0 { definitions.append(ids[series], labels: fleet.labels(series)) }
          batch.beginSeries(ids[series])
          for round in some { fleet.append(series, round, to: &batch) }
        }
        let id = Hash128(high: UInt64(first), low: UInt64(start))
        guard let built = batch.build(tenant: .default, batchID: id) else { throw BatchTooLarge() }
        _ = try await engine.append(built, definitions: definitions.build(tenant: .default))
        samples += built.sampleCount + built.histogramCount
      }
      let begun = PartBench.now()
      _ = try journal.flush()
      flush += PartBench.now() - begun
    }
    print("\(fleet.seriesCount) series, \(samples) \(fleet.noun)s, flushed every \(flushRounds) rounds")
    PartBench.line("flush", flush / Double(samples), "ns a \(fleet.noun)")
    PartBench.line(
      "flush", flush / Double(fleet.seriesCount * ((rounds + flushRounds - 1) / flushRounds)), "ns a series")
  }

  func merge() throws {
    let bytes = engine.statistics.partBytes
    let begun = PartBench.now()
    let gone = try engine.mergeParts()
    let merge = PartBench.now() - begun
    print("merged: \(gone) parts fewer, \(bytes) bytes before, \(engine.statistics.partBytes) after")
    PartBench.line("merges", merge / Double(samples), "ns a \(fleet.noun)")
    PartBench.line("merges", Double(bytes) / merge * 1000, "MB/s")
  }

  func printSizes() {
    print("bytes a \(fleet.noun), and a series:")
    for entry in engine.partSizes {
      PartBench.line("  \(entry.name)", Double(entry.bytes) / Double(samples), "a \(fleet.noun)")
      PartBench.line("  \(entry.name)", Double(entry.bytes) / Double(fleet.seriesCount), "a series")
    }
    PartBench.line("  all", Double(engine.statistics.partBytes) / Double(samples), "a \(fleet.noun)")
  }

  func scan() throws {
    var best = Double.infinity
    var count = 0
    for _ in 0..<5 {
      count = 0
      let begun = PartBench.now()
      var cursor = try engine.select(tenant: .default, [], .all)
      while let chunk = try cursor.next() { count += chunk.sampleCount }
      best = min(best, PartBench.now() - begun)
    }
    guard count == samples else { return print("a scan found \(count) \(fleet.noun)s") }
    PartBench.line("scan", best / Double(samples), "ns a \(fleet.noun)")
    PartBench.line("scan", best / Double(fleet.seriesCount), "ns a series")
  }

  func select() throws {
    let matchers: [(String, [LabelMatcher])] = [
      ("all series", []),
      ("one metric", [LabelMatcher("__name__", equals: "node_load1")]),
      (
        "one series",
        [
          LabelMatcher("__name__", equals: "node_load1"), LabelMatcher("instance", equals: "host-7-0"),
        ]
      ),
      ("an expression", [try LabelMatcher("instance", .matches, "host-.*7-0")]),
    ]
    for (name, matchers) in matchers {
      var best = Double.infinity
      var first = 0.0
      var count = 0
      for pass in 0..<5 {
        let begun = PartBench.now()
        count = try engine.select(tenant: .default, matchers, .all).matchedSeriesCount
        let took = PartBench.now() - begun
        if pass == 0 { first = took }
        best = min(best, took)
      }
      print("selection of \(name): \(count) series")
      PartBench.line("  best", best / 1e6, "ms")
      PartBench.line("  first", first / 1e6, "ms")
    }
    let begun = PartBench.now()
    let values = try engine.labelValues(tenant: .default, name: "instance", [], .all).elements.count
    PartBench.line("label values (\(values))", (PartBench.now() - begun) / 1e6, "ms")
  }
}
