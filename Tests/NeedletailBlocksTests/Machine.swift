import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry

/// A record of the tests: its number decides all of its bytes, so a reader can tell what was sent from what was not.
enum TestRecord {
  static func bytes(_ number: UInt64) -> [UInt8] {
    let size = [0, 3, 90, 600, 1500][Int(number % 5)]
    var bytes: [UInt8] = []
    bytes.appendInteger(number)
    bytes.append(contentsOf: [UInt8](repeating: UInt8(truncatingIfNeeded: number &* 151), count: size))
    return bytes
  }

  /// The number of the record with these bytes, or nil when no record has them.
  static func number(_ payload: UnsafeRawBufferPointer) -> UInt64? {
    guard payload.count >= 8 else { return nil }
    let number = UInt64(littleEndian: payload.loadUnaligned(as: UInt64.self))
    return bytes(number).withUnsafeBytes { sameBytes($0, payload) } ? number : nil
  }
}

/// Whether two buffers hold the same bytes.
func sameBytes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
  left.count == right.count && Checksum.of(left) == Checksum.of(right)
}

/// An engine that keeps numbers: a head, a frozen head, and parts.
final class TestEngine: JournalParticipant {
  struct State {
    var head: [UInt64] = []
    var frozen: [UInt64]?
    var parts: [PartID: [UInt64]] = [:]
    var invented = 0
    var replayed: [UInt64] = []
    var failsToPublish = false
  }

  struct PublishFailure: Error {}

  let state = Lock(State())
  let recordKinds = [LogRecordKind.series(1)]
  private let folder: PartsFolder

  init(_ data: DataFolder) throws {
    folder = data.parts
    let records = try data.catalog.list(.series)
    for record in records { try load(record) }
  }

  func load(_ record: PartRecord) throws {
    let reader = try folder.open(record)
    try reader.verify()
    let rows = try reader.file("rows")
    let location = BlockLocation(offset: 0, length: UInt32(rows.size))
    let bytes = try rows.read(location, kind: 7).bytes
    let numbers = try bytes.withUnsafeBytes { buffer in
      var input = ByteReader(buffer)
      var numbers: [UInt64] = []
      while input.remaining > 0 { numbers.append(try input.read()) }
      return numbers
    }
    state.withLock { $0.parts[record.id] = numbers }
  }

  /// All numbers that a query would see, sorted; one that is twice is a bug.
  var all: [UInt64] {
    state.withLock { state in
      (state.head + (state.frozen ?? []) + state.parts.values.flatMap { $0 }).sorted()
    }
  }

  func replay(_ kind: LogRecordKind, _ payload: UnsafeRawBufferPointer) throws {
    state.withLock { state in
      guard let number = TestRecord.number(payload) else {
        state.invented += 1
        return
      }
      state.head.append(number)
      state.replayed.append(number)
    }
  }

  func freeze() {
    state.withLock { state in
      state.frozen = state.head
      state.head = []
    }
  }

  func writeFrozen(to parts: PartsFolder) throws -> [PartRecord] {
    guard let frozen = state.withLock({ $0.frozen }), !frozen.isEmpty else { return [] }
    let writer = try parts.makePart()
    do {
      var bytes: [UInt8] = []
      for number in frozen { bytes.appendInteger(number) }
      _ = try writer.makeFile("rows").append(bytes, kind: 7)
      return [
        try writer.finish(
          PartSummary(
            kind: .series, format: 1, partition: 0, level: 0, rows: UInt64(frozen.count), groups: 1, minTime: 0,
            maxTime: Int64(frozen.count)))
      ]
    } catch {
      writer.discard()
      throw error
    }
  }

  func publishFrozen(_ records: [PartRecord]) throws {
    let fails = state.withLock { state in
      defer { state.failsToPublish = false }
      return state.failsToPublish
    }
    if fails { throw PublishFailure() }
    for record in records { try load(record) }
    state.withLock { $0.frozen = nil }
  }
}

/// A data folder on a simulated disk, with an engine and a journal that is driven by hand.
final class Machine {
  let disk: FaultyFileSystem
  /// Unused where the catalog is in SQLite.
  let catalog: MemoryCatalog
  let folder: DataFolder
  let engine: TestEngine
  let journal: Journal
  let report: ReplayReport
  let clock: ManualClock

  /// A machine whose catalog is in memory or, where none is given, in SQLite on the same disk.
  init(
    _ disk: FaultyFileSystem, _ catalog: MemoryCatalog?, durability: Durability = .fsync, segmentBytes: UInt64 = 4096,
    watched: WatchedFileSystem? = nil
  ) throws {
    self.disk = disk
    self.catalog = catalog ?? MemoryCatalog()
    clock = ManualClock()
    folder = try DataFolder.open(
      "/data", on: watched ?? disk, random: SeededRandomSource(seed: 5), holder: "a test",
      openCatalog: { (path) throws(CatalogError) in
        guard let catalog else { return try SimulatedSQLite.open(path, on: disk) }
        guard path == "/data/catalog.sqlite" else { return try FileCatalog(path: path, on: disk) }
        return try catalog.placed(at: path, on: disk)
      })
    engine = try TestEngine(folder)
    let options = JournalOptions(durability: durability, segmentBytes: segmentBytes, commitsOnOwnThread: false)
    (journal, report) = try folder.startJournal(participants: [engine], clock: clock, options: options)
  }

  /// Logs a record and applies it.
  func append(_ number: UInt64) throws -> LogPosition {
    try journal.append { transaction in
      try transaction.log(.series(1), TestRecord.bytes(number))
      engine.state.withLock { $0.head.append(number) }
    }.position
  }
}

/// What was sent to a machine and what it acknowledged, over all its lives.
struct History {
  var next: UInt64 = 1
  var sent: Set<UInt64> = []
  var acknowledged: Set<UInt64> = []
  private var waiting: [(position: LogPosition, number: UInt64)] = []

  /// Appends one record; nil when it was refused.
  mutating func append(to machine: Machine) -> JournalError? {
    do {
      let number = next
      next += 1
      // What is refused must not be there later either, but only what was tried may be.
      let position = try machine.append(number)
      sent.insert(number)
      waiting.append((position, number))
      return nil
    } catch {
      return error as? JournalError
    }
  }

  /// Takes in what the journal promises now.
  mutating func settle(_ machine: Machine) {
    let durable = machine.journal.durablePosition
    for entry in waiting where entry.position <= durable { acknowledged.insert(entry.number) }
    waiting.removeAll { $0.position <= durable }
  }

  /// Forgets what was never acknowledged before a crash.
  mutating func crash() { waiting = [] }

  /// What is wrong with what a machine has, in words; nil when nothing is.
  func judge(_ machine: Machine) -> String? {
    let all = machine.engine.all
    if Set(all).count != all.count { return "something is there twice: \(all)" }
    let lost = acknowledged.subtracting(all)
    if !lost.isEmpty { return "acknowledged and lost: \(lost.sorted()), there: \(all)" }
    let invented = Set(all).subtracting(sent)
    if !invented.isEmpty { return "never sent: \(invented.sorted())" }
    let state = machine.engine.state.withLock { $0 }
    if state.invented > 0 { return "\(state.invented) records with wrong bytes" }
    if state.replayed != state.replayed.sorted() { return "replayed out of order: \(state.replayed)" }
    return nil
  }
}
