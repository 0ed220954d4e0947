import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Merging of series")
struct SeriesMergeTests {
  private let day: Int64 = 86_400_000

  private func labels(_ index: Int) -> LabelSet { LabelSet(["__name__": "m\(index % 3)", "i": "\(index)"]) }

  /// Flushes a part with one sample for each series and time; values tell the round.
  private func flush(
    _ machine: SeriesMachine, series: some Sequence<Int>, times: [Int64], round: Int, exemplar: Bool = false
  ) async throws {
    let new = try DefinedBatch(series.map(labels)) { _, builder in
      for time in times {
        builder.append(timestamp: time, valueBits: Double(round * 1_000_000 + Int(time % 1000)).bitPattern)
      }
      if exemplar, let time = times.first {
        builder.append(
          exemplar: Exemplar(timestampMilliseconds: time, value: 1, labels: LabelSet(["trace_id": "abc"])))
      }
    }
    _ = try await machine.append(new.batch, new.definitions)
    _ = try machine.journal.flush()
  }

  /// That no folder is there but those of the listed parts.
  private func checkFolders(_ machine: SeriesMachine) throws {
    let listed = try machine.catalog.list(.series).map(\.id.folderName)
    #expect(try machine.disk.list("/data/parts").map(\.name).sorted() == listed.sorted())
  }

  /// A machine with three parts of one day that overlap in every way.
  private func threeParts(seed: UInt64 = 1) async throws -> SeriesMachine {
    let machine = try SeriesMachine(FaultyFileSystem(seed: seed))
    let start = SeriesEngine.day(of: machine.nowMilliseconds) * day
    for round in 0..<3 {
      let times = (0..<20).map { start + Int64(round * 10 + $0) * 1000 }
      try await flush(machine, series: (round * 2)..<(round * 2 + 6), times: times, round: round, exemplar: true)
    }
    #expect(machine.engine.statistics.parts == 3)
    return machine
  }

  @Test("a merged part holds each sample once and answers as its inputs did")
  func mergesOnce() async throws {
    let machine = try await threeParts()
    let before = try read(machine)
    let exemplars = try machine.engine.exemplars(tenant: .default, [], .all).elements.count
    #expect(try machine.engine.mergeParts() == 2)
    #expect(try read(machine) == before)
    let records = try machine.catalog.list(.series)
    #expect(records.map(\.summary.rows) == [UInt64(before.samples.values.reduce(0) { $0 + $1.count })])
    #expect(records.map(\.summary.level) == [1])
    #expect(records.map(\.summary.groups) == [10])
    #expect(try machine.engine.exemplars(tenant: .default, [], .all).elements.count == exemplars)
    #expect(machine.engine.statistics.mergedParts == 3)
    try checkFolders(machine)
    #expect(try machine.engine.mergeParts() == 0)
    #expect(try read(machine.reopen()) == before)
  }

  @Test("a query that began before a merge reads its parts to the end")
  func queriesGoOn() async throws {
    let machine = try await threeParts()
    let before = try read(machine)
    var cursor = try machine.engine.select(tenant: .default, [], .all)
    _ = try machine.engine.mergeParts()
    #expect(try Answer(&cursor) == before)
    #expect(cursor.damages.isEmpty)
  }

