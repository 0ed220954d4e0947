import NeedletailBlocks
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Descriptions of metrics")
struct MetricDescriptionTests {
  private typealias Model = [TenantID: [String: MetricMetadata]]

  private static let tenants = SeriesModelTests.tenants

  private static func description(_ generator: inout TelemetryGenerator) -> MetricMetadata {
    MetricMetadata(
      kind: generator.pick([.unknown, .counter, .gauge, .histogram]), unit: generator.pick(["", "", "s", "bytes"]),
      // The last two look alike and are not the same.
      help: generator.pick(["", "what it is", "what it was", "caf\u{e9}", "cafe\u{301}"]))
  }

  /// Some descriptions, with a sample or without anything.
  private static func append(
    _ machine: SeriesMachine, _ descriptions: [(String, MetricMetadata)], tenant: TenantID = .default,
    withSample: Bool = false
  ) async throws {
    var definitions = SeriesDefinitionsBuilder()
    var builder = SeriesBatchBuilder()
    for (name, description) in descriptions { definitions.append(metric: name, description) }
    if withSample {
      let labels = LabelSet(["__name__": "m"])
      definitions.append(SeriesID(labels, tenant: tenant), labels: labels)
      builder.beginSeries(SeriesID(labels, tenant: tenant))
      builder.append(timestamp: machine.nowMilliseconds, valueBits: 1)
    }
    let built = definitions.build(tenant: tenant)
    let batch = builder.build(tenant: tenant, batchID: Hash128(high: 1, low: 1)) ?? SeriesBatch.empty(tenant: tenant)
    _ = try await machine.append(try #require(batch), built)
  }

  private static func known(_ machine: SeriesMachine) -> Model {
    tenants.reduce(into: [:]) { model, tenant in
      let all = machine.engine.metadata(tenant: tenant).map { ($0.name, $0.metadata) }
      if !all.isEmpty { model[tenant] = Dictionary(uniqueKeysWithValues: all) }
    }
  }

  /// What the model's descriptions come to, by slot.
  private static func digests(_ model: Model) -> [RangeDigest] {
    var sums = [RangeDigest](repeating: RangeDigest(), count: SlotContentsTests.slots.count)
    for (tenant, all) in model {
      for (name, description) in all {
        let key = MetricMetadata.key(of: name, tenant: tenant)
        sums[Int(SlotContentsTests.slots.slot(of: key))].add(description.digest(of: key))
      }
    }
    return sums
  }

  private static func check(_ machine: SeriesMachine, _ model: Model, _ comment: Comment) throws {
    #expect(known(machine) == model, comment)
    let window = SlotWindow.timeless
    #expect(try machine.engine.digests(of: window...window).first?.digests ?? digests([:]) == digests(model), comment)
    for slot in 0..<UInt16(machine.engine.slotCount) {
      let told = try machine.engine.windowDigests(of: slot).filter { $0.window == window }
      let expected = digests(model)[Int(slot)]
      #expect(told.map(\.digest) == (expected.isEmpty ? [] : [expected]), comment)
    }
  }

  @Test("which description stays does not hang on the order, and one that says more stays", arguments: 1...20)
  func rule(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let all = (0..<5).map { _ in Self.description(&generator) }
    let winner = all.reduce(all[0], MetricMetadata.winner)
    #expect(all.contains(winner))
    #expect(all.reversed().reduce(all[2], MetricMetadata.winner) == winner)
    #expect(MetricMetadata.winner(all[0], all[0]) == all[0])
    for one in all {
      #expect(MetricMetadata.winner(one, winner) == winner && MetricMetadata.winner(winner, one) == winner)
    }
    let full = MetricMetadata(kind: .counter, unit: "s", help: "a")
    #expect(MetricMetadata.winner(full, MetricMetadata(kind: .stateset, help: "zzz")) == full)
  }

  @Test("an engine knows and tells those that the rule lets stay, whatever it goes through", arguments: 1...12)
  func lives(seed: Int) async throws {
    let comment: Comment = "seed \(seed)"
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 13_000_000)
    var machine = try SlotContentsTests.machine(seed)
    var model = Model()
    for _ in 0..<30 {
      switch generator.int(0...7) {
      case 0: _ = try machine.journal.flush()
      case 1: _ = try machine.engine.mergeParts()
      case 2: machine = try machine.crash(generator.pick(CrashSurvival.allCases))
      case 3: machine = try machine.reopen()
      default:
        let tenant = generator.pick(Self.tenants)
        let told = (0..<generator.int(1...3)).map { _ in
          (generator.pick(["a", "b", "c", "d"]), Self.description(&generator))
        }
        try await Self.append(machine, told, tenant: tenant, withSample: generator.oneIn(2))
        for (name, description) in told {
          model[tenant, default: [:]][name] =
            model[tenant]?[name].map { MetricMetadata.winner($0, description) } ?? description
        }
      }
      try Self.check(machine, model, comment)
    }
    #expect(machine.engine.statistics.metadataRefused == 0)
  }

