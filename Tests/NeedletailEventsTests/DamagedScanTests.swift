import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailEvents

/// Damage that is found only when a record is made, after hits further behind were dropped as too many.
@Suite("Scans past damage") struct DamagedScanTests {
  /// What a scan reads together, as it was when nothing was damaged.
  private struct Unit {
    var entries: [EventKey: EventModel.LogEntry] = [:]
    var timeMin: Int64
    var timeMax: Int64
    /// The file of a block, and where in it the block's groups of columns are; nil for a batch of the head.
    var place: (file: String, groups: [BlockLocation])?
  }

  /// Conditions, and what they mean.
  private struct Condition {
    var matchers: [LabelMatcher] = []
    var bodyFilters: [BodyFilter] = []
    var passes: (EventModel.LogEntry) -> Bool = { _ in true }
  }

  private let directions = [EventDirection.oldestFirst, .newestFirst]

  // MARK: Against a model

  /// Enough overlapping blocks for hits to be dropped, with copies here and there.
  ///
  /// Nearly all reach from one end of the time to the other, and some have many events at one end.
  private func filled(_ generator: inout EventGenerator) async throws -> EventMachine {
    let machine = try EventMachine()
    var sent: [(EventStream, LogRecord)] = []
    let partCount = Int.random(in: 70...80, using: &generator.random)
    for step in 0..<(partCount + 4) {
      let ages: ClosedRange<Int64> = generator.chance(5) ? generator.pick([0...40, 1960...2000]) : 0...2000
      let isWide = !generator.chance(20)
      var entries = (0..<Int.random(in: 2...25, using: &generator.random)).map { index in
        var record = generator.log()
        record.timeNanoseconds = now - Int64.random(in: ages, using: &generator.random)
        if isWide, index < 2 { record.timeNanoseconds = now - Int64(index * 2000) }
        return (generator.stream(), record)
      }
      if step == 0 {
        // So wide that the part has more blocks than one.
        let filler = Attribute("filler", .string(String(repeating: "-", count: 200_000)))
        for index in entries.indices { entries[index].1.attributes.append(filler) }
      }
      if !sent.isEmpty, generator.chance(3) { entries += (0..<5).map { _ in generator.pick(sent) } }
      if step > 0 { sent += entries }
      _ = try await machine.logs.append(try makeBatch(entries, id: UInt64(step)))
      if step < partCount { try machine.flush() }
    }
    return machine
  }

  private func units(of machine: EventMachine) throws -> [Unit] {
    let snapshot = try machine.logs.snapshot(.all)
    var units: [Unit] = []
    for batch in snapshot.batches {
      var unit = Unit(timeMin: batch.timeMin, timeMax: batch.timeMax)
      batch.forEachRow { _, row, stream in
        unit.entries[row.key] = (try? row.log()).map { EventModel.LogEntry(stream: stream.stream, record: $0) }
      }
      units.append(unit)
    }
    for part in snapshot.parts {
      let file = machine.folder.parts.path(of: part.record.id) + "/data"
      for entry in part.directory.blocks {
        var unit = Unit(timeMin: entry.timeMin, timeMax: entry.timeMax)
        unit.place = (file, entry.locations.filter { $0.length > 0 })
        let columns = try BlockColumns(part, entry)
        try columns.load(ColumnGroup.allCases)
        for row in 0..<columns.rowCount {
          let record = try required(columns.withRow(row) { try? $0.log() })
          let stream = columns.stream(of: row).stream
          unit.entries[columns.key(of: row)] = EventModel.LogEntry(stream: stream, record: record)
        }
        units.append(unit)
      }
    }
    return units
  }

  private func conditions() throws -> [Condition] {
    let matchers = try [
      LabelMatcher("level", .matches, "debug|unknown|error"), LabelMatcher("http_method", .notEqual, "GET"),
      LabelMatcher("trace_id", .notEqual, ""),
    ]
    let operations = [BodyFilter.Operation.contains, .containsNot]
    return try [Condition()]
      + matchers.map { matcher in
        Condition(matchers: [matcher]) { EventModel.passes(EventModel.labels($0), [matcher]) }
      }
      + operations.map { operation in
        Condition(bodyFilters: [try BodyFilter(operation, ["timeout"])]) {
          EventModel.contains($0.record.body.text, "timeout") == (operation == .contains)
        }
      }
  }