  @Test("long runs are passed on, short ones are joined, and what overlaps is settled", arguments: [0, 1, 700, 1500])
  func runs(overlap: Int) async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 2))
    let start = SeriesEngine.day(of: machine.nowMilliseconds) * day
    var first = 0
    for (round, count) in [1500, 300, 2500].enumerated() {
      let times = (max(0, first - overlap)..<(first + count)).map { start + Int64($0) * 100 }
      try await flush(machine, series: 0..<3, times: times, round: round)
      first += count
    }
    let before = try read(machine)
    #expect(try machine.engine.mergeParts() == 2)
    #expect(try read(machine) == before)
    #expect(before.samples.values.allSatisfy { $0.count == first })
    let parts = machine.engine.state.withLock { $0.parts }
    var reader = PartSeriesReader(PartIndex(try #require(parts.first)))
    #expect(try reader.record(0).sampleRuns <= 4)
    let middle = TimeRange(startMilliseconds: start + 40_000, endMilliseconds: start + 300_000)
    let range = try #require(middle)
    let expected = before.samples.mapValues { times in times.filter { range.contains($0.key) } }
    #expect(try read(machine, .default, range).samples == expected)
  }

  @Test("series of one scrape share their timestamps")
  func sharedTimes() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 3))
    let start = SeriesEngine.day(of: machine.nowMilliseconds) * day
    for round in 0..<3 {
      let times = (0..<500).map { start + Int64(round * 500 + $0) * 15_000 / 1000 * 1000 + Int64($0 * 7 % 13) }
      try await flush(machine, series: 0..<50, times: times, round: round)
    }
    let parts = machine.engine.state.withLock { $0.parts }
    for part in parts { #expect(try TimeColumnReader(part).columnCount() == 1) }
    _ = try machine.engine.mergeParts()
    let merged = machine.engine.state.withLock { $0.parts }
    #expect(merged.count == 1)
    for part in merged { #expect(try TimeColumnReader(part).columnCount() == 1) }
  }

  @Test(
    "a merge of which it cannot be told whether it was committed loses nothing, whatever is flushed and started after it",
    arguments: 1...5)
  func untoldCommit(failures: Int) async throws {
    for keepsMirror in [false, true] {
      let machine = try await threeParts(seed: UInt64(failures))
      let before = try read(machine)
      machine.disk.fail(.open, onPathsEnding: "catalog.mirror.new", times: failures, number: 28)
      if keepsMirror { machine.disk.fail(.remove, onPathsEnding: "catalog.mirror", times: failures, number: 5) }
      _ = try? machine.engine.mergeParts()
      #expect(try read(machine) == before)
      machine.disk.stopFailing()
      let start = SeriesEngine.day(of: machine.nowMilliseconds) * day
      try await flush(machine, series: 20..<22, times: [start + 1], round: 9)
      let after = try read(machine)
      #expect(after.samples.count == before.samples.count + 2)
      var again = try machine.reopen()
      #expect(try read(again) == after, "\(failures) failures, \(keepsMirror)")
      _ = try again.engine.mergeParts()
      again = try again.reopen()
      #expect(try read(again) == after, "\(failures) failures, \(keepsMirror)")
    }
  }

  @Test(
    "what is deleted in the same life as a merge of which it could not be told whether it was committed stays deleted",
    arguments: [nil, MemoryCatalog.Failure.before, .after, .comesBack])
  func deletionAfterUntoldCommit(failure: MemoryCatalog.Failure?) async throws {
    var untold = 0
    for (failures, merges) in (2...6).flatMap({ [($0, false), ($0, true)] }) {
      let machine = try await threeParts(seed: UInt64(failures))
      machine.disk.fail(.open, onPathsEnding: "catalog.mirror.new", times: failures, number: 28)
      machine.disk.fail(.remove, onPathsEnding: "catalog.mirror", times: failures, number: 5)
      if let failure { machine.catalog.failNextCommit(failure) }
      _ = try? machine.engine.mergeParts()
      let open = machine.engine.state.withLock { $0.untold.count }
      untold += open
      #expect(machine.engine.state.withLock { $0.claimed.count } == open * 3)
      machine.disk.stopFailing()
      if merges { _ = try machine.engine.mergeParts() }
      let before = try read(machine)
      _ = try machine.engine.delete(tenant: .default, [LabelMatcher("i", equals: "3")], .all)
      #expect(machine.engine.state.withLock { $0.untold.isEmpty && $0.claimed.isEmpty })
      let after = try read(machine)
      #expect(after.samples.count < before.samples.count)
      var again = try machine.reopen()
      #expect(try read(again) == after, "\(failures) failures, merged again: \(merges)")
      _ = try again.engine.mergeParts()
      again = try again.reopen()
      #expect(try read(again) == after, "\(failures) failures, merged again: \(merges)")
      #expect(again.engine.statistics.parts == 1)
      try checkFolders(again)
    }
    // One that was refused left the mirror right, and the catalog can tell.
    #expect((untold > 0) == (failure == nil || failure == .after))
  }

  @Test("a replacement that the catalog turns out not to have leaves its parts as they were, to be merged again")
  func untoldAndNotDone() async throws {
    let machine = try await threeParts()
    let (engine, before) = (machine.engine, try read(machine))
    let old = Set(engine.state.withLock { $0.parts.map(\.record.id) })
    for id in old { try machine.disk.link("/data/parts/\(id)/header", to: "/data/parts/\(id)/header.leaving") }
    engine.state.withLock { state in
      state.untold = [UntoldReplacement(new: nil, old: old, tombstones: [], isDrop: true)]
      state.claimed = old
    }
    #expect(try engine.mergeParts() == 2)
    #expect(engine.state.withLock { $0.untold.isEmpty && $0.claimed.isEmpty })
    #expect(try read(machine) == before)
  }

  @Test("a power cut at any call of a merge leaves the old state or the new one", arguments: CrashSurvival.allCases)
  func powerCut(survival: CrashSurvival) async throws {
    let origin = try await threeParts()
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
      #expect(machine.report.damages.isEmpty, "call \(call)")
      #expect(try read(machine) == expected, "call \(call)")
      try checkFolders(machine)
      _ = try machine.engine.mergeParts()
      #expect(try read(machine) == expected, "call \(call)")
      #expect(machine.engine.statistics.parts == 1, "call \(call)")
      call += 1
    }
    #expect(call > 20)
  }

  @Test("a power cut at any call of a flush loses nothing", arguments: CrashSurvival.allCases)
  func powerCutInFlush(survival: CrashSurvival) async throws {
    var call = 0
    var isCut = true
    while isCut {
      var machine = try await threeParts(seed: UInt64(call))
      let id = SeriesID(labels(0), tenant: .default)
      var builder = SeriesBatchBuilder()
      builder.beginSeries(id)
      builder.append(timestamp: machine.nowMilliseconds, valueBits: 7)
      let batch = builder.build(tenant: .default, batchID: Hash128(high: 3, low: 4))
      var definitions = SeriesDefinitionsBuilder()
      definitions.append(id, labels: labels(0))
      _ = try await machine.append(try #require(batch), definitions.build(tenant: .default))
      let expected = try read(machine)
      machine.disk.powerOff(atCall: machine.disk.callCount + call)
      isCut = (try? machine.journal.flush()) == nil
      machine = try machine.crash(survival)
      #expect(try read(machine) == expected, "call \(call)")
      try checkFolders(machine)
      call += 1
    }
    #expect(call > 20)
  }

  @Test("a merge that fails at any call leaves its parts as they were and nothing else")
  func fullDisk() async throws {
    let machine = try await threeParts()
    let expected = try read(machine)
    var skip = 0
    var hasFailed = true
    while hasFailed {
      machine.disk.fail(.write, onPathsEnding: "", skip: skip, number: 28)
      hasFailed = (try? machine.engine.mergeParts()) == nil
      machine.disk.stopFailing()
      #expect(try read(machine) == expected)
      try checkFolders(machine)
      skip += 1
    }
    #expect(skip > 3)
    #expect(machine.engine.statistics.parts == 1)
  }

  @Test("a commit whose answer is lost is taken for what the catalog says", arguments: [true, false])
  func lostAnswer(isDone: Bool) async throws {
    let machine = try await threeParts()
    let expected = try read(machine)
    machine.catalog.failNextCommit(isDone ? .after : .comesBack)
    if isDone {
      #expect(try machine.engine.mergeParts() == 2)
    } else {
      #expect(throws: SeriesMaintenanceError.self) { _ = try machine.engine.mergeParts() }
      machine.catalog.restart()
    }
    #expect(try read(machine) == expected)
    #expect(try read(machine.reopen()) == expected)
  }

  @Test("a damaged part is left alone and the others are merged")
  func damage() async throws {
    let machine = try await threeParts()
    let start = SeriesEngine.day(of: machine.nowMilliseconds) * day
    let damaged = try #require(try machine.catalog.list(.series).first)
    machine.disk.flip("/data/parts/\(damaged.id.folderName)/samples", byte: 40, bit: 2)
    #expect(throws: SeriesMaintenanceError.self) { _ = try machine.engine.mergeParts() }
    try checkFolders(machine)
    #expect(try machine.engine.mergeParts() == 0)
    try await flush(machine, series: 20..<22, times: [start], round: 4)
    #expect(try machine.engine.mergeParts() == 2)
    #expect(try machine.catalog.list(.series).contains { $0.id == damaged.id })
  }

  @Test("a cancelled merge stops and leaves nothing behind")
  func cancellation() async throws {
    let machine = try await threeParts()
    let engine = machine.engine
    let task = Task { () -> SeriesMaintenanceError? in
      withUnsafeCurrentTask { $0?.cancel() }
      do throws(SeriesMaintenanceError) {
        _ = try engine.mergeParts()
        return nil
      } catch { return error }
    }
    #expect(await task.value == .cancelled)
    #expect(machine.engine.statistics.parts == 3)
    try checkFolders(machine)
    #expect(try machine.engine.mergeParts() == 2)
  }

  @Test("a kill at any call of retention leaves what was dropped nowhere: nothing of it is set aside")
  func killInRetention() async throws {
    var options = SeriesEngineOptions(retention: .forever, mergeFanIn: 3, closedDayQuietMilliseconds: 0)
    options.retentionBytes = 1
    let origin = try SeriesMachine(FaultyFileSystem(seed: 4), options: options)
    let now = origin.nowMilliseconds
    for back in [2, 1, 0] as [Int64] { try await flush(origin, series: 0..<3, times: [now - back * day], round: 0) }
    origin.journal.close()
    origin.engine.stop()
    var call = 0
    var isCut = true
    while isCut {
      var machine = try SeriesMachine(
        origin.disk.copy(seed: UInt64(call)), origin.catalog.copy(), clock: origin.clock, options: options)
      // This catalog has no disk that could be off: what it commits then no real one would.
      let disk = machine.disk
      let isImpossible = Lock(false)
      machine.catalog.watchCommits {
        let isOff = (try? disk.status("/data")) == nil
        isImpossible.withLock { $0 = isOff }
      }
      disk.powerOff(atCall: disk.callCount + call)
      isCut =
        (try? machine.engine.enforceRetention(now: now)) == nil || machine.engine.statistics.partRemovalFailures > 0
      call += 1
      if isImpossible.withLock({ $0 }) { continue }
      machine = try machine.crash(.everything)
      #expect([1, 3].contains(machine.engine.statistics.parts), "call \(call)")
      #expect(try machine.disk.status("/data/quarantine") == nil, "call \(call)")
      try checkFolders(machine)
      _ = try machine.engine.enforceRetention(now: now)
      #expect(machine.engine.statistics.parts == 1, "call \(call)")
    }
    #expect(call > 10)
  }

  @Test("retention by size drops the oldest days until the rest fits, and never the newest")
  func retentionBySize() async throws {
    var options = SeriesEngineOptions(retention: .forever, mergeFanIn: 3, closedDayQuietMilliseconds: 0)
    options.retentionBytes = 1
    var machine = try SeriesMachine(FaultyFileSystem(seed: 4), options: options)
    let now = machine.nowMilliseconds
    for back in [3, 2, 1, 0] as [Int64] { try await flush(machine, series: 0..<3, times: [now - back * day], round: 0) }
    let records = try machine.catalog.list(.series).sorted { $0.summary.partition < $1.summary.partition }
    #expect(records.count == 4)
    options.retentionBytes = records.suffix(2).reduce(0) { $0 + $1.bytes }
    let (disk, catalog, clock) = (machine.disk.copy(seed: 5), machine.catalog.copy(), machine.clock)
    machine.journal.close()
    machine.engine.stop()
    machine = try SeriesMachine(disk, catalog, clock: clock, options: options)
    #expect(try machine.engine.enforceRetention(now: now).map(\.id).sorted() == records.prefix(2).map(\.id).sorted())
    #expect(try machine.engine.enforceRetention(now: now).isEmpty)
    #expect(try read(machine).samples.values.allSatisfy { $0.count == 2 })
    try checkFolders(machine)
    options.retentionBytes = 1
    machine = try SeriesMachine(machine.disk.copy(seed: 6), catalog.copy(), clock: clock, options: options)
    #expect(try machine.engine.enforceRetention(now: now).map(\.id) == [records[2].id])
  }
}

extension TimeColumnReader {
  /// How many columns a part of one block of them has.
  fileprivate func columnCount() throws -> Int {
    var reader = self
    var count: UInt32 = 0
    while (try? reader.times(count)) != nil { count += 1 }
    return Int(count)
  }
}
