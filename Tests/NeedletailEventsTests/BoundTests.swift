import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailEvents

/// What others send may not make anything grow without end.
@Suite("Events are bounded") struct BoundTests {
  private func stream(_ name: String) -> EventStream {
    EventStream(resource: [Attribute("service.name", .string(name))])
  }

  @Test("Long keys and levels are stored and found, and the part's directory stays small")
  func longNames() async throws {
    let machine = try EventMachine()
    let records = (0..<200).map { index in
      let key = String(repeating: "k", count: 20_000) + String(index)
      let text = String(repeating: "l", count: 5000) + String(index)
      return (
        stream("cart"),
        LogRecord(
          timeNanoseconds: now - Int64(index), severityText: text, body: .string("line"),
          attributes: [Attribute(key, .string("value")), Attribute("short", .int(Int64(index)))])
      )
    }
    _ = try await machine.logs.append(try makeBatch(records))
    let before = try machine.logs.selectLogs(EventQuery(tenant: .default)).all().map(\.record)
    try machine.flush()
    #expect(try machine.logs.selectLogs(EventQuery(tenant: .default)).all().map(\.record) == before)
    let part = try required(try machine.catalog.list(.logs).first)
    let path = machine.folder.parts.path(of: part.id) + "/directory"
    #expect(try required(try machine.disk.status(path)).size < 4096)
    let reader = try machine.folder.parts.open(part)
    let directory = try reader.file("directory")
    let raw = try directory.read(BlockLocation(offset: 0, length: UInt32(directory.size))).bytes.count
    #expect(raw < 4096)
    #expect(machine.logs.labelNames(tenant: .default).elements.contains("short"))
  }

  @Test("A head that no flush empties refuses appends, and takes them again after the flush")
  func fullHead() async throws {
    let machine = try EventMachine(options: EventEngineOptions(headBytesMax: 4096))
    var refused = false
    var accepted = 0
    for id in 0..<1000 where !refused {
      let record = LogRecord(timeNanoseconds: now - Int64(id), body: .string(String(repeating: "x", count: 500)))
      let batch = try makeBatch([(stream("cart"), record)], id: UInt64(id))
      do throws(EventEngineError) {
        _ = try await machine.logs.append(batch)
        accepted += 1
      } catch {
        guard case .journal(.overloaded) = error else { throw error }
        refused = true
      }
    }
    #expect(refused && accepted > 4)
    try machine.flush()
    let record = LogRecord(timeNanoseconds: now, body: .string("after"))
    #expect(try await machine.logs.append(try makeBatch([(stream("cart"), record)])).accepted == 1)
    #expect(try machine.logs.selectLogs(EventQuery(tenant: .default)).all().count == accepted + 1)
  }

  @Test("Streams of refused rows are not kept, and those of dropped rows are forgotten")
  func streams() async throws {
    let machine = try EventMachine(options: EventEngineOptions(retentionNanoseconds: day))
    for number in 0..<50 {
      let record = LogRecord(timeNanoseconds: now - 9 * day, body: .string("old"))
      _ = try await machine.logs.append(try makeBatch([(stream("old \(number)"), record)]))
    }
    #expect(machine.logs.statistics.streams == 0)
    let mixed = [
      (stream("new"), LogRecord(timeNanoseconds: now, body: .string("new"))),
      (stream("old"), LogRecord(timeNanoseconds: now - 9 * day, body: .string("old"))),
    ]
    _ = try await machine.logs.append(try makeBatch(mixed))
    #expect(machine.logs.statistics.streams == 1)
    var writer = ByteWriter()
    stream("gone").encode(to: &writer)
    let gone = try writer.bytes.withUnsafeBytes { try StreamEntry(decoding: $0, tenant: .default) }
    _ = machine.logs.streams.enter(gone)
    #expect(machine.logs.statistics.streams == 2)
    #expect(try machine.logs.enforceRetention(now: now) == 0)
    #expect(machine.logs.statistics.streams == 1)
  }

  @Test(
    "Pages of overlapping blocks come in order and once, whatever the limit",
    arguments: [nil, 1, 7, 1000, Int.max], [EventDirection.oldestFirst, .newestFirst])
  func overlapping(limit: Int?, direction: EventDirection) async throws {
    let machine = try EventMachine()
    var times: [Int64] = []
    for part in 0..<3 {
      let records = (0..<600).map { index in
        let time = now - Int64((index * 7919 + part * 13) % 5000)
        times.append(time)
        return (stream("service \(index % 90)"), LogRecord(timeNanoseconds: time, body: .int(Int64(part))))
      }
      _ = try await machine.logs.append(try makeBatch(records, id: UInt64(part)))
      // The same again: half of the copies are in a part, half in the head.
      if part < 2 { try machine.flush() }
      _ = try await machine.logs.append(try makeBatch(Array(records[..<300]), id: UInt64(part + 10)))
    }
    let query = EventQuery(tenant: .default, limit: limit, direction: direction)
    let found = try machine.logs.selectLogs(query).all(page: 33).map(\.record.timeNanoseconds)
    let sorted = direction == .oldestFirst ? times.sorted() : times.sorted(by: >)
    #expect(found == Array(sorted.prefix(limit ?? .max)))
  }

  @Test("With a limit, a scan over many overlapping units keeps few of them")
  func pruning() throws {
    var merge = HitMerge(isNewestFirst: true)
    var expected: [Int64] = []
    for unit in 0..<1000 as Range<Int64> {
      let batch = try makeBatch([(EventStream(), LogRecord(timeNanoseconds: now))])
      let head = HeadBatch(batch, rows: [0], streams: [], timeMin: now, timeMax: now)
      let hits = (0..<20 as Range<Int64>).map { index in
        Hit(key: EventKey(time: (index * 1009 + unit * 31) % 4001, content: UInt64(unit)), row: 0)
      }
      expected += hits.map(\.key.time)
      merge.add(.batch(head), number: Int(unit), hits, limit: 10)
      #expect(merge.unitCount <= 130)
    }
    expected.sort(by: >)
    for time in expected.prefix(10) { #expect(merge.removeNearest()?.hit.key.time == time) }
  }

  @Test("The check of events and links accepts and refuses what decoding them does")
  func nested() throws {
    var generator = EventGenerator(seed: 3)
    var refused = 0
    for _ in 0..<300 {
      let batch = try makeBatch([(EventStream(), generator.span())])
      let bytes = batch.withRows { Array($0.nestedBytes(0)) }
      guard !bytes.isEmpty else { continue }
      for _ in 0..<10 {
        var broken = bytes
        if generator.chance(2) { broken.removeLast(Int.random(in: 1...broken.count, using: &generator.random)) }
        if !broken.isEmpty {
          broken[Int.random(in: 0..<broken.count, using: &generator.random)] = UInt8.random(
            in: 0...255, using: &generator.random)
        }
        guard !broken.isEmpty else { continue }
        let decodes = broken.withUnsafeBytes { (try? SpanRecord.decodeNested($0)) != nil }
        let passes = broken.withUnsafeBytes { (try? EncodedAttributes.checkNested($0)) != nil }
        #expect(decodes == passes, "\(broken)")
        if !decodes { refused += 1 }
      }
      #expect(bytes.withUnsafeBytes { (try? EncodedAttributes.checkNested($0)) != nil })
    }
    #expect(refused > 0)
  }
}
