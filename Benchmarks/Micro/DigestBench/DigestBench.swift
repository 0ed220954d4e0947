// What repair and quorum reads ask of the engine of metrics, and what it takes: CPU time of the thread that asks, the
// middle of some repetitions.
//
//   NEEDLETAIL_BENCH=1 NEEDLETAIL_ONLY=DigestBench swift build -c release
//   .build/release/DigestBench [SERIES] [HOURS]
//
// It runs a real engine with a real journal in a temporary folder. Each series has four samples an hour; all but the last
// hours lie in parts of four hours each.

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
struct DigestBench {
  private static let samplesPerHour: Int64 = 4

  private let engine: SeriesEngine
  private let journal: Journal
  private let root: String
  private let series: Int
  private let hours: Int64
  private var ids: [SeriesID] = []
  /// The first ms of the first hour.
  private let start: Int64

  static func main() async throws {
    let numbers = CommandLine.arguments.dropFirst().compactMap { Int($0) }
    var bench = try DigestBench(series: numbers.first ?? 300_000, hours: numbers.count > 1 ? numbers[1] : 24)
    defer { bench.close() }
    try await bench.fill()
    try await bench.ask()
  }

  private init(series: Int, hours: Int) throws {
    (self.series, self.hours) = (series, Int64(hours))
    root = "/tmp/needletail-digest-bench-\(getpid())"
    let files = PosixFileSystem()
    try files.createDirectory(root)
    let folder = try DataFolder.open(
      root + "/engine", on: files, random: SystemRandomSource(), holder: "a benchmark",
      openCatalog: { path throws(CatalogError) in try SQLiteCatalog(path: path) })
    engine = try SeriesEngine(
      options: SeriesEngineOptions(retention: .forever), slots: .standard, clock: SystemClock(), folder: folder.parts,
      catalog: folder.catalog)
    (journal, _) = try folder.startJournal(
      participants: [engine], clock: SystemClock(),
      options: JournalOptions(durability: .interval(seconds: 1), pendingBytesMax: 1 << 30))
    engine.start(journal)
    let now = SeriesWindow(of: SystemClock().wallNanoseconds() / 1_000_000)
    start = (now.number - Int64(hours)) * SeriesWindow.milliseconds
  }

  private func close() {
    journal.close()
    engine.stop()
    try? PosixFileSystem().removeTree(root)
  }

  private func labels(_ index: Int) -> LabelSet {
    LabelSet(["__name__": "metric_\(index % 100)_total", "instance": "host-\(index / 100):9100", "job": "node"])
  }

  private mutating func fill() async throws {
    ids = (0..<series).map { SeriesID(labels($0), tenant: .default) }
    for round in 0..<(hours * Self.samplesPerHour) {
      try await append(at: start + round * SeriesWindow.milliseconds / Self.samplesPerHour, isNew: round == 0, series)
      let isEnd = (round + 1) % (4 * Self.samplesPerHour) == 0
      if isEnd, round + 4 * Self.samplesPerHour < hours * Self.samplesPerHour { _ = try journal.flush() }
    }
    print(
      "\(series) series, \(hours) hours, \(engine.statistics.parts) parts,"
        + " \(engine.statistics.activeSeries) series in the head")
  }

  /// One sample for each of the first series.
  private func append(at time: Int64, isNew: Bool, _ count: Int) async throws {
    for first in stride(from: 0, to: count, by: 10_000) {
      var builder = SeriesBatchBuilder()
      var definitions = SeriesDefinitionsBuilder()
      for index in first..<min(first + 10_000, count) {
        builder.beginSeries(ids[index])
        builder.append(timestamp: time, valueBits: Double(index).bitPattern &+ UInt64(bitPattern: time))
        if isNew { definitions.append(ids[index], labels: labels(index)) }
      }
      let id = Hash128(high: UInt64(bitPattern: time), low: UInt64(first))
      guard let batch = builder.build(tenant: .default, batchID: id) else { continue }
      _ = try await engine.append(batch, definitions: isNew ? definitions.build(tenant: .default) : nil)
    }
  }

  private func ask() async throws {
    let first = start / SeriesWindow.milliseconds
    let all = first...(first + hours - 1)
    let last = (first + hours - 1)...(first + hours - 1)
    let slot = SlotMap.standard.slot(of: ids[0])
    try report("digests of all slots and \(hours) windows, asked first", 1) { try engine.digests(of: all).count }
    try report("the same, nothing changed", 21) { try engine.digests(of: all).count }
    try report("sums over \(hours) windows, nothing changed", 21) { try engine.sums(over: all).count }
    var times: [Int64] = []
    for round in 0..<7 as Range<Int64> {
      try await append(at: start + hours * SeriesWindow.milliseconds - 1000 + round, isNew: false, 100)
      let before = Self.cpu()
      _ = try engine.digests(of: all)
      times.append(Self.cpu() - before)
    }
    tell("the same, after 100 samples of the last hour", times)
    try report("digests of a window in a part, worked out anew", 7) {
      guard let window = SeriesWindow(number: first) else { return 0 }
      return try engine.digests(window: window).count
    }
    try report("windows of one slot, nothing changed", 21) { try engine.windowDigests(of: slot).count }
    for (name, window) in [("a part", first), ("the head", last.lowerBound)] {
      try report("buckets of a slot and window in \(name)", 7) {
        try engine.bucketDigests(of: slot, window: window).count
      }
      let bucket = SlotMap.bucket(of: ids[0].hash)
      try report("series of a bucket in \(name)", 7) {
        try engine.listing(of: slot, window: window, in: .bucket(bucket)).count
      }
      let keys = try engine.listing(of: slot, window: window, in: .bucket(bucket)).map(\.key)
      try report("rows of these \(keys.count) series in \(name)", 7) {
        try engine.export(of: slot, window: window, SlotExport.Request(keys: keys), bytesMax: 4 << 20).payload.count
      }
    }
  }

  private func report(_ name: String, _ count: Int, _ body: () throws -> Int) rethrows {
    var times: [Int64] = []
    var result = 0
    for _ in 0..<count {
      let before = Self.cpu()
      result = try body()
      times.append(Self.cpu() - before)
    }
    tell("\(name) (\(result))", times)
  }

  private func tell(_ name: String, _ times: [Int64]) {
    print("\(name): \(times.sorted()[times.count / 2] / 1000) us")
  }

  /// CPU time of the calling thread, in ns.
  private static func cpu() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
