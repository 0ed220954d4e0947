import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

/// Samples and histograms as a naive model has them, and what their digests are, element by element.
private struct Elements {
  private let slots: SlotMap
  /// Values, and when their counts began.
  private var samples: [SeriesID: [Int64: (bits: UInt64, start: Int64)]] = [:]
  private var histograms: [SeriesID: [Int64: [StoredHistogram]]] = [:]
  private var exemplars: [SeriesID: Set<StoredExemplar>] = [:]

  init(_ slots: SlotMap) { self.slots = slots }

  mutating func add(_ batch: SeriesBatch) {
    batch.withRows { rows in
      for row in 0..<rows.seriesCount {
        let (id, start) = (rows.seriesID(row), rows.startTimestamp(row) ?? 0)
        for sample in rows.samples(of: row) {
          let (time, new) = (rows.timestamp(sample), (bits: rows.valueBits(sample), start: start))
          guard let old = samples[id]?[time] else {
            samples[id, default: [:]][time] = new
            continue
          }
          let isOld = SampleConflict.winner(old.bits, new.bits) == old.bits
          let latest = (old.bits, max(old.start, new.start))
          samples[id]?[time] = old.bits == new.bits ? latest : isOld ? old : new
        }
      }
      for index in 0..<rows.histogramCount {
        let histogram = rows.histogram(index)
        let stored = StoredHistogram(
          timestamp: histogram.timestamp, bytes: Array(histogram.bytes), start: rows.startTimestamp(histogram.row) ?? 0)
        histograms[rows.seriesID(histogram.row), default: [:]][histogram.timestamp, default: []].append(stored)
      }
      for index in 0..<rows.exemplarCount {
        let exemplar = rows.exemplar(index)
        exemplars[rows.seriesID(exemplar.row), default: []].insert(
          StoredExemplar(
            series: 0, timestamp: exemplar.timestamp, bits: exemplar.valueBits, labels: Array(exemplar.labels)))
      }
    }
  }

  var windows: Set<SeriesWindow> {
    var times = samples.values.flatMap(\.keys) + histograms.values.flatMap(\.keys)
    times += exemplars.values.flatMap { $0.map(\.timestamp) }
    return Set(times.map { SeriesWindow(of: $0) })
  }

  func digests(_ window: SeriesWindow) -> [SeriesDigest] {
    var result = [SeriesDigest](repeating: SeriesDigest(), count: slots.count)
    for (id, all) in samples {
      for (time, sample) in all where window.range.contains(time) {
        result[Int(slots.slot(of: id))].add(.sample(id, time, sample.bits, start: sample.start))
      }
    }
    for (id, all) in histograms {
      for (time, some) in all where window.range.contains(time) {
        for histogram in HistogramRule.settled(some) { result[Int(slots.slot(of: id))].add(.histogram(id, histogram)) }
      }
    }
    for (id, all) in exemplars {
      for exemplar in all where window.range.contains(exemplar.timestamp) {
        result[Int(slots.slot(of: id))].add(.exemplar(id, exemplar))
      }
    }
    return result
  }
}

@Suite("Digests of heads")
struct HeadDigestTests {
  private static let slots = SlotMap(count: 4) ?? .standard
  private static let options = SeriesEngineOptions(
    retention: .forever, futureMilliseconds: 400 * 86_400_000, blockBytes: 2048, mergeFanIn: 3,
    closedDayQuietMilliseconds: 0)

  private func machine(_ seed: Int) throws -> SeriesMachine {
    try SeriesMachine(FaultyFileSystem(seed: UInt64(seed)), options: Self.options, slots: Self.slots)
  }

  private func labels(_ index: Int) -> LabelSet { LabelSet(["__name__": "m", "i": "\(index)"]) }

