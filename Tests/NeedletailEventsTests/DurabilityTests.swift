import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailEvents

@Suite("Events survive") struct DurabilityTests {
  private func records(_ range: Range<Int>, at time: Int64 = now) -> [(EventStream, LogRecord)] {
    range.map { index in
      (EventStream(), LogRecord(timeNanoseconds: time - Int64(index), body: .string("line \(index)")))
    }
  }

  private func bodies(_ machine: EventMachine) throws -> [String] {
    try machine.logs.selectLogs(EventQuery(tenant: .default)).all().map(\.record.body.text).sorted()
  }

  @Test("What was acknowledged is there, once, after any crash", arguments: 1...8 as ClosedRange<UInt64>)
  func crash(seed: UInt64) async throws {
    var generator = EventGenerator(seed: seed)
    var machine = try EventMachine(FaultyFileSystem(seed: seed), MemoryCatalog())
    var acknowledged: Set<String> = []
    var tried: Set<String> = []
    var next = 0
    for _ in 0..<6 {
      machine.disk.powerOff(atCall: machine.disk.callCount + Int.random(in: 1...60, using: &generator.random))
      for _ in 0..<5 {
        let range = next..<(next + Int.random(in: 1...20, using: &generator.random))
        next = range.upperBound
        let names = range.map { "line \($0)" }
        tried.formUnion(names)
        do {
          _ = try await machine.logs.append(try makeBatch(records(range)))
          acknowledged.formUnion(names)
          if generator.chance(2) { try machine.flush() }
        } catch {
          break
        }
      }
      machine = try machine.crashed(generator.pick(CrashSurvival.allCases))
      let found = try bodies(machine)
      #expect(Set(found).count == found.count)
      #expect(acknowledged.isSubset(of: found))
      #expect(Set(found).isSubset(of: tried))
      // What survived by luck may not vanish later either, once it was seen after a restart.
      acknowledged = Set(found)
    }
  }

  @Test("A batch that is sent again is counted as duplicate, and is there once before and after flush and replay")
  func duplicates() async throws {
    var machine = try EventMachine()
    let batch = try makeBatch(records(0..<10))
    #expect(try await machine.logs.append(batch) == EventAppendOutcome(accepted: 10))
    #expect(try await machine.logs.append(batch) == EventAppendOutcome(duplicates: 10))
    #expect(try bodies(machine).count == 10)
    machine = try machine.reopened()
    #expect(machine.logs.statistics.replayedRows == 10)
    #expect(try await machine.logs.append(batch) == EventAppendOutcome(duplicates: 10))
    #expect(try bodies(machine).count == 10)
    try machine.flush()
    _ = try await machine.logs.append(batch)
    #expect(try bodies(machine).count == 10)
    try machine.flush()
    #expect(machine.logs.statistics.parts == 2)
    #expect(try bodies(machine).count == 10)
    machine = try machine.reopened()
    #expect(try bodies(machine).count == 10)
  }

  @Test("Rows too old or too new are refused and counted, and stay refused after a replay")
  func bounds() async throws {
    let options = EventEngineOptions(retentionNanoseconds: 2 * day, futureNanosecondsMax: hour)
    var machine = try EventMachine(options: options)
    let batch = try makeBatch(
      records(0..<2) + records(10..<13, at: now - 3 * day) + records(20..<21, at: now + 2 * hour))
    let outcome = EventAppendOutcome(accepted: 2, tooOld: 3, tooNew: 1)
    #expect(try await machine.logs.append(batch) == outcome)
    machine.clock.advance(nanoseconds: 5 * hour)
    machine = try machine.reopened()
    #expect(try bodies(machine) == ["line 0", "line 1"])
    let refused = try makeBatch(records(30..<31, at: now - 9 * day))
    #expect(try await machine.logs.append(refused) == EventAppendOutcome(tooOld: 1))
    machine = try machine.reopened()
    #expect(machine.report.records == 1)
  }

  @Test("A flush makes a part for each day, and retention drops whole parts, also for good")
  func retention() async throws {
    let options = EventEngineOptions(retentionNanoseconds: 3 * day)
    var machine = try EventMachine(options: options)
    for age in 0..<3 as Range<Int64> {
      _ = try await machine.logs.append(try makeBatch(records(0..<5, at: now - age * day), id: UInt64(age)))
    }
    try machine.flush()
    #expect(machine.logs.statistics.parts == 3)
    let parts = try machine.catalog.list(.logs)
    #expect(Set(parts.map(\.summary.partition)).count == 3)
    #expect(try machine.logs.enforceRetention(now: now) == 0)
    let scan = try machine.logs.selectLogs(EventQuery(tenant: .default))
    #expect(try machine.logs.enforceRetention(now: now + 1000 * day) == 0, "the clock is ahead of all events")
    machine.clock.advance(nanoseconds: 2 * day + hour)
    _ = try await machine.logs.append(try makeBatch(records(0..<1, at: now + 2 * day + hour), id: 9))
    try machine.flush()
    machine.catalog.failNextCommit(.before)
    #expect(throws: EventEngineError.self) { try machine.logs.enforceRetention(now: now + 2 * day + hour) }
    #expect(machine.logs.statistics.parts == 4)
    machine.catalog.failNextCommit(.after)
    #expect(try machine.logs.enforceRetention(now: now + 2 * day + hour) == 2, "the commit's answer was lost")
    #expect(try scan.all().count == 15, "a query that had begun goes on")
    #expect(try bodies(machine).count == 6)
    machine = try machine.reopened()
    #expect(try bodies(machine).count == 6)
  }