  /// The keys of all that the units hold, in the query's order.
  private func keys(_ units: [Unit], _ direction: EventDirection) -> [EventKey] {
    let keys = Set(units.flatMap(\.entries.keys))
    return keys.sorted { direction == .newestFirst ? $1 < $0 : $0 < $1 }
  }

  @Test(
    "However many hits a damaged block owns, and whatever was dropped behind them, the answer has all that is readable",
    arguments: 1...4 as ClosedRange<UInt64>)
  func model(seed: UInt64) async throws {
    var generator = EventGenerator(seed: seed)
    let machine = try await filled(&generator)
    let units = try units(of: machine)
    let blocks = units.indices.filter { units[$0].place != nil }
    let conditions = try conditions()
    var entries: [EventKey: EventModel.LogEntry] = [:]
    for unit in units { entries.merge(unit.entries) { known, _ in known } }
    let passing = conditions.map { condition in Set(entries.filter { condition.passes($0.value) }.keys) }
    var readAgain = 0
    for _ in 0..<60 {
      let kind = Int.random(in: 0..<conditions.count, using: &generator.random)
      let direction = generator.pick(directions)
      let limit = generator.pick([1, 3, 10, 40, 100, 400])
      let all = keys(units, direction).filter(passing[kind].contains)
      // The owner of the nearest hits, as often as any others.
      var damaged: Set<Int> = []
      if generator.chance(2), let key = all.prefix(10).randomElement(using: &generator.random) {
        damaged.formUnion(blocks.filter { units[$0].entries[key] != nil })
      }
      for _ in 0..<generator.pick([0, 0, 1, 20]) { damaged.insert(generator.pick(blocks)) }
      let flips = try damaged.sorted().map { number in
        let place = try required(units[number].place)
        let group = generator.pick(place.groups)
        let byte = Int(group.offset) + Int.random(in: 0..<Int(group.length), using: &generator.random)
        return (file: place.file, byte: byte, bit: Int.random(in: 0..<8, using: &generator.random))
      }
      for flip in flips { machine.disk.flip(flip.file, byte: flip.byte, bit: flip.bit) }
      let before = machine.logs.statistics.blocksRead
      let query = EventQuery(
        tenant: .default, matchers: conditions[kind].matchers, bodyFilters: conditions[kind].bodyFilters, limit: limit,
        direction: direction)
      let scan = try machine.logs.selectLogs(query)
      let hits = try scan.all(page: generator.pick([1, 7, 1000]))
      for flip in flips { machine.disk.flip(flip.file, byte: flip.byte, bit: flip.bit) }
      let readable = units.indices.filter { !damaged.contains($0) }.map { units[$0] }
      let expected = keys(readable, direction).filter(passing[kind].contains).prefix(limit)
      let isRight =
        hits.map { EventModel.LogEntry(stream: $0.stream.stream, record: $0.record) }
        == expected.compactMap { entries[$0] }
      let question = "seed \(seed) condition \(kind) \(direction) limit \(limit)"
      let about = Comment(rawValue: "\(question): \(hits.count) of \(expected.count); \(flips)")
      #expect(isRight, about)
      #expect(expected.elementsEqual(all.prefix(limit)) || !scan.damages.isEmpty, about)
      #expect(!damaged.isEmpty || scan.damages.isEmpty, about)
      let read = Int(machine.logs.statistics.blocksRead - before)
      if damaged.isEmpty, kind == 0 {
        // Each block that reaches as near as the last hit, once.
        let end = expected.count == limit ? expected.last?.time : nil
        let near = blocks.filter { number in
          guard let end else { return true }
          return direction == .newestFirst ? units[number].timeMax >= end : units[number].timeMin <= end
        }
        #expect(read == near.count, about)
      }
      if read > blocks.count { readAgain += 1 }
    }
    #expect(readAgain > 0, "seed \(seed) asks for nothing that was dropped")
  }

