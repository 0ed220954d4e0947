import NeedletailBlocks
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

/// The digests that a model's elements come to, element by element.
struct DigestModel: Equatable {
  private(set) var digests: [SeriesWindow: [UInt16: SeriesDigest]] = [:]

  init(_ model: SeriesModel) {
    for (tenant, all) in model.samples {
      for (labels, times) in all {
        let id = SeriesID(labels, tenant: tenant)
        for (time, bits) in times {
          add(.sample(id, time, bits, start: model.start(ofSample: time, tenant, labels)), id, time)
        }
      }
    }
    for (tenant, all) in model.histograms {
      for (labels, times) in all {
        let id = SeriesID(labels, tenant: tenant)
        for (time, bytes) in times {
          let start = model.start(ofHistogram: time, tenant, labels)
          add(.histogram(id, StoredHistogram(timestamp: time, bytes: bytes, start: start)), id, time)
        }
      }
    }
  }

  private mutating func add(_ digest: SeriesDigest, _ id: SeriesID, _ time: Int64) {
    digests[SeriesWindow(of: time), default: [:]][SlotMap.standard.slot(of: id), default: SeriesDigest()].add(digest)
  }

  /// Holds it against what an engine tells, in all windows that either has something of.
  func check(_ engine: SeriesEngine, _ comment: Comment) throws {
    let times = engine.state.withLock { state in state.parts.map(\.record.summary) }
      .flatMap { [$0.minTime, $0.maxTime] }
    for window in Set(digests.keys).union(times.map { SeriesWindow(of: $0) }).sorted() {
      let expected = digests[window] ?? [:]
      let found = try engine.digests(window: window)
      let filled = found.indices.filter { !found[$0].isEmpty }.map { (UInt16($0), found[$0]) }
      #expect(Dictionary(uniqueKeysWithValues: filled) == expected, "\(comment), window \(window.number)")
      for slot in expected.keys.sorted().prefix(2) {
        #expect(try engine.digest(slot: slot, window: window) == expected[slot], "\(comment), slot \(slot)")
      }
    }
  }
}

@Suite("Set digests")
struct SeriesDigestTests {
  private func labels(_ index: Int) -> LabelSet { LabelSet(["__name__": "m", "i": "\(index)"]) }

