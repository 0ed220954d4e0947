import NeedletailBlocks
import NeedletailEnvironment
@testable import NeedletailEvents
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry

let hour: Int64 = 3_600_000_000_000
let day: Int64 = 24 * hour
/// The manual clock's first reading.
let now: Int64 = 1_700_000_000_000_000_000

/// A data folder on a simulated disk with both event engines and a journal.
final class EventMachine {
  let disk: FaultyFileSystem
  let catalog: MemoryCatalog
  let folder: DataFolder
  let logs: EventEngine
  let spans: EventEngine
  let journal: Journal
  let report: ReplayReport
  let clock: ManualClock

  init(
    _ disk: FaultyFileSystem, _ catalog: MemoryCatalog, clock: ManualClock = ManualClock(),
    options: EventEngineOptions = EventEngineOptions(), ownThread: Bool = true, watched: WatchedFileSystem? = nil
  ) throws {
    self.disk = disk
    self.catalog = catalog
    self.clock = clock
    folder = try DataFolder.open(
      "/data", on: watched ?? disk, random: SeededRandomSource(seed: 5), holder: "a test",
      openCatalog: { (path) throws(CatalogError) in try catalog.placed(at: path, on: disk) })
    logs = try EventEngine(kind: .logs, catalog: folder.catalog, parts: folder.parts, options: options, clock: clock)
    spans = try EventEngine(kind: .spans, catalog: folder.catalog, parts: folder.parts, options: options, clock: clock)
    (journal, report) = try folder.startJournal(
      participants: [logs, spans], clock: clock, options: JournalOptions(commitsOnOwnThread: ownThread))
    logs.attach(journal)
    spans.attach(journal)
  }

  convenience init(options: EventEngineOptions = EventEngineOptions()) throws {
    try self.init(FaultyFileSystem(seed: 1), MemoryCatalog(), options: options)
  }

  func flush() throws { _ = try journal.flush() }

  /// Stops in good order and starts again.
  func reopened() throws -> EventMachine {
    journal.close()
    folder.close()
    return try EventMachine(disk, catalog, clock: clock, options: logs.retained)
  }

  /// Loses the power and starts again.
  func crashed(_ survival: CrashSurvival) throws -> EventMachine {
    let found = disk.crash(survival)
    journal.close()
    return try EventMachine(found, catalog, clock: clock, options: logs.retained)
  }
}

extension EventEngine {
  /// The options that a machine's next life gets.
  var retained: EventEngineOptions { options }
}

extension EventScan {
  /// All pages.
  func all(page: Int = 100) throws -> [EventHit<Record>] {
    var hits: [EventHit<Record>] = []
    while true {
      let next = try self.next(upTo: page)
      if next.isEmpty { return hits }
      hits += next
    }
  }
}

func makeBatch(_ records: [(EventStream, LogRecord)], tenant: TenantID = .default, id: UInt64 = 1) throws -> EventBatch
{
  var builder = EventBatchBuilder(kind: .logs, tenant: tenant)
  for (stream, record) in records { builder.append(record, stream: builder.stream(stream)) }
  return try required(builder.build(batchID: Hash128(high: 0, low: id)))
}

func makeBatch(_ spans: [(EventStream, SpanRecord)], tenant: TenantID = .default, id: UInt64 = 1) throws -> EventBatch {
  var builder = EventBatchBuilder(kind: .spans, tenant: tenant)
  for (stream, span) in spans { builder.append(span, stream: builder.stream(stream)) }
  return try required(builder.build(batchID: Hash128(high: 0, low: id)))
}

struct Missing: Error {}

func required<Value>(_ value: Value?) throws -> Value {
  guard let value else { throw Missing() }
  return value
}