  @Test("Rows of which no record can be made cost themselves alone", arguments: 1...2 as ClosedRange<UInt64>)
  func malformedRows(seed: UInt64) async throws {
    var generator = EventGenerator(seed: seed)
    let machine = try await filled(&generator)
    let units = try units(of: machine)
    let ofHead = Set(units.filter { $0.place == nil }.flatMap(\.entries.keys))
    for _ in 0..<40 {
      let direction = generator.pick(directions)
      let limit = generator.pick([1, 3, 10, 40, 100])
      let all = keys(units, direction)
      let oneOf = generator.pick([1, 2, 10])
      let broken = Set(all.prefix(generator.pick([1, 30, 300])).filter { _ in generator.chance(oneOf) })
        .subtracting(ofHead)
      let query = EventQuery(tenant: .default, limit: limit, direction: direction)
      let scan = try EventScan(
        machine.logs, query, snapshot: try machine.logs.snapshot(.all), damages: [], columns: [.bodies]
      ) { row, _ throws(MalformedBytes) in
        if broken.contains(row.key) { throw .invalid("broken") }
        return row.key
      }
      let isRight = try scan.all(page: 9).map(\.record) == Array(all.filter { !broken.contains($0) }.prefix(limit))
      #expect(isRight, "seed \(seed) \(direction) limit \(limit) broken \(broken.count)")
    }
  }

  // MARK: How much is read again

  /// A machine with parts of one block each.
  private func parts(
    _ count: Int, lines: Int, line: (_ part: Int, _ index: Int) -> LogRecord
  ) async throws -> EventMachine {
    let machine = try EventMachine()
    for part in 0..<count {
      let records = (0..<lines).map { (EventStream(), line(part, $0)) }
      _ = try await machine.logs.append(try makeBatch(records, id: UInt64(part)))
      try machine.flush()
    }
    return machine
  }

  private func line(age: Int, _ text: String = "line", event: String = "") -> LogRecord {
    LogRecord(timeNanoseconds: now - Int64(age), body: .string(text), eventName: event)
  }

  /// Flips a bit in the bodies of every block of the parts that are not spared.
  private func damageBodies(_ machine: EventMachine, but spared: (EventPart) -> Bool) throws {
    for part in try machine.logs.snapshot(.all).parts where !spared(part) {
      for entry in part.directory.blocks {
        let location = entry.locations[ColumnGroup.bodies.position]
        machine.disk.flip(
          machine.folder.parts.path(of: part.record.id) + "/data", byte: Int(location.offset) + 30, bit: 1)
      }
    }
  }

  @Test("Of a hundred newest lines ninety are damaged: the answer has a hundred others")
  func fullPage() async throws {
    let machine = try await parts(80, lines: 91) { part, index in
      // Each block begins with what is not asked for, so that all must be read before the first line is known.
      if index == 0 { return line(age: part == 0 ? 0 : 1, "part \(part)", event: "start") }
      return line(age: part == 0 ? index + 1 : 5 + index * 80 + part)
    }
    try damageBodies(machine) { $0.record.summary.maxTime != now }
    let query = EventQuery(
      tenant: .default, matchers: [LabelMatcher("event_name", equals: "")], limit: 100, direction: .newestFirst)
    let scan = try machine.logs.selectLogs(query)
    #expect(try scan.all().map(\.record.timeNanoseconds) == (0..<100).map { now - 86 - Int64($0 + $0 / 79) })
    #expect(scan.damages.count == 1)
    #expect(machine.logs.statistics.failedReads == 1)
  }

