import NeedletailBlocks
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Deletion of series")
struct SeriesDeletionTests {
  private static let other = TenantID("other") ?? .default

  private func labels(_ index: Int) -> LabelSet { LabelSet(["__name__": "m\(index % 2)", "i": "\(index)"]) }

  private func append(
    _ machine: SeriesMachine, series: Range<Int>, times: [Int64], value: Double, tenant: TenantID = .default
  ) async throws {
    let new = try DefinedBatch(series.map(labels), tenant: tenant, id: value.bitPattern) { _, builder in
      for time in times { builder.append(timestamp: time, valueBits: value.bitPattern) }
      for time in times.prefix(2) {
        builder.append(exemplar: Exemplar(timestampMilliseconds: time, value: value, labels: LabelSet(["t": "a"])))
      }
    }
    _ = try await machine.append(new.batch, new.definitions)
  }

  private func exemplars(_ machine: SeriesMachine, _ tenant: TenantID = .default) throws -> [Int64] {
    try machine.engine.exemplars(tenant: tenant, [], .all).elements.map(\.exemplar.timestampMilliseconds)
  }

  private func range(_ start: Int64, _ end: Int64) throws -> TimeRange {
    try #require(TimeRange(startMilliseconds: start, endMilliseconds: end))
  }

  private let m0 = [LabelMatcher("__name__", equals: "m0")]

