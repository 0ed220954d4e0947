import NeedletailBlocks
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("The engine answers as the naive model does")
struct SeriesModelTests {
  static let tenants = [TenantID.default, TenantID("other") ?? .default]

  /// Deletes something at random of the engine and of the model; at times the parts are rewritten at once.
  static func delete(
    _ machine: SeriesMachine, _ model: inout SeriesModel, _ generator: inout TelemetryGenerator
  ) throws {
    let tenant = generator.pick(tenants)
    var matchers = [try generator.matcher()]
    if generator.oneIn(2) { matchers.append(try generator.matcher()) }
    let times = [
      RandomBatch.time(&generator, machine.nowMilliseconds), RandomBatch.time(&generator, machine.nowMilliseconds),
    ].sorted()
    let range = try #require(TimeRange(startMilliseconds: times[0], endMilliseconds: times[1]))
    _ = try machine.engine.delete(tenant: tenant, matchers, range)
    model.delete(tenant, matchers, range)
    if generator.oneIn(4) { _ = try machine.engine.cleanTombstones() }
  }

  /// Asks the engine and the model the same random questions.
  static func check(
    _ machine: SeriesMachine, _ model: SeriesModel, _ generator: inout TelemetryGenerator, questions: Int,
    _ comment: Comment
  ) throws {
    for question in 0..<questions {
      let tenant = generator.pick(tenants)
      var matchers: [LabelMatcher] = []
      var range = TimeRange.all
      if question > 0 {
        for _ in 0..<generator.int(0...3) { matchers.append(try generator.matcher()) }
        let times = [
          RandomBatch.time(&generator, machine.nowMilliseconds), RandomBatch.time(&generator, machine.nowMilliseconds),
        ].sorted()
        range = try #require(TimeRange(startMilliseconds: times[0], endMilliseconds: times[1]))
      }
      var cursor = try machine.engine.select(tenant: tenant, matchers, range)
      let answer = try #require(try Answer(&cursor), comment)
      #expect(cursor.damages.isEmpty, comment)
      #expect(answer == model.answer(tenant, matchers, range), comment)
    }
  }

  @Test(
    "appends, flushes, deletions, merges, reopenings and crashes in any order give the model's answers",
    arguments: 1...24)
  func randomLives(seed: Int) async throws {
    let comment: Comment = "seed \(seed)"
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var model = SeriesModel()
    var machine = try SeriesMachine(FaultyFileSystem(seed: UInt64(seed)))
    for _ in 0..<40 {
      switch generator.int(0...13) {
      case 0...5:
        guard
          let random = RandomBatch(
            &generator, tenant: generator.pick(Self.tenants), now: machine.nowMilliseconds, onto: model)
        else { continue }
        _ = try await machine.append(random.batch, random.definitions)
        model = random.model
      case 6, 9: _ = try machine.journal.flush()
      case 10: _ = try machine.engine.mergeParts()
      case 11, 12: try Self.delete(machine, &model, &generator)
      case 7: machine = try machine.reopen()
      case 8:
        machine = try machine.crash(generator.pick(CrashSurvival.allCases))
        #expect(machine.report.damages.isEmpty, comment)
      default:
        try Self.check(machine, model, &generator, questions: 4, comment)
        try DigestModel(model).check(machine.engine, comment)
      }
    }
    try Self.check(machine, model, &generator, questions: 12, comment)
    try DigestModel(model).check(machine.engine, comment)
    _ = try machine.journal.flush()
    try Self.check(machine, model, &generator, questions: 12, comment)
    try DigestModel(model).check(machine.engine, comment)
    _ = try machine.engine.mergeParts()
    try Self.check(machine, model, &generator, questions: 12, comment)
    try DigestModel(model).check(machine.engine, comment)
    machine = try machine.reopen()
    try Self.check(machine, model, &generator, questions: 4, comment)
    try DigestModel(model).check(machine.engine, comment)
    _ = try machine.engine.cleanTombstones()
    try DigestModel(model).check(machine.engine, comment)
  }