  @Test("Where all blocks but one are damaged, each is read a few times, not once for each of the others")
  func manyDamaged() async throws {
    let machine = try await parts(100, lines: 10) { part, index in
      line(age: index * 100 + part, "part \(part) line \(index)")
    }
    try damageBodies(machine) { $0.record.summary.maxTime == now - 99 }
    let before = machine.logs.statistics
    let query = EventQuery(tenant: .default, limit: 1, direction: .newestFirst)
    let found = try machine.logs.selectLogs(query).all()
    #expect(found.map(\.record.body.text) == ["part 99 line 0"])
    let after = machine.logs.statistics
    #expect(after.blocksRead - before.blocksRead < 300)
    #expect(after.failedReads - before.failedReads == 99, "once a block")
  }

  @Test("Where a block has thousands of broken rows before a good one, it is read a few times, not once a row")
  func manyMalformed() async throws {
    let machine = try await parts(1, lines: 3001) { _, index in line(age: index) }
    let before = machine.logs.statistics.blocksRead
    let query = EventQuery(tenant: .default, limit: 1, direction: .newestFirst)
    let scan = try EventScan(
      machine.logs, query, snapshot: try machine.logs.snapshot(.all), damages: [], columns: []
    ) { row, _ throws(MalformedBytes) in
      if row.time > now - 3000 { throw .invalid("broken") }
      return row.time
    }
    #expect(try scan.all().map(\.record) == [now - 3000])
    #expect(machine.logs.statistics.blocksRead - before < 10)
  }

  // MARK: The merge

  @Test(
    "A merge gives every hit up to where it dropped some, and then says that it is spent",
    arguments: 1...40 as ClosedRange<UInt64>)
  func spent(seed: UInt64) throws {
    var generator = EventGenerator(seed: seed)
    let isNewestFirst = generator.chance(2)
    let limit = generator.pick([1, 10, 100, 500])
    let start: EventKey? = generator.chance(2) ? EventKey(time: 20_000, content: 0) : nil
    func precedes(_ left: EventKey, _ right: EventKey) -> Bool { isNewestFirst ? right < left : left < right }
    var merge = HitMerge(isNewestFirst: isNewestFirst, after: start)
    /// The keys of each unit, sorted, each once.
    var waiting: [Int: [EventKey]] = [:]
    var last: EventKey?
    /// Compares the nearest hit with the model's; false where there is none, or the merge is spent.
    func take() -> Bool {
      guard !merge.isSpent, let next = merge.removeNearest() else { return false }
      #expect(next.hit.key == waiting.values.compactMap(\.first).min(by: precedes), "seed \(seed)")
      #expect(waiting[next.number]?.first == next.hit.key, "seed \(seed)")
      waiting[next.number]?.removeFirst()
      last = next.hit.key
      return true
    }
    let batch = try makeBatch([(EventStream(), LogRecord(timeNanoseconds: now))])
    let head = HeadBatch(batch, rows: [0], streams: [], timeMin: now, timeMax: now)
    let wideCountMax = generator.pick([5, 200])
    let nearest = start?.time ?? (isNewestFirst ? 40_000 : 0)
    for number in 0..<Int.random(in: 1...300, using: &generator.random) {
      // Few units have more hits than are wanted, and those near ones.
      let (width, countMax) = generator.chance(30) ? (500 as Int64, 200) : (40_000, wideCountMax)
      // What is read late is behind what was taken before.
      let hits = (0..<Int.random(in: 0...countMax, using: &generator.random)).compactMap { _ in
        let distance = Int64.random(in: -100...width, using: &generator.random)
        let key = EventKey(time: isNewestFirst ? nearest - distance : nearest + distance, content: 0)
        return last.map { precedes($0, key) } ?? true ? Hit(key: key, row: 0) : nil
      }
      merge.add(.batch(head), number: number, hits, limit: limit)
      waiting[number] = Set(hits.map(\.key)).filter { key in start.map { precedes($0, key) } ?? true }
        .sorted(by: precedes)
      if generator.chance(3) {
        let lost = generator.pick([number, Int.random(in: 0...number, using: &generator.random)])
        merge.remove(unit: lost)
        waiting[lost] = nil
      }
      if generator.chance(8) { _ = take() }
    }
    while take() {}
    #expect(merge.isSpent || waiting.values.allSatisfy(\.isEmpty), "seed \(seed)")
  }
}