  /// Batches of some series with exemplars and samples, some of them twice.
  private func batches(_ generator: inout TelemetryGenerator, start: Int64) throws -> [(SeriesBatch, SeriesDefinitions)]
  {
    var result: [(SeriesBatch, SeriesDefinitions)] = []
    for number in 0..<12 as Range<UInt64> {
      var builder = SeriesBatchBuilder()
      var definitions = SeriesDefinitionsBuilder()
      for _ in 0..<8 {
        let labels = labels(generator.int(0...20))
        let id = SeriesID(labels, tenant: .default)
        definitions.append(id, labels: labels)
        builder.beginSeries(id, startTimestamp: generator.oneIn(2) ? start - Int64(generator.int(0...2)) * 7000 : nil)
        for _ in 0..<generator.int(0...20) {
          let time = start + Int64(generator.int(0...400)) * 15_000
          if generator.oneIn(8) {
            builder.append(timestamp: time, histogram: generator.histogram())
          } else {
            builder.append(timestamp: time, valueBits: Double(generator.int(0...3)).bitPattern)
          }
          if generator.oneIn(4) {
            let labels = LabelSet(["trace": "\(generator.int(0...2))"])
            builder.append(exemplar: Exemplar(timestampMilliseconds: time, value: 1, labels: labels))
          }
        }
      }
      let batch = builder.build(tenant: .default, batchID: Hash128(high: 1, low: number))
      let built = definitions.build(tenant: .default)
      result.append((try #require(batch), try #require(built)))
    }
    return result
  }

  private func all(_ engine: SeriesEngine, start: Int64) throws -> [[SeriesDigest]] {
    try (0..<3 as Range<Int64>).map { hour in
      try engine.digests(window: SeriesWindow(of: start + hour * SeriesWindow.milliseconds))
    }
  }

  @Test("two engines that were given the same agree, whatever the order, the duplicates, the parts", arguments: 1...16)
  func orders(seed: Int) async throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 7_000_000)
    var machines = [
      try SeriesMachine(FaultyFileSystem(seed: 1)), try SeriesMachine(FaultyFileSystem(seed: 2)),
      try SeriesMachine(FaultyFileSystem(seed: 3)),
    ]
    let start = SeriesEngine.day(of: machines[0].nowMilliseconds) * SeriesEngine.dayMilliseconds - 3_000_000
    let batches = try batches(&generator, start: start)
    for (batch, definitions) in batches { _ = try await machines[0].append(batch, definitions) }
    for number in 1...2 {
      var order = Array(batches.indices)
      for index in order.indices { order.swapAt(index, generator.int(0...(order.count - 1))) }
      order += [order[0], order[3]]
      for index in order {
        _ = try await machines[number].append(batches[index].0, batches[index].1)
        if generator.oneIn(3) { _ = try machines[number].journal.flush() }
        if generator.oneIn(6) { _ = try machines[number].engine.mergeParts() }
        if generator.oneIn(9) { machines[number] = try machines[number].crash(.syncedOnly) }
      }
    }
    let expected = try all(machines[0].engine, start: start)
    #expect(expected.joined().contains { !$0.isEmpty })
    for machine in machines[1...] {
      #expect(try all(machine.engine, start: start) == expected, "seed \(seed)")
      _ = try machine.journal.flush()
      #expect(try all(machine.engine, start: start) == expected, "seed \(seed), flushed")
      _ = try machine.engine.mergeParts()
      #expect(try all(machine.engine, start: start) == expected, "seed \(seed), merged")
    }
    // Deleted of all of them, before and after it is gone from the parts, and while a part tells of what is gone.
    let gone = [try LabelMatcher("i", .matches, "1.?")]
    let range = try #require(TimeRange(startMilliseconds: start + 1_000_000, endMilliseconds: start + 4_000_000))
    for machine in machines { try machine.engine.delete(tenant: .default, gone, range) }
    let left = try all(machines[0].engine, start: start)
    #expect(left != expected)
    #expect(try all(machines[1].engine, start: start) == left, "seed \(seed), deleted")
    for machine in machines { _ = try machine.engine.cleanTombstones() }
    for machine in machines { #expect(try all(machine.engine, start: start) == left, "seed \(seed), rewritten") }
  }

  @Test("what a part tells is what reading it comes to, and one part is not read", arguments: 1...8)
  func stored(seed: Int) async throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 8_000_000)
    let machine = try SeriesMachine(FaultyFileSystem(seed: UInt64(seed)))
    let start = SeriesEngine.day(of: machine.nowMilliseconds) * SeriesEngine.dayMilliseconds
    for (batch, definitions) in try batches(&generator, start: start) {
      _ = try await machine.append(batch, definitions)
      if generator.oneIn(3) { _ = try machine.journal.flush() }
    }
    _ = try machine.journal.flush()
    _ = try machine.engine.mergeParts()
    let engine = machine.engine
    for hour in 0..<2 as Range<Int64> {
      let window = SeriesWindow(of: start + hour * SeriesWindow.milliseconds)
      var read = DigestReading(window, .standard, only: nil)
      for part in engine.state.withLock({ $0.parts }) { try read.add(part, PartIndex(part), isTold: false) }
      #expect(try read.run() == engine.digests(window: window), "seed \(seed)")
    }
    guard engine.statistics.parts == 1, let part = try machine.catalog.list(.series).first else { return }
    let expected = try all(engine, start: start)
    machine.disk.flip("/data/parts/\(part.id.folderName)/samples", byte: 40, bit: 2)
    #expect(try all(engine, start: start) == expected)
  }

  @Test("a digest that needs what cannot be read is refused")
  func damage() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1))
    var generator = TelemetryGenerator(seed: 5)
    let start = SeriesEngine.day(of: machine.nowMilliseconds) * SeriesEngine.dayMilliseconds
    for (batch, definitions) in try batches(&generator, start: start) {
      _ = try await machine.append(batch, definitions)
      _ = try machine.journal.flush()
    }
    let part = try #require(try machine.catalog.list(.series).first)
    machine.disk.flip("/data/parts/\(part.id.folderName)/samples", byte: 40, bit: 2)
    #expect(throws: SeriesDigestError.self) { try all(machine.engine, start: start) }
    machine.disk.flip("/data/parts/\(part.id.folderName)/content", byte: 40, bit: 2)
    let again = try machine.reopen()
    #expect(throws: SeriesDigestError.self) { try all(again.engine, start: start) }
  }

  @Test("of an hour that has begun to leave the retention nothing is told, of those after it all")
  func retention() async throws {
    let options = SeriesEngineOptions(retention: .milliseconds(3 * 86_400_000))
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1), options: options)
    let id = SeriesID(labels(1), tenant: .default)
    let hour = SeriesWindow.milliseconds
    let edge = (machine.nowMilliseconds / hour - 71) * hour
    let times = [edge + 2 * hour, edge + hour + 1000, edge + 1000]
    let new = try DefinedBatch([labels(1)]) { _, builder in
      for time in times.reversed() { builder.append(timestamp: time, valueBits: 1) }
    }
    _ = try await machine.append(new.batch, new.definitions)
    let slot = SlotMap.standard.slot(of: id)
    func count() throws -> [UInt64] {
      try times.map { try machine.engine.digest(slot: slot, window: SeriesWindow(of: $0)).count }
    }
    #expect(try count() == [1, 1, 1])
    machine.clock.advance(nanoseconds: hour * 1_000_000)
    #expect(try count() == [1, 1, 0])
    _ = try machine.journal.flush()
    #expect(try count() == [1, 1, 0])
    machine.clock.advance(nanoseconds: hour * 1_000_000)
    #expect(try count() == [1, 0, 0])
  }

  @Test(
    "engines with the same have the same digests at the edge of retention, however their parts lie", arguments: 1...8)
  func retentionEdge(seed: Int) async throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 15_000_000)
    let hour = SeriesWindow.milliseconds
    let options = SeriesEngineOptions(
      retention: .milliseconds(30 * hour), blockBytes: 2048, mergeFanIn: 3, closedDayQuietMilliseconds: 0)
    let machines = try (1...3).map { try SeriesMachine(FaultyFileSystem(seed: $0), options: options) }
    for step in 0..<40 {
      let time = machines[0].nowMilliseconds - Int64(generator.int(0...Int(29 * hour)))
      let number = generator.int(0...5)
      let new = try DefinedBatch([labels(number)], id: UInt64(step)) { _, builder in
        builder.append(timestamp: time, valueBits: UInt64(step))
      }
      for machine in machines {
        _ = try await machine.append(new.batch, new.definitions)
        if generator.oneIn(3) { _ = try machine.journal.flush() }
        if generator.oneIn(5) { _ = try machine.engine.mergeParts() }
        if generator.oneIn(3) { try machine.engine.enforceRetention(now: machine.nowMilliseconds) }
      }
      let told = try machines.map { try $0.engine.digests(of: .min ... .max) }
      #expect(told[0] == told[1] && told[1] == told[2], "seed \(seed), step \(step)")
      let passed = Int64(generator.int(0...Int(3 * hour))) * 1_000_000
      for machine in machines { machine.clock.advance(nanoseconds: passed) }
    }
  }

  @Test("sets that differ by little have different digests, and structure does not cancel out", arguments: 1...8)
  func hashes(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let id = SeriesID(Hash128(high: generator.random.next(), low: generator.random.next()))
    var seen = Set<SeriesDigest>()
    // Small numbers, neighbouring times: what real series are made of.
    for time in 0..<200 as Range<Int64> {
      for value in 0..<50 { seen.insert(.sample(id, time * 15_000, Double(value).bitPattern)) }
    }
    #expect(seen.count == 10_000)
    #expect(Set(seen.map(\.low)).count == 10_000 && Set(seen.map(\.high)).count == 10_000)
    // Values that change places, and steps that sum to nothing.
    var sums = Set<SeriesDigest>()
    for order in 0..<200 {
      var sum = SeriesDigest()
      for time in 0..<8 as Range<Int64> {
        sum.add(.sample(id, time * 1000, Double((order >> Int(time)) & 1).bitPattern))
      }
      sums.insert(sum)
    }
    #expect(sums.count == 200)
    var back = SeriesDigest.sample(id, 5, 9)
    back.add(.sample(id, 6, 9))
    back.remove(.sample(id, 5, 9))
    #expect(back == .sample(id, 6, 9))
  }

  @Test("a block of digests comes back, and cut or changed bytes are refused or harmless", arguments: 1...10)
  func blocks(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var table = DigestTable(.standard)
    let window = SeriesWindow(of: generator.pick([0, 1_795_397_120_000, .min, .max, -1]))
    var expected: [UInt16: SeriesDigest] = [:]
    for _ in 0..<60 {
      let id = SeriesID(Hash128(high: generator.random.next(), low: generator.random.next()))
      let time = generator.pick([window.range.startMilliseconds, window.range.endMilliseconds])
      table.add(.sample(id, time, 7), of: id, at: time)
      expected[SlotMap.standard.slot(of: id), default: SeriesDigest()].add(.sample(id, time, 7))
    }
    let block = try #require(table.encoded().first)
    #expect(Int64(block.hour) == window.hour)
    let rows = try block.bytes.withUnsafeBytes { try DigestRow.decode($0, window.times) }
    #expect(rows.map(\.slot) == expected.keys.sorted())
    #expect(rows.allSatisfy { expected[$0.slot] == $0.row.digest })
    for end in 0..<block.bytes.count {
      _ = try? block.bytes[..<end].withUnsafeBytes { try DigestRow.decode($0, window.times) }
      var changed = block.bytes
      changed[end] = generator.pick([0, 0x7f, 0x80, 0xff])
      for row in (try? changed.withUnsafeBytes { try DigestRow.decode($0, window.times) }) ?? [] {
        #expect(window.range.contains(row.row.first) && row.row.first <= row.row.last)
      }
    }
  }

  @Test("windows are hours of UTC days, at the ends of time too")
  func windows() {
    for time in [Int64.min, .min + 1, -86_400_001, -86_400_000, -3_600_001, -1, 0, 1, 3_599_999, 3_600_000, .max] {
      let window = SeriesWindow(of: time)
      #expect(window.range.contains(time), "\(time)")
      #expect(window.day == SeriesEngine.day(of: time), "\(time)")
      #expect((0..<SeriesWindow.perDay).contains(window.hour), "\(time)")
      #expect(SeriesWindow(day: window.day, hour: window.hour) == window, "\(time)")
      #expect(SeriesWindow(of: window.range.startMilliseconds) == window, "\(time)")
      #expect(SeriesWindow(of: window.range.endMilliseconds) == window, "\(time)")
    }
    #expect(SeriesWindow(day: .max, hour: 0) == nil)
    #expect(SeriesWindow(day: .min, hour: 23) == nil)
  }
}