  /// A machine with two parts of one day, and a head on top; series 0 to 5, times 0 to 19 seconds into the day, and the
  /// same of another tenant.
  private func twoParts() async throws -> (SeriesMachine, start: Int64) {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1))
    let start = SeriesEngine.day(of: machine.nowMilliseconds) * SeriesEngine.dayMilliseconds
    for round in 0..<3 {
      for tenant in [TenantID.default, Self.other] {
        let times = (0..<10).map { start + Int64(round * 5 + $0) * 1000 }
        try await append(machine, series: 0..<6, times: times, value: Double(round), tenant: tenant)
      }
      if round < 2 { _ = try machine.journal.flush() }
    }
    return (machine, start)
  }

  @Test("what is deleted is gone at once, of no other tenant, series or time, and after a merge from the part too")
  func deletes() async throws {
    let (machine, start) = try await twoParts()
    let other = try read(machine, Self.other)
    var expected = try read(machine)
    for index in [0, 2, 4] {
      expected.samples[labels(index)] = expected.samples[labels(index)]?.filter {
        !(start + 3000...start + 12_000).contains($0.key)
      }
    }
    let parts = try machine.engine.delete(tenant: .default, m0, try range(start + 3000, start + 12_000))
    #expect(parts.count == 3)
    #expect(try read(machine) == expected)
    #expect(try read(machine, Self.other) == other)
    let before = try exemplars(machine, Self.other).count
    #expect(try exemplars(machine).filter { $0 >= start + 3000 }.count == 3 * 4)
    #expect(try read(machine.reopen()) == expected)
    #expect(try machine.engine.mergeParts() == 2)
    #expect(try machine.catalog.tombstones().isEmpty)
    #expect(machine.engine.statistics.tombstones == 0)
    #expect(try read(machine) == expected)
    #expect(try read(machine, Self.other) == other)
    #expect(try exemplars(machine, Self.other).count == before)
    let rows = (expected.samples.values.map(\.count) + other.samples.values.map(\.count)).reduce(0, +)
    #expect(try machine.catalog.list(.series).map(\.summary.rows) == [UInt64(rows)])
  }

  @Test("data appended after a deletion stays, be it of the same series, times and values", arguments: [false, true])
  func appendedAgain(merges: Bool) async throws {
    let (machine, start) = try await twoParts()
    let all = try range(start, start + 100_000)
    try machine.engine.delete(tenant: .default, [LabelMatcher("i", equals: "1")], all)
    #expect(try read(machine).samples[labels(1)] == nil)
    // Less than what was there: it would lose against it.
    try await append(machine, series: 1..<2, times: [start, start + 1000], value: -5)
    let expected = [start: (-5.0).bitPattern, start + 1000: (-5.0).bitPattern]
    #expect(try read(machine).samples[labels(1)] == expected)
    _ = try machine.journal.flush()
    #expect(try read(machine).samples[labels(1)] == expected)
    if merges { #expect(try machine.engine.mergeParts() > 0) }
    #expect(try read(machine).samples[labels(1)] == expected)
    #expect(try exemplars(machine).count == 5 * 6 + 2)
    #expect(try read(machine.reopen()).samples[labels(1)] == expected)
  }

  @Test("a series of which nothing is left is not listed, and after a rewrite its labels are not either")
  func labelsGo() async throws {
    let (machine, start) = try await twoParts()
    let i3 = [LabelMatcher("i", equals: "3")]
    try machine.engine.delete(tenant: .default, i3, try range(start, start + 100_000))
    #expect(try machine.engine.series(tenant: .default, i3, .all).elements.isEmpty)
    #expect(try machine.engine.series(tenant: .default, [], .all).elements.count == 5)
    let matcher = [LabelMatcher("__name__", equals: "m1")]
    let values = try machine.engine.labelValues(tenant: .default, name: "i", matcher, .all).elements
    #expect(values == ["1", "5"])
    #expect(try machine.engine.cleanTombstones() == 3)
    let left = try machine.engine.labelValues(tenant: .default, name: "i", [], .all).elements
    #expect(left == ["0", "1", "2", "4", "5"])
    #expect(try machine.engine.labelValues(tenant: Self.other, name: "i", [], .all).elements.count == 6)
    #expect(try machine.engine.cleanTombstones() == 0)
  }

  @Test("parts of which nothing is left go, and leave neither folder nor tombstone")
  func nothingLeft() async throws {
    let (machine, _) = try await twoParts()
    let all = [try LabelMatcher("__name__", .matches, ".+")]
    try machine.engine.delete(tenant: .default, all, TimeRange.all)
    try machine.engine.delete(tenant: Self.other, all, TimeRange.all)
    #expect(try read(machine) == Answer())
    #expect(machine.engine.statistics.tombstones == 6)
    _ = try machine.engine.mergeParts()
    #expect(try machine.catalog.list(.series).isEmpty)
    #expect(try machine.catalog.tombstones().isEmpty)
    #expect(machine.engine.statistics.parts == 0)
    #expect(try machine.disk.list("/data/parts").isEmpty)
    #expect(try read(machine.reopen()) == Answer())
  }

  @Test("a part is rewritten by itself once a good part of it is deleted, and not for a little")
  func rewritesAlone() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 3))
    let start = SeriesEngine.day(of: machine.nowMilliseconds) * SeriesEngine.dayMilliseconds
    let times = (0..<100).map { start + Int64($0) * 1000 }
    try await append(machine, series: 0..<6, times: times, value: 1)
    try machine.engine.delete(tenant: .default, m0, try range(start, start + 2000))
    #expect(try machine.engine.mergeParts() == 0)
    #expect(machine.engine.statistics.tombstones == 1)
    try machine.engine.delete(tenant: .default, m0, try range(start, start + 60_000))
    let expected = try read(machine)
    #expect(try machine.engine.mergeParts() == 0)
    #expect(machine.engine.statistics.tombstones == 0)
    #expect(try read(machine) == expected)
    #expect(try machine.catalog.list(.series).map(\.summary.rows) == [UInt64(3 * 100 + 3 * 39)])
  }

  @Test("what long runs come to does not stand in for samples of which some are deleted")
  func summaries() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 5))
    let start = SeriesEngine.day(of: machine.nowMilliseconds) * SeriesEngine.dayMilliseconds
    let times = (0..<1000).map { start + Int64($0) * 1000 }
    try await append(machine, series: 0..<2, times: times, value: 1)
    try machine.engine.delete(tenant: .default, m0, try range(start, start + 2000))
    let standIns = StandIns(.greatest, after: start - 1, through: start + 1_000_000, interval: 0, count: 1)
    var cursor = try machine.engine.select(
      tenant: .default, [], try range(start, start + 1_000_000), standIns: standIns)
    let chunk = try #require(try cursor.next())
    #expect(chunk.samples(0).count == 997)
    #expect(chunk.samples(1).count == 2)
    #expect(chunk.omissions == [SampleOmission(index: 998, count: 998)])
  }

  @Test("a deletion that comes while a merge runs is handed down to the new part")
  func whileMerging() async throws {
    let (machine, start) = try await twoParts()
    _ = try machine.journal.flush()
    let engine = machine.engine
    let old = engine.state.withLock { $0.parts }
    let record = try SeriesPartMerge.merge(old, [:], options: engine.options, slots: engine.slots, to: engine.folder)
    let new = try SeriesPart(try #require(record), in: engine.folder)
    try engine.delete(tenant: .default, m0, try range(start, start + 100_000))
    let expected = try read(machine)
    let ids = Set(old.map(\.record.id))
    try engine.replacing.withLock { _ in try engine.commit(new, for: ids, applied: [:]) }
    #expect(try machine.catalog.tombstones().map(\.part) == [new.record.id])
    #expect(try read(machine) == expected)
    #expect(try read(machine.reopen()) == expected)
    #expect(try engine.cleanTombstones() == 1)
    #expect(try read(machine) == expected)
  }

  @Test("tombstones go with the part that they are of")
  func retention() async throws {
    var options = SeriesEngineOptions(retention: .forever, mergeFanIn: 3, closedDayQuietMilliseconds: 0)
    options.retentionBytes = 1
    let machine = try SeriesMachine(FaultyFileSystem(seed: 4), options: options)
    let now = machine.nowMilliseconds
    for back in 0..<3 as Range<Int64> {
      try await append(machine, series: 0..<4, times: [now - back * SeriesEngine.dayMilliseconds], value: 1)
    }
    try machine.engine.delete(tenant: .default, m0, .all)
    #expect(try machine.catalog.tombstones().count == 3)
    #expect(try machine.engine.enforceRetention(now: now).count == 2)
    #expect(try machine.catalog.tombstones().map(\.part) == machine.catalog.list(.series).map(\.id))
    #expect(machine.engine.statistics.tombstones == 1)
  }

  @Test("a power cut at any call of a deletion leaves it done or not done at all", arguments: CrashSurvival.allCases)
  func powerCut(survival: CrashSurvival) async throws {
    let (origin, start) = try await twoParts()
    let deleted = try range(start + 3000, start + 12_000)
    let before = try read(origin)
    var after = before
    for index in [0, 2, 4] {
      after.samples[labels(index)] = after.samples[labels(index)]?.filter { !deleted.contains($0.key) }
    }
    origin.journal.close()
    origin.engine.stop()
    var call = 0
    var isCut = true
    while isCut {
      var machine = try SeriesMachine(origin.disk.copy(seed: UInt64(call)), origin.catalog.copy())
      machine.disk.powerOff(atCall: machine.disk.callCount + call)
      isCut = (try? machine.engine.delete(tenant: .default, m0, deleted)) == nil
      machine = try machine.crash(survival)
      #expect(machine.report.damages.isEmpty, "call \(call)")
      let answer = try read(machine)
      #expect(isCut ? answer == before || answer == after : answer == after, "call \(call)")
      try machine.engine.delete(tenant: .default, m0, deleted)
      #expect(try read(machine) == after, "call \(call)")
      call += 1
    }
    #expect(call > 10)
  }

  @Test("a power cut at any call of a merge with deletions shows nothing of them", arguments: CrashSurvival.allCases)
  func powerCutInMerge(survival: CrashSurvival) async throws {
    let (origin, start) = try await twoParts()
    try origin.engine.delete(tenant: .default, m0, try range(start + 3000, start + 12_000))
    let expected = try read(origin)
    origin.journal.close()
    origin.engine.stop()
    var call = 0
    var isCut = true
    while isCut {
      var machine = try SeriesMachine(origin.disk.copy(seed: UInt64(call)), origin.catalog.copy())
      machine.disk.powerOff(atCall: machine.disk.callCount + call)
      isCut = (try? machine.engine.mergeParts()) == nil
      machine = try machine.crash(survival)
      #expect(try read(machine) == expected, "call \(call)")
      _ = try machine.engine.mergeParts()
      #expect(try read(machine) == expected, "call \(call)")
      #expect(try machine.catalog.tombstones().isEmpty, "call \(call)")
      call += 1
    }
    #expect(call > 20)
  }

  @Test("a deletion whose commit's answer is lost is what the catalog says", arguments: [true, false])
  func lostAnswer(isDone: Bool) async throws {
    let (machine, start) = try await twoParts()
    _ = try machine.journal.flush()
    let all = try read(machine)
    machine.catalog.failNextCommit(isDone ? .after : .before)
    let result = try? machine.engine.delete(tenant: .default, m0, try range(start, start + 100_000))
    #expect((result != nil) == isDone)
    #expect(try read(machine).samples.count == (isDone ? 3 : 6))
    if !isDone { #expect(try read(machine) == all) }
    #expect(try read(machine.reopen()).samples.count == (isDone ? 3 : 6))
  }

  @Test("a deletion without a matcher is refused, and one that finds nothing leaves no trace")
  func bounds() async throws {
    let (machine, start) = try await twoParts()
    #expect(throws: SeriesEngineError.malformed("a deletion needs a matcher")) {
      try machine.engine.delete(tenant: .default, [], .all)
    }
    let nothing = [LabelMatcher("__name__", equals: "none")]
    #expect(try machine.engine.delete(tenant: .default, nothing, .all).isEmpty)
    #expect(try machine.engine.delete(tenant: .default, m0, try range(start - 9, start - 1)).isEmpty)
    #expect(try machine.catalog.tombstones().isEmpty)
  }

  @Test("a part whose tombstone cannot be read is not answered, and named")
  func damagedTombstone() async throws {
    let (machine, _) = try await twoParts()
    let part = try #require(try machine.catalog.list(.series).first)
    try machine.catalog.commit(
      adding: [], removing: [], flushedThroughGeneration: nil,
      tombstones: [PartTombstone(part: part.id, content: [9, 9])])
    let again = try machine.reopen()
    var cursor = try again.engine.select(tenant: .default, [], .all)
    _ = try Answer(&cursor)
    #expect(cursor.damages.map(\.part) == [part.id])
  }
}