  @Test("A batch of the other kind, or with a malformed row, is refused whole")
  func refusals() async throws {
    let machine = try EventMachine()
    let spans = try makeBatch([
      (
        EventStream(),
        SpanRecord(
          traceID: TraceID(high: 1, low: 1), spanID: SpanID(1), name: "", startNanoseconds: 0, endNanoseconds: 0)
      )
    ])
    await #expect(throws: EventEngineError.self) { try await machine.logs.append(spans) }
    var builder = EventBatchBuilder(kind: .logs, tenant: .default)
    builder.append(LogRecord(timeNanoseconds: now, body: .string("good")), stream: builder.stream(EventStream()))
    builder.row.time = now
    builder.body.append(UInt8(99))
    builder.endRow()
    let bad = try required(builder.build(batchID: Hash128(high: 0, low: 9)))
    await #expect(throws: EventEngineError.self) { try await machine.logs.append(bad) }
    #expect(try bodies(machine).isEmpty)
  }

  @Test("After a flipped bit anywhere in a part a scan is whole, or names what it lacks and invents nothing")
  func damage() async throws {
    let machine = try EventMachine()
    var generator = EventGenerator(seed: 11)
    let logs = (0..<300).map { _ in (generator.stream(), generator.log()) }
    _ = try await machine.logs.append(try makeBatch(logs))
    try machine.flush()
    let part = try required(try machine.catalog.list(.logs).first)
    let expected = try machine.logs.selectLogs(EventQuery(tenant: .default)).all().map(\.record)
    var detected = 0
    for file in ["data", "directory", "header"] {
      let path = machine.folder.parts.path(of: part.id) + "/" + file
      let size = Int(try required(try machine.disk.status(path)).size)
      for _ in 0..<60 {
        let disk = machine.disk.copy(seed: 1)
        disk.flip(
          path, byte: Int.random(in: 0..<size, using: &generator.random),
          bit: Int.random(in: 0..<8, using: &generator.random))
        let folder = PartsFolder(path: machine.folder.parts.path, fileSystem: disk, nextID: PartID(99))
        let engine = try EventEngine(kind: .logs, catalog: machine.catalog, parts: folder, clock: machine.clock)
        let scan = try engine.selectLogs(EventQuery(tenant: .default))
        let found = try scan.all().map(\.record)
        guard found != expected else { continue }
        #expect(Self.isSubsequence(found, of: expected))
        guard case .damaged? = scan.damages.first else {
          Issue.record("\(scan.damages)")
          continue
        }
        detected += 1
      }
    }
    #expect(detected > 100)
  }

  private static func isSubsequence(_ some: [LogRecord], of all: [LogRecord]) -> Bool {
    var rest = some[...]
    for record in all where record == rest.first { rest.removeFirst() }
    return rest.isEmpty
  }

  @Test(
    "A damaged block costs its own events alone, also where only what is read last of it is damaged, and copies serve")
  func damagedBlock() async throws {
    let machine = try EventMachine()
    func lines(_ numbers: Range<Int>) -> [(EventStream, LogRecord)] {
      numbers.map { (EventStream(), LogRecord(timeNanoseconds: now - Int64($0), body: .string("line \($0)"))) }
    }
    for (id, numbers) in [0..<10, 10..<20, 20..<30, 15..<20].enumerated() {
      _ = try await machine.logs.append(try makeBatch(lines(numbers), id: UInt64(id)))
      try machine.flush()
    }
    let damaged = try required(try machine.catalog.list(.logs).first { $0.summary.maxTime == now - 10 })
    let part = try required(machine.logs.state.withLock { $0.parts.first { $0.record.id == damaged.id } })
    for group in [ColumnGroup.core, .bodies] {
      let disk = machine.disk.copy(seed: 1)
      let location = try required(part.directory.blocks.first).locations[group.position]
      disk.flip(machine.folder.parts.path(of: damaged.id) + "/data", byte: Int(location.offset) + 30, bit: 1)
      let folder = PartsFolder(path: machine.folder.parts.path, fileSystem: disk, nextID: PartID(99))
      let engine = try EventEngine(kind: .logs, catalog: machine.catalog, parts: folder, clock: machine.clock)
      for direction in [EventDirection.oldestFirst, .newestFirst] {
        let scan = try engine.selectLogs(EventQuery(tenant: .default, direction: direction))
        let found = try scan.all(page: 7).map { try required(Int($0.record.body.text.dropFirst(5))) }
        let expected = Array(0..<10) + Array(15..<30)
        #expect(found == (direction == .newestFirst ? expected : expected.reversed()), "\(group) \(direction)")
        #expect(scan.damages.count == 1 && "\(scan.damages)".contains(damaged.id.folderName), "\(scan.damages)")
      }
      let levels = try engine.labelValues("level", tenant: .default)
      #expect(levels.elements == ["unknown"] && levels.damages.count == (group == .core ? 1 : 0))
    }
  }