  @Test("engines with different descriptions have the same once each gave the other what differs", arguments: 1...12)
  func exchanged(seed: Int) async throws {
    let comment: Comment = "seed \(seed)"
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 14_000_000)
    let machines = [try SlotContentsTests.machine(1), try SlotContentsTests.machine(2)]
    var model = Model()
    for _ in 0..<20 {
      let (tenant, name) = (generator.pick(Self.tenants), "metric \(generator.int(0...20))")
      let description = Self.description(&generator)
      let machine = generator.pick(machines)
      try await Self.append(machine, [(name, description)], tenant: tenant, withSample: generator.oneIn(4))
      model[tenant, default: [:]][name] =
        model[tenant]?[name].map { MetricMetadata.winner($0, description) } ?? description
      if generator.oneIn(5) { _ = try machine.journal.flush() }
    }
    #expect(try await exchange(machines[0], machines[1], bytesMax: generator.pick([1, 200, 1 << 20])) > 0, comment)
    for machine in machines {
      try Self.check(machine, model, comment)
      _ = try machine.journal.flush()
      try Self.check(try machine.crash(.syncedOnly), model, "\(comment), after a crash")
    }
    // One whose disk was lost.
    let empty = try SlotContentsTests.machine(3)
    try await exchange(empty, try machines[0].reopen())
    try Self.check(empty, model, comment)
    try Self.check(try empty.crash(.syncedOnly), model, comment)
  }

  @Test("descriptions of another slot are refused")
  func refused() async throws {
    let (machine, other) = (try SlotContentsTests.machine(1), try SlotContentsTests.machine(2))
    try await Self.append(machine, [("a", MetricMetadata(kind: .gauge, help: "b"))])
    let slot = SlotContentsTests.slots.slot(of: MetricMetadata.key(of: "a", tenant: .default))
    let export = try machine.engine.export(
      of: slot, window: SlotWindow.timeless, SlotExport.Request(.all), bytesMax: 1000)
    await #expect(throws: SlotContentsError.self) { try await other.store(export.payload, of: (slot + 1) % 3) }
    #expect(Self.known(other).isEmpty)
    try await other.store(export.payload, of: slot)
    #expect(Self.known(other) == Self.known(machine))
  }

  @Test("a head that has descriptions alone is flushed, merged and checked as others are")
  func alone() async throws {
    let machine = try SlotContentsTests.machine(1)
    let one = MetricMetadata(kind: .gauge, help: "one")
    for name in ["a", "b", "c"] {
      try await Self.append(machine, [(name, one)])
      _ = try machine.journal.flush()
    }
    #expect(machine.engine.partRecords.count == 3)
    for record in machine.engine.partRecords { #expect(record.summary.groups == 0 && record.summary.rows == 0) }
    let model: Model = [.default: ["a": one, "b": one, "c": one]]
    _ = try machine.engine.mergeParts()
    #expect(machine.engine.partRecords.count == 1)
    try Self.check(machine, model, "merged")
    #expect(try read(machine) == Answer())
    #expect(try machine.engine.series(tenant: .default, [], .all).elements.isEmpty)
    try Self.check(try machine.reopen(), model, "reopened")
    // It is no newer than the newest sample, from which retention counts back.
    let now = machine.nowMilliseconds
    let old = try DefinedBatch([LabelSet(["__name__": "m"])], time: now - 5 * 86_400_000)
    let second = try SlotContentsTests.machine(2)
    _ = try await second.append(old.batch, old.definitions)
    _ = try second.journal.flush()
    try await Self.append(second, [("a", one)])
    _ = try second.journal.flush()
    #expect(Set(second.engine.partRecords.map(\.summary.partition)).count == 1)
  }

  @Test("a power cut at any call loses no description that was acknowledged", arguments: CrashSurvival.allCases)
  func powerCut(survival: CrashSurvival) async throws {
    let one = MetricMetadata(kind: .gauge, help: "one")
    var call = 0
    var isCut = true
    while isCut {
      let machine = try SlotContentsTests.machine(call)
      try await Self.append(machine, [("a", one)])
      machine.disk.powerOff(atCall: machine.disk.callCount + call)
      _ = try? machine.journal.flush()
      isCut = (try? machine.disk.freeBytes("/data")) == nil
      let after = try machine.crash(survival)
      try Self.check(after, [.default: ["a": one]], "call \(call)")
      call += 1
    }
    #expect(call > 4)
  }

  @Test("what a damaged part had of descriptions is told to be lacking, and comes from another replica")
  func damage() async throws {
    let (machine, other) = (try SlotContentsTests.machine(1), try SlotContentsTests.machine(2))
    let one = MetricMetadata(kind: .gauge, help: "one")
    for replica in [machine, other] {
      try await Self.append(replica, [("a", one)], withSample: true)
      _ = try replica.journal.flush()
    }
    let part = try #require(machine.engine.partRecords.first)
    machine.disk.flip("/data/parts/\(part.id.folderName)/content", byte: 40, bit: 2)
    let again = try machine.reopen()
    let timeless = SlotWindow.timeless...SlotWindow.timeless
    #expect(throws: SlotContentsError.self) { try again.engine.digests(of: timeless) }
    #expect(again.engine.damagedWindows().map(\.windows).contains(timeless))
    try again.engine.leaveOut(again.engine.damagedWindows())
    try Self.check(again, [:], "left out")
    try await exchange(again, other)
    try Self.check(again, [.default: ["a": one]], "repaired")
    // Of one that was met damaged later, what it told goes with it.
    let second = try #require(other.engine.partRecords.first)
    other.disk.flip("/data/parts/\(second.id.folderName)/samples", byte: 20, bit: 2)
    let late = try other.reopen()
    #expect(throws: (any Error).self) {
      for slot in 0..<UInt16(3) {
        let window = SeriesWindow(of: late.nowMilliseconds).number
        _ = try late.engine.bucketDigests(of: slot, window: window)
      }
    }
    #expect(late.engine.damagedWindows().map(\.windows).contains(timeless))
    try late.engine.leaveOut(late.engine.damagedWindows())
    try Self.check(late, [:], "left out later")
  }
}
