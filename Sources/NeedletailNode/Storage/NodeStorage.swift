// What this node stores: one data folder, one log, three engines. All calls that touch the disk block and belong on
// the storage threads.

import Logging
import NeedletailBlocks
import NeedletailCluster
import NeedletailEnvironment
import NeedletailEvents
import NeedletailSeries
import NeedletailTelemetry

/// The open data folder with its engines.
final class NodeStorage: Sendable {
  let folder: DataFolder
  let journal: Journal
  let series: SeriesEngine
  let logs: EventEngine
  let spans: EventEngine
  /// What merges the parts, signal by signal.
  let mergers: [SignalMerger]
  /// What they keep to, all together.
  let mergePace: PacedWork
  /// What the log held when it was opened.
  let replay: ReplayReport
  /// What was acknowledged and is lost, in words: every answer says so.
  let losses: [String]
  /// Each loss of the log that the catalog knows of, in words that stay the same.
  let logLosses: [String]
  /// What the node has of its cluster on disk; nil where it belongs to none.
  let cluster: (folder: ClusterFolder, topology: TopologyState)?
  /// What the operator should know about the folder: others may use it, or what is in it.
  let warnings: [String]
  private let clock: any WallClock
  private let random: any RandomSource

  /// Opens or makes the folder, opens the parts and replays the log.
  ///
  /// Blocks for as long as that takes. `eventHeadBytes` is the size at which a head of events wants to be flushed.
  init(
    _ configuration: ServerConfiguration, fileSystem: any FileSystem, clock: any WallClock, random: any RandomSource,
    eventHeadBytes: Int = EventEngineOptions().headBytesMax
  ) throws {
    self.clock = clock
    self.random = random
    mergePace = PacedWork(configuration.mergeLimits, clock: clock)
    folder = try DataFolder.open(
      configuration.dataFolder, on: fileSystem, random: random, holder: "needletail serve",
      openCatalog: { path throws(CatalogError) in try SQLiteCatalog(path: path) })
    do {
      cluster = try configuration.nodeName.map { _ in
        let folder = try ClusterFolder(in: configuration.dataFolder, on: fileSystem, random: random)
        return (folder, try folder.topology())
      }
      warnings = try [folder.remark].compactMap { $0 } + Self.warnings(configuration.dataFolder, fileSystem)
      guard let slots = SlotMap(count: folder.slotCount) else {
        throw StartupError("the data folder \(configuration.dataFolder) has \(folder.slotCount) slots, which cannot be")
      }
      let catalog = folder.catalog
      series = try SeriesEngine(
        options: SeriesEngineOptions(
          retention: configuration.retention.series, retentionBytes: configuration.retentionBytes.map { UInt64($0) },
          outOfOrderMilliseconds: configuration.outOfOrderWindow?.milliseconds),
        slots: slots, clock: clock,
        folder: folder.parts, catalog: catalog)
      let options = EventEngineOptions(
        retentionNanoseconds: configuration.retention.nanoseconds, headBytesMax: eventHeadBytes)
      logs = try EventEngine(
        kind: .logs, catalog: catalog, parts: folder.parts, slots: slots, options: options, clock: clock)
      spans = try EventEngine(
        kind: .spans, catalog: catalog, parts: folder.parts, slots: slots, options: options, clock: clock)
      mergers = [
        SignalMerger("metrics") { [series, mergePace] in try series.mergeParts(at: mergePace) },
        SignalMerger("logs") { [logs, mergePace] in try logs.mergeParts(at: mergePace) },
        SignalMerger("spans") { [spans, mergePace] in try spans.mergeParts(at: mergePace) },
      ]
      (journal, replay) = try folder.startJournal(
        participants: [series, logs, spans], clock: clock,
        options: JournalOptions(durability: configuration.durability))
      losses = try folder.knownLosses()
      logLosses = try catalog.damages().map(\.loss)
    } catch {
      folder.close()
      throw error
    }
    series.start(journal)
    logs.attach(journal)
    spans.attach(journal)
    // What reading the log took.
    FreeMemory.giveBack()
  }

  /// A folder that was there before keeps the mode that someone gave it, and so does a catalog.
  private static func warnings(_ folder: String, _ fileSystem: any FileSystem) throws -> [String] {
    var warnings: [String] = []
    for path in [folder, folder + "/catalog.sqlite", folder + "/catalog.mirror"] {
      // A symbolic link's own mode says nothing.
      guard let status = try fileSystem.status(path), status.kind != .other, status.isOpenToOthers else { continue }
      warnings.append("\(path) is open to other users; take that away with: chmod go-rwx \(path)")
    }
    return warnings
  }

  /// Whether anything was stored here that is still there.
  var hasData: Bool {
    get throws {
      let isLogEmpty = replay.records == 0 && replay.damages.isEmpty
      return try !isLogEmpty || !folder.catalog.content().parts.isEmpty
    }
  }

  /// About how many bytes the heads take in memory.
  var headBytes: Int { series.statistics.headBytes + logs.headBytes + spans.headBytes }

  /// Whether the head of the logs or of the spans is as large as it should become.
  var wantsFlush: Bool { logs.wantsFlush || spans.wantsFlush }

  /// Makes the heads parts.
  func flush() throws -> FlushReport {
    let report = try journal.flush()
    if !report.parts.isEmpty { FreeMemory.giveBack() }
    return report
  }

  /// Makes a snapshot of all parts under a name of its own, which it returns.
  ///
  /// Blocks. What is in the log alone is not in it.
  func snapshot() throws -> String {
    let name = SnapshotName.make(clock: clock, random: random)
    try folder.makeSnapshot(named: name)
    return name
  }

  /// Drops the parts beyond the retention.
  ///
  /// Returns how many.
  func enforceRetention() throws -> Int {
    let now = clock.wallNanoseconds()
    let dropped = try series.enforceRetention(now: now / 1_000_000).count
    return dropped + (try logs.enforceRetention(now: now)) + (try spans.enforceRetention(now: now))
  }

  /// Commits what is pending and gives the folder back.
  func close() {
    journal.close()
    folder.close()
  }
}

extension ServerConfiguration {
  fileprivate var mergeLimits: WorkLimits {
    WorkLimits(bytesPerSecond: mergeBytesPerSecond.map { UInt64($0) }, busyPercent: mergeCPUPercent)
  }
}

extension ServerConfiguration.Retention {
  fileprivate var series: SeriesRetention {
    switch self {
    case .forever: .forever
    case .span(let span): .milliseconds(span.milliseconds)
    }
  }

  /// Nil for ever.
  var nanoseconds: Int64? {
    switch self {
    case .forever: return nil
    case .span(let span):
      let (product, overflow) = span.milliseconds.multipliedReportingOverflow(by: 1_000_000)
      return overflow ? nil : product
    }
  }
}