  /// Some rounds of ten series; `lateOneIn` samples come late or twice, none where it is 0.
  private func batch(
    _ generator: inout TelemetryGenerator, from time: inout Int64, rounds: Int, step: Int64, lateOneIn: Int
  ) throws -> (SeriesBatch, SeriesDefinitions) {
    var builder = SeriesBatchBuilder()
    var definitions = SeriesDefinitionsBuilder()
    for index in 0..<10 { definitions.append(SeriesID(labels(index), tenant: .default), labels: labels(index)) }
    for _ in 0..<rounds {
      time += step
      for index in 0..<10 {
        // Most series have a start that seldom changes, some none, and one that changes all the time.
        let start: Int64? = index < 3 ? nil : index == 8 ? time - Int64(generator.int(0...2)) : time / 1_000_000
        builder.beginSeries(SeriesID(labels(index), tenant: .default), startTimestamp: start)
        let isLate = lateOneIn > 0 && generator.oneIn(lateOneIn)
        let at = isLate ? time - Int64(generator.int(0...300)) * step : time
        if index == 9, generator.oneIn(2) {
          builder.append(timestamp: at, histogram: generator.histogram())
        } else {
          builder.append(timestamp: at, valueBits: Double(generator.int(0...3)).bitPattern)
          if isLate, generator.oneIn(2) { builder.append(timestamp: at, valueBits: Double(2).bitPattern) }
        }
        if generator.oneIn(20) {
          let labels = LabelSet(["trace": "\(generator.int(0...2))"])
          builder.append(exemplar: Exemplar(timestampMilliseconds: at, value: 1, labels: labels))
        }
      }
    }
    let made = builder.build(tenant: .default, batchID: Hash128(high: 1, low: generator.random.next()))
    let built = definitions.build(tenant: .default)
    return (try #require(made), try #require(built))
  }

  private func check(_ engine: SeriesEngine, _ elements: Elements, _ comment: Comment) throws {
    for window in elements.windows.sorted() {
      let expected = elements.digests(window)
      #expect(try engine.digests(window: window) == expected, "\(comment), window \(window.number)")
      #expect(try engine.digest(slot: 1, window: window) == expected[1], "\(comment), window \(window.number)")
    }
  }

  @Test(
    "digests are those of what was appended: in order, late or twice, over flushes, merges, restarts and crashes",
    arguments: 1...12)
  func history(seed: Int) async throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 9_000_000)
    var machine = try machine(seed)
    var elements = Elements(Self.slots)
    var time = SeriesEngine.day(of: machine.nowMilliseconds) * SeriesEngine.dayMilliseconds - 3_000_000
    let lateOneIn = [0, 0, 40, 400][seed % 4]
    for step in 0..<10 {
      let (batch, definitions) = try batch(
        &generator, from: &time, rounds: generator.int(1...60), step: 15_000, lateOneIn: lateOneIn)
      for _ in 0..<(generator.oneIn(5) ? 2 : 1) {
        _ = try await machine.append(batch, definitions)
        elements.add(batch)
      }
      try check(machine.engine, elements, "seed \(seed), step \(step)")
      switch generator.int(0...9) {
      case 0...1: _ = try machine.journal.flush()
      case 2: _ = try machine.engine.mergeParts()
      case 3: machine = try machine.crash(.syncedOnly)
      case 4: machine = try machine.reopen()
      default: continue
      }
      try check(machine.engine, elements, "seed \(seed), after step \(step)")
    }
    _ = try machine.journal.flush()
    try check(machine.engine, elements, "seed \(seed), flushed")
    _ = try machine.engine.mergeParts()
    try check(machine.engine, elements, "seed \(seed), merged")
  }

  @Test("what comes in order is in a head's sums, and one late sample has its slot and window read")
  func sums() async throws {
    var generator = TelemetryGenerator(seed: 3)
    let machine = try machine(1)
    var elements = Elements(Self.slots)
    let start = SeriesEngine.day(of: machine.nowMilliseconds) * SeriesEngine.dayMilliseconds - 15_000
    var time = start
    let (batch, definitions) = try batch(&generator, from: &time, rounds: 240, step: 15_000, lateOneIn: 0)
    _ = try await machine.append(batch, definitions)
    elements.add(batch)
    let window = SeriesWindow(of: start + 15_000)
    let head = machine.engine.state.withLock { $0.head }
    func rows() -> [HeadDigestRow] { head.withStorage { $0.digests.rows(window) } ?? [] }
    #expect(rows().allSatisfy { !$0.isLate })
    // All but the last chunk of a series is in a sum: at most 64 of 240 samples are not.
    #expect(rows().reduce(0) { $0 + $1.digest.count } >= 9 * 176)
    var late = SeriesBatchBuilder()
    let id = SeriesID(labels(3), tenant: .default)
    late.beginSeries(id)
    late.append(timestamp: start + 31_000, valueBits: 7)
    let built = late.build(tenant: .default, batchID: Hash128(high: 2, low: 1))
    let one = try #require(built)
    _ = try await machine.append(one, nil)
    elements.add(one)
    let slot = Int(Self.slots.slot(of: id))
    #expect(rows().indices.filter { rows()[$0].isLate } == [slot])
    try check(machine.engine, elements, "late")
    _ = try machine.journal.flush()
    try check(machine.engine, elements, "flushed")
  }

  @Test("samples of more hours than sums are kept for are read, before and after a flush")
  func manyWindows() async throws {
    var generator = TelemetryGenerator(seed: 4)
    // So many slots that few windows are kept.
    let slots = try #require(SlotMap(count: 8_192))
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1), options: Self.options, slots: slots)
    var elements = Elements(slots)
    var time = machine.nowMilliseconds
    let (batch, definitions) = try batch(&generator, from: &time, rounds: 300, step: 600_000, lateOneIn: 0)
    _ = try await machine.append(batch, definitions)
    elements.add(batch)
    let head = machine.engine.state.withLock { $0.head }
    let kept = elements.windows.filter { window in head.withStorage { $0.digests.rows(window) } != nil }
    #expect(!kept.isEmpty && kept.count < elements.windows.count)
    try check(machine.engine, elements, "in the head")
    _ = try machine.journal.flush()
    try check(machine.engine, elements, "flushed")
  }

  @Test("a digest that is asked for while samples come is that of all that came before, and maybe of some more")
  func beside() async throws {
    let machine = try machine(2)
    let id = SeriesID(labels(1), tenant: .default)
    let (slot, labels) = (Self.slots.slot(of: id), labels(1))
    let start = SeriesEngine.day(of: machine.nowMilliseconds) * SeriesEngine.dayMilliseconds
    let count = 700
    var prefixes = [SeriesDigest()]
    for index in 0..<count {
      var next = prefixes[index]
      next.add(.sample(id, start + Int64(index) * 1000, UInt64(index)))
      prefixes.append(next)
    }
    let acknowledged = Lock(0)
    async let writing: Void = {
      for index in 0..<count {
        var builder = SeriesBatchBuilder()
        var definitions = SeriesDefinitionsBuilder()
        definitions.append(id, labels: labels)
        builder.beginSeries(id)
        builder.append(timestamp: start + Int64(index) * 1000, valueBits: UInt64(index))
        let batch = builder.build(tenant: .default, batchID: Hash128(high: 1, low: UInt64(index)))
        _ = try await machine.append(try #require(batch), definitions.build(tenant: .default))
        acknowledged.withLock { $0 = index + 1 }
      }
    }()
    var seen = 0
    while seen < count {
      let before = acknowledged.withLock { $0 }
      let digest = try machine.engine.digest(slot: slot, window: SeriesWindow(of: start))
      seen = Int(digest.count)
      #expect(seen >= before)
      #expect(digest == prefixes[min(seen, count)])
      if seen < before { break }
      await Task.yield()
    }
    try await writing
  }
}