  @Test("A flush that fails keeps the events, and the next one writes them")
  func failedFlush() async throws {
    let machine = try EventMachine()
    _ = try await machine.logs.append(try makeBatch(records(0..<10)))
    machine.catalog.failNextCommit(.before)
    #expect(throws: (any Error).self) { try machine.flush() }
    #expect(try bodies(machine).count == 10)
    _ = try await machine.logs.append(try makeBatch(records(5..<15)))
    #expect(try bodies(machine).count == 15)
    try machine.flush()
    #expect(try bodies(machine).count == 15)
    #expect(machine.logs.statistics.headRows == 0 && machine.logs.statistics.frozenRows == 0)
  }

  @Test("A part that cannot be read is reported, and named by queries of its time alone")
  func unreadable() async throws {
    let machine = try EventMachine()
    for age in 0..<2 as Range<Int64> {
      _ = try await machine.logs.append(try makeBatch(records(0..<5, at: now - age * day), id: UInt64(age)))
    }
    try machine.flush()
    let old = try required(try machine.catalog.list(.logs).min { $0.summary.minTime < $1.summary.minTime })
    machine.disk.flip(machine.folder.parts.path(of: old.id) + "/directory", byte: 40, bit: 3)
    let options = EventEngineOptions(retentionNanoseconds: day)
    let engine = try EventEngine(
      kind: .logs, catalog: machine.catalog, parts: machine.folder.parts, options: options, clock: machine.clock)
    #expect(engine.unreadableParts.map(\.record) == [old])
    #expect(engine.statistics.unreadableParts == 1)
    let recent = try required(EventTimeRange(startNanoseconds: now - hour, endNanoseconds: now))
    #expect(try engine.selectLogs(EventQuery(tenant: .default, range: recent)).all().count == 5)
    #expect(try engine.selectLogs(EventQuery(tenant: .default)).damages.count == 1)
    #expect(engine.labelNames(tenant: .default).damages.count == 1)
    #expect(engine.labelNames(tenant: .default, range: recent).damages.isEmpty)
    #expect(engine.streams(tenant: .default).damages.count == 1)
    #expect(try engine.enforceRetention(now: now + hour) == 1)
    #expect(try engine.selectLogs(EventQuery(tenant: .default)).all().count == 5)
  }

  @Test(
    "Merging changes no answer, drops copies, and holds whatever the commit's answer was",
    arguments: [nil, false, true])
  func merge(losesAnswer: Bool?) async throws {
    var generator = EventGenerator(seed: 31)
    var machine = try EventMachine()
    var sent: [(EventStream, LogRecord)] = []
    for step in 0..<9 {
      var entries = (0..<40).map { _ in (generator.stream(), generator.log()) }
      if !sent.isEmpty { entries += (0..<5).map { _ in generator.pick(sent) } }
      sent += entries
      _ = try await machine.logs.append(try makeBatch(entries, id: UInt64(step)))
      try machine.flush()
    }
    let query = EventQuery(tenant: .default, matchers: [try LabelMatcher("service_name", .notEqual, "cart")])
    let before = try machine.logs.selectLogs(query).all().map(\.record)
    let partsBefore = machine.logs.statistics.parts
    let scan = try machine.logs.selectLogs(query)
    if let losesAnswer {
      machine.catalog.failNextCommit(losesAnswer ? .after : .before)
      if losesAnswer {
        #expect(try machine.logs.mergeParts() > 0)
      } else {
        #expect(throws: EventEngineError.self) { try machine.logs.mergeParts() }
        #expect(machine.logs.statistics.parts == partsBefore)
        #expect(try machine.logs.mergeParts() > 0)
      }
    } else {
      #expect(try machine.logs.mergeParts() > 0)
    }
    #expect(machine.logs.statistics.parts < partsBefore)
    #expect(try scan.all().map(\.record) == before)
    #expect(try machine.logs.selectLogs(query).all().map(\.record) == before)
    #expect(try machine.logs.mergeParts() == 0)
    machine = try machine.reopened()
    #expect(try machine.logs.selectLogs(query).all().map(\.record) == before)
    #expect(machine.logs.statistics.partRemovalFailures == 0)
  }
}
