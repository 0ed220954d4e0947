import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSeries
import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A data folder with a log that was closed in order and not flushed.
struct WrittenLog {
  /// Takes every record and does nothing with it.
  private final class Nobody: JournalParticipant {
    var recordKinds: [LogRecordKind] { (1...3).map { .series($0) } }
    func replay(_ kind: LogRecordKind, _ payload: UnsafeRawBufferPointer) {}
    func freeze() {}
    func writeFrozen(to parts: PartsFolder) -> [PartRecord] { [] }
    func publishFrozen(_ records: [PartRecord]) {}
  }

  private let path: String
  private(set) var bytes = 0
  private(set) var samples = 0

  /// Writes about so many MB: `rows` samples a batch, round after round through all series.
  init(megabytes: Int, series: Int, rows: Int) async throws {
    path = "/tmp/needletail-replay-bench-\(getpid())-\(rows)"
    let folder = try Self.folder(path)
    defer { folder.close() }
    let engine = try Self.engine(folder)
    let (journal, _) = try folder.startJournal(participants: [engine], clock: SystemClock())
    engine.start(journal)
    let ids = (0..<series).map { SeriesID(Self.labels($0), tenant: .default) }
    let start = SystemClock().wallNanoseconds() / 1_000_000 - 3_600_000
    var batch = SeriesBatchBuilder()
    var definitions = SeriesDefinitionsBuilder()
    var round: Int64 = 0
    while bytes < megabytes * 1_000_000 {
      for first in Swift.stride(from: 0, to: series, by: rows) {
        for index in first..<min(first + rows, series) {
          if round == 0 { definitions.append(ids[index], labels: Self.labels(index)) }
          batch.beginSeries(ids[index])
          batch.append(
            timestamp: start + round * 1000 + Int64(index / 200 % 7), valueBits: Double(index).bitPattern)
        }
        let labels = definitions.build(tenant: .default)
        guard let built = batch.build(tenant: .default, batchID: Hash128(high: UInt64(round), low: UInt64(first)))
        else { throw SeriesEngineError.malformed("no batch") }
        _ = try await engine.append(built, definitions: labels)
        samples += built.sampleCount
        bytes += built.frame.bytes.count + (labels?.frame.bytes.count ?? 0)
      }
      round += 1
    }
    journal.close()
    engine.stop()
  }

  private static func labels(_ index: Int) -> LabelSet {
    let (metric, target) = (index % 200, index / 200)
    return LabelSet([
      "__name__": "node_metric_\(metric / 8)_seconds_total", "cpu": "\(metric % 8)", "instance": "host-\(target)-0",
      "job": "bench", "datacenter": "eu-central-1\(target % 3)", "environment": "production", "os": "Debian12",
      "rack": "rack-\(target % 40)", "region": "eu-\(target % 4)", "service": "service-\(target % 19)",
      "team": "team-\(target % 7)",
    ])
  }

  private static func folder(_ path: String) throws -> DataFolder {
    try DataFolder.open(
      path, on: PosixFileSystem(), random: SystemRandomSource(), holder: "ReplayBench",
      openCatalog: { path throws(CatalogError) in try SQLiteCatalog(path: path) })
  }

  private static func engine(_ folder: DataFolder) throws -> SeriesEngine {
    try SeriesEngine(
      options: SeriesEngineOptions(retention: .forever, headBytesMax: .max), slots: .standard, clock: SystemClock(),
      folder: folder.parts, catalog: folder.catalog)
  }

  /// Replays the log, `applying` what is in it or not; what that took.
  func open(applying: Bool) throws -> Times {
    let folder = try Self.folder(path)
    defer { folder.close() }
    let participant: any JournalParticipant = applying ? try Self.engine(folder) : Nobody()
    var report = ReplayReport()
    let times = try Times.of {
      let (journal, replayed) = try folder.startJournal(
        participants: [participant], clock: SystemClock(), options: JournalOptions(commitsOnOwnThread: false))
      journal.close()
      report = replayed
    }
    guard report.damages.isEmpty, report.bytes >= bytes else { throw SeriesEngineError.malformed("\(report)") }
    return times
  }

  func remove() { try? PosixFileSystem().removeTree(path) }
}
