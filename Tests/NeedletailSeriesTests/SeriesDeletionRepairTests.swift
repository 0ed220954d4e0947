import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailSeries

@Suite("Deletions and a lost catalog")
struct SeriesDeletionRepairTests {
  private let m0 = [LabelMatcher("__name__", equals: "m0")]

  private func append(_ machine: SeriesMachine, at time: Int64) async throws {
    var builder = SeriesBatchBuilder()
    var definitions = SeriesDefinitionsBuilder()
    for index in 0..<4 {
      let labels = LabelSet(["__name__": "m\(index % 2)", "i": "\(index)"])
      let id = SeriesID(labels, tenant: .default)
      definitions.append(id, labels: labels)
      builder.beginSeries(id)
      builder.append(timestamp: time, valueBits: 1)
    }
    let batch = builder.build(tenant: .default, batchID: Hash128(high: 1, low: UInt64(time)))
    _ = try await machine.append(try #require(batch), definitions.build(tenant: .default))
  }

  /// The samples of each metric.
  private func counts(_ machine: SeriesMachine) throws -> [String: Int] {
    var cursor = try machine.engine.select(tenant: .default, [], .all)
    let answer = try #require(try Answer(&cursor))
    #expect(cursor.damages.isEmpty)
    return answer.samples.reduce(into: [:]) { $0[$1.key["__name__"] ?? "", default: 0] += $1.value.count }
  }

  /// The machine after its catalog and its mirror were lost and made anew, as a repair makes it.
  private func repaired(_ disk: FaultyFileSystem, clock: ManualClock, options: SeriesEngineOptions) throws
    -> SeriesMachine
  {
    if try disk.status("/data/catalog.mirror") != nil { try disk.remove("/data/catalog.mirror") }
    let inspector = StorageInspector(
      "/data", on: disk, isInUse: false, openCatalog: { _ throws(CatalogError) in MemoryCatalog() })
    let survey = try inspector.survey()
    let verification = try inspector.verify(survey, check: { SeriesPartCheck.damage($0, in: $1) })
    let plan = StorageRepairPlan(survey, verification, freshID: "", removesLeftovers: false)
    let catalog = MemoryCatalog()
    for case .rebuildCatalog(_, let identity, let parts, let tombstones, let flushedThrough) in plan.steps {
      try catalog.commit(
        adding: parts, removing: [], flushedThroughGeneration: flushedThrough, tombstones: tombstones)
      try catalog.set(.folderID, to: identity.id)
      try catalog.set(.slotCount, to: String(identity.slotCount))
      try catalog.set(.layoutVersion, to: "1")
    }
    return try SeriesMachine(disk, catalog, clock: clock, options: options)
  }

  /// So many parts of a day, and a head.
  private func machine(parts: Int64 = 2) async throws -> SeriesMachine {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1))
    for second in 0...parts {
      try await append(machine, at: machine.nowMilliseconds - second * 1000)
      if second < parts { _ = try machine.journal.flush() }
    }
    return machine
  }

  /// What a server finds when this disk's machine is killed now, and its catalog lost.
  private func countsAfterKill(_ machine: SeriesMachine) throws -> [String: Int] {
    let next = try repaired(machine.disk.copy(seed: 7), clock: machine.clock, options: machine.engine.options)
    defer {
      next.journal.close()
      next.engine.stop()
    }
    return try counts(next)
  }

  @Test(
    "what was deleted stays so, or was never acknowledged, wherever the power was cut and the catalog lost",
    arguments: CrashSurvival.allCases)
  func powerCut(survival: CrashSurvival) async throws {
    let origin = try await machine()
    origin.journal.close()
    origin.engine.stop()
    var call = 0
    var isCut = true
    while isCut {
      let machine = try SeriesMachine(origin.disk.copy(seed: UInt64(call)), origin.catalog.copy())
      machine.disk.powerOff(atCall: machine.disk.callCount + call)
      isCut = (try? machine.engine.delete(tenant: .default, m0, .all)) == nil
      machine.engine.stop()
      let next = try repaired(machine.disk.crash(survival), clock: machine.clock, options: machine.engine.options)
      let left = try counts(next)
      #expect(left["m1"] == 6, "call \(call): \(left)")
      // A deletion that was cut off may have reached some of the parts.
      if isCut {
        #expect((left["m0"] ?? 0) % 2 == 0, "call \(call)")
      } else {
        #expect(left["m0"] == nil, "call \(call)")
      }
      call += 1
    }
    #expect(call > 12)
  }

  @Test("a merge that was handed a deletion down keeps it beside the new part, and one that applied it needs none")
  func merges() async throws {
    let machine = try await machine()
    _ = try machine.journal.flush()
    let engine = machine.engine
    let old = engine.state.withLock { $0.parts }
    // What a merge does that was under way when the deletion came.
    let record = try SeriesPartMerge.merge(old, [:], options: engine.options, slots: engine.slots, to: engine.folder)
    try engine.delete(tenant: .default, m0, .all)
    let new = try SeriesPart(try #require(record), in: engine.folder)
    #expect(try countsAfterKill(machine) == ["m1": 6])
    try engine.replacing.withLock { _ in try engine.commit(new, for: Set(old.map(\.record.id)), applied: [:]) }
    for part in old { try engine.folder.remove(part.record.id) }
    machine.journal.close()
    engine.stop()
    var next = try repaired(machine.disk.copy(seed: 2), clock: machine.clock, options: engine.options)
    #expect(try counts(next) == ["m1": 6])
    _ = try next.engine.cleanTombstones()
    #expect(try next.catalog.tombstones().isEmpty)
    let disk = next.disk
    #expect(!disk.calls.isEmpty)
    next.journal.close()
    next.engine.stop()
    next = try repaired(disk.copy(seed: 3), clock: machine.clock, options: engine.options)
    #expect(try counts(next) == ["m1": 6])
    #expect(try next.catalog.tombstones().isEmpty)
  }

  @Test(
    "a deletion that came while a merge ran stays wherever the power is cut in the merge's commit",
    arguments: CrashSurvival.allCases)
  func powerCutInCommit(survival: CrashSurvival) async throws {
    var call = 0
    var isCut = true
    while isCut {
      let machine = try await machine()
      _ = try machine.journal.flush()
      let engine = machine.engine
      let old = engine.state.withLock { $0.parts }
      let record = try SeriesPartMerge.merge(old, [:], options: engine.options, slots: engine.slots, to: engine.folder)
      try engine.delete(tenant: .default, m0, .all)
      let new = try SeriesPart(try #require(record), in: engine.folder)
      machine.disk.powerOff(atCall: machine.disk.callCount + call)
      do {
        try engine.replacing.withLock { _ in try engine.commit(new, for: Set(old.map(\.record.id)), applied: [:]) }
        for part in old { try engine.folder.remove(part.record.id) }
        isCut = false
      } catch {}
      engine.stop()
      let next = try repaired(machine.disk.crash(survival), clock: machine.clock, options: engine.options)
      #expect(try counts(next) == ["m1": 6], "call \(call)")
      call += 1
    }
    #expect(call > 20)
  }

  @Test(
    "what was deleted stays so wherever the power is cut while parts are merged, read, deleted from and rewritten",
    arguments: CrashSurvival.allCases)
  func powerCutInMerges(survival: CrashSurvival) async throws {
    let origin = try await machine(parts: 3)
    origin.journal.close()
    origin.engine.stop()
    var call = 0
    var isDone = false
    while !isDone {
      let machine = try SeriesMachine(origin.disk.copy(seed: UInt64(call)), origin.catalog.copy())
      machine.disk.powerOff(atCall: machine.disk.callCount + call)
      var isDeleted = false
      do {
        // A query that holds the parts which the merge replaces.
        let cursor = try machine.engine.select(tenant: .default, [], .all)
        defer { withExtendedLifetime(cursor) {} }
        _ = try machine.engine.mergeParts()
        try machine.engine.delete(tenant: .default, m0, .all)
        isDeleted = true
        _ = try machine.engine.cleanTombstones()
        isDone = true
      } catch {}
      machine.engine.stop()
      let next = try repaired(machine.disk.crash(survival), clock: machine.clock, options: machine.engine.options)
      let left = try counts(next)
      #expect(left["m1"] == 8, "call \(call): \(left)")
      if isDeleted { #expect(left["m0"] == nil, "call \(call)") }
      call += 1
    }
    #expect(call > 100)
  }

  @Test("a deletion is noted beside a part whose commit failed too, which a repair takes for one")
  func doubtful() async throws {
    let machine = try await machine()
    // Else the deletion's own flush would settle the matter.
    _ = try machine.journal.flush()
    machine.catalog.failNextCommit(.before)
    #expect(throws: SeriesMaintenanceError.self) { try machine.engine.mergeParts() }
    #expect(try countsAfterKill(machine) == ["m0": 6, "m1": 6])
    // The deletion's commit settles it, but cannot take the part away.
    machine.disk.fail(.rename, onPathsEnding: "/header", times: 100, number: 5)
    machine.disk.fail(.remove, times: 100, number: 5)
    try machine.engine.delete(tenant: .default, m0, .all)
    #expect(try countsAfterKill(machine) == ["m1": 6])
    machine.disk.stopFailing()
    #expect(try machine.engine.cleanTombstones() == 3)
    #expect(try countsAfterKill(machine) == ["m1": 6])
  }

  @Test("a deletion is not done for as long as a part that was replaced cannot lose its header")
  func condemned() async throws {
    let machine = try await machine(parts: 3)
    let engine = machine.engine
    machine.disk.fail(.rename, onPathsEnding: "/header", times: 100, number: 5)
    #expect(try engine.mergeParts() == 2)
    #expect(engine.statistics.partRemovalFailures == 3)
    #expect(throws: SeriesEngineError.self) { try engine.delete(tenant: .default, m0, .all) }
    machine.disk.stopFailing()
    try engine.delete(tenant: .default, m0, .all)
    #expect(try countsAfterKill(machine) == ["m1": 8])
  }

  @Test("a deletion is not done for as long as the log of what is in parts could come back")
  func flushedLog() async throws {
    let machine = try await machine()
    let engine = machine.engine
    machine.disk.fail(.remove, onPathsEnding: ".log", times: 100, number: 5)
    #expect(throws: SeriesEngineError.self) { try engine.delete(tenant: .default, m0, .all) }
    machine.disk.stopFailing()
    machine.disk.fail(.syncDirectory, onPathsEnding: "/log", number: 5)
    #expect(throws: SeriesEngineError.self) { try engine.delete(tenant: .default, m0, .all) }
    try engine.delete(tenant: .default, m0, .all)
    #expect(try engine.cleanTombstones() == 3)
    engine.stop()
    let next = try repaired(machine.disk.crash(.syncedOnly), clock: machine.clock, options: engine.options)
    #expect(try counts(next) == ["m1": 6])
  }
}