  @Test("a power cut at any call loses nothing acknowledged and tears no batch", arguments: 1...60)
  func powerCut(seed: Int) async throws {
    let comment: Comment = "seed \(seed)"
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 1_000_000)
    var machine = try SeriesMachine(FaultyFileSystem(seed: UInt64(seed)))
    machine.disk.powerOff(atCall: machine.disk.callCount + generator.int(1...120))
    var model = SeriesModel()
    var maybe: SeriesModel?
    for step in 0..<60 where maybe == nil {
      let tenant = generator.pick(Self.tenants)
      guard let random = RandomBatch(&generator, tenant: tenant, now: machine.nowMilliseconds, onto: model) else {
        continue
      }
      do {
        _ = try await machine.append(random.batch, random.definitions)
        model = random.model
        if step % 5 == 4 { _ = try machine.journal.flush() }
        if step % 10 == 9 { _ = try machine.engine.mergeParts() }
      } catch is SeriesEngineError {
        maybe = random.model
      } catch {
        maybe = model
      }
    }
    machine = try machine.crash(generator.pick(CrashSurvival.allCases))
    var tenantAnswers: [Answer] = []
    for tenant in Self.tenants {
      var cursor = try machine.engine.select(tenant: tenant, [], .all)
      tenantAnswers.append(try #require(try Answer(&cursor), comment))
      #expect(cursor.damages.isEmpty, comment)
    }
    let without = Self.tenants.map { model.answer($0, [], .all) }
    let with = maybe.map { maybe in Self.tenants.map { maybe.answer($0, [], .all) } }
    #expect(tenantAnswers == without || tenantAnswers == with, comment)
  }

  @Test("labels, values and series come from the index as from the model", arguments: 1...12)
  func indexAnswers(seed: Int) async throws {
    let comment: Comment = "seed \(seed)"
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 2_000_000)
    let machine = try SeriesMachine(FaultyFileSystem(seed: UInt64(seed)))
    var model = SeriesModel()
    for step in 0..<8 {
      let tenant = generator.pick(Self.tenants)
      guard let random = RandomBatch(&generator, tenant: tenant, now: machine.nowMilliseconds, onto: model) else {
        continue
      }
      _ = try await machine.append(random.batch, random.definitions)
      model = random.model
      if step == 3 { _ = try machine.journal.flush() }
    }
    for tenant in Self.tenants {
      let matchers = [try generator.matcher()]
      let expected = model.answer(tenant, matchers, .all)
      let sets = Set(expected.samples.keys).union(expected.histograms.keys)
      let found = try machine.engine.series(tenant: tenant, matchers, .all)
      #expect(Set(found.elements) == sets, comment)
      #expect(found.elements.count == sets.count, comment)
      let names = try machine.engine.labelNames(tenant: tenant, matchers, .all)
      #expect(Set(names.elements) == Set(sets.flatMap { $0.labels.map(\.name) }), comment)
      let values = try machine.engine.labelValues(tenant: tenant, name: "job", matchers, .all)
      #expect(Set(values.elements) == Set(sets.compactMap { $0["job"] }), comment)
      #expect(values.elements == values.elements.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }, comment)
    }
  }

  @Test("a replay of records that are there already changes nothing", arguments: 1...6)
  func replayTwice(seed: Int) async throws {
    let comment: Comment = "seed \(seed)"
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 3_000_000)
    let machine = try SeriesMachine(FaultyFileSystem(seed: UInt64(seed)))
    var model = SeriesModel()
    for _ in 0..<6 {
      let now = machine.nowMilliseconds
      guard let random = RandomBatch(&generator, tenant: .default, now: now, onto: model) else { continue }
      _ = try await machine.append(random.batch, random.definitions)
      model = random.model
      var bounded = ByteWriter()
      bounded.append(Int64.min)
      bounded.append(now + 600_000)
      bounded.append(random.batch.frame.bytes)
      for (kind, bytes) in [
        (SeriesEngine.definitionsKind, random.definitions.frame.bytes),
        (SeriesEngine.boundedBatchKind, bounded.bytes),
      ] { try bytes.withUnsafeBytes { try machine.engine.replay(kind, $0) } }
    }
    try Self.check(machine, model, &generator, questions: 4, comment)
  }
}