@Suite("What a deletion is made of")
struct DeletionContentTests {
  @Test("a deletion comes back from its bytes, and cut or changed bytes never trap", arguments: 1...20)
  func bytes(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let matchers = [try generator.matcher(), try generator.matcher()]
    let range = try #require(TimeRange(startMilliseconds: .min, endMilliseconds: Int64(seed)))
    let deletion = SeriesDeletion(tenant: .default, matchers: matchers, range: range)
    let bytes = deletion.encoded()
    #expect(try SeriesDeletion(decoding: bytes) == deletion)
    for end in 0..<bytes.count {
      #expect(throws: MalformedBytes.self) { _ = try SeriesDeletion(decoding: Array(bytes[..<end])) }
      var changed = bytes
      changed[end] ^= UInt8(1 << generator.int(0...7))
      _ = try? SeriesDeletion(decoding: changed)
    }
  }

  @Test("a set of ranges is what a set of instants is", arguments: 1...50)
  func ranges(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var set = TimeRangeSet()
    var model = Set<Int64>()
    for _ in 0..<generator.int(1...8) {
      let start = Int64(generator.int(0...40))
      let end = start + Int64(generator.int(0...6))
      set.insert(start...end)
      model.formUnion(start...end)
    }
    for start in -1...50 as ClosedRange<Int64> {
      #expect(set.contains(start) == model.contains(start), "seed \(seed)")
      let end = start + Int64(generator.int(0...9))
      #expect(set.overlaps(start, end) == (start...end).contains { model.contains($0) }, "seed \(seed)")
      #expect(set.covers(start, end) == (start...end).allSatisfy { model.contains($0) }, "seed \(seed)")
    }
    #expect(zip(set.ranges, set.ranges.dropFirst()).allSatisfy { $0.upperBound + 1 < $1.lowerBound })
    set.insert(.min ... .max)
    #expect(set.ranges == [.min ... .max])
  }
}
