import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Summaries that stand for runs of samples")
struct StandInReadingTests {
  private static let series = (0..<3).map { LabelSet(["__name__": "m", "i": "\($0)"]) }

  /// What is told of a series: times, values, and how many samples are left out before each.
  private struct Told {
    var times: [Int64] = []
    var values: [Double] = []
    var omitted: [Int] = []

    /// How many samples with a time after one and up to another they are, and stand for.
    func count(after start: Int64, through end: Int64) -> Int {
      times.indices.filter { times[$0] > start && times[$0] <= end }
        .reduce(0) { $0 + 1 + (($1 > 0 && times[$1 - 1] > start) ? omitted[$1] : 0) }
    }

    func values(after start: Int64, through end: Int64) -> [Double] {
      times.indices.filter { times[$0] > start && times[$0] <= end }.map { values[$0] }
    }
  }

  private static func told(
    _ engine: SeriesEngine, _ range: TimeRange, _ standIns: StandIns?
  ) throws -> [LabelSet: Told] {
    var cursor = try engine.select(tenant: .default, [], range, standIns: standIns)
    var found: [LabelSet: Told] = [:]
    while let chunk = try cursor.next() {
      let omitted = Dictionary(uniqueKeysWithValues: chunk.omissions.map { ($0.index, $0.count) })
      for series in 0..<chunk.seriesCount {
        let samples = chunk.samples(series)
        found[chunk.labels(series)] = Told(
          times: samples.map { chunk.timestamps[$0] }, values: samples.map { chunk.value($0) },
          omitted: samples.map { omitted[$0] ?? 0 })
      }
    }
    #expect(cursor.damages.isEmpty)
    return found
  }

  /// Some hours of samples in several parts and the head, some of them late, twice, with starts, or beside histograms.
  private static func fill(_ machine: SeriesMachine, _ day: Int64, _ generator: inout TelemetryGenerator) async throws {
    let isLate = generator.oneIn(3)
    let hasHistograms = generator.oneIn(6)
    let hasStarts = generator.oneIn(4)
    let hasResets = generator.oneIn(2)
    let rounds = generator.int(1...4)
    for round in 0..<rounds {
      let (from, count) = (round * 1500, generator.int(400...1600))
      let shift = isLate ? generator.int(0...2000) : 0
      let new = try DefinedBatch(series, id: UInt64(round)) { series, builder in
        if hasStarts, series == 1 {
          builder.beginSeries(SeriesID(Self.series[1], tenant: .default), startTimestamp: day + Int64(round))
        }
        for index in 0..<count {
          let time = day + Int64(max(0, from - shift) + index) * 1000
          if hasHistograms, series == 2, index % 700 == 0 {
            builder.append(
              timestamp: time,
              histogram: NativeHistogram(schema: 0, zeroThreshold: 0.1, zeroCount: 1, count: 1, sum: 1))
          } else {
            let value = Double(hasResets ? index % 900 : from + index) / 4
            builder.append(timestamp: time, valueBits: (series == 0 && index == 77 ? .nan : value).bitPattern)
          }
        }
      }
      _ = try await machine.append(new.batch, new.definitions)
      if round + 1 < rounds || generator.oneIn(2) { _ = try machine.journal.flush() }
      if generator.oneIn(3) { _ = try machine.engine.mergeParts() }
    }
  }

  @Test("windows find the same least, greatest, first, last and count, whatever lies where", arguments: 1...40)
  func windows(seed: Int) async throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let machine = try SeriesMachine(FaultyFileSystem(seed: UInt64(seed)))
    let day = SeriesEngine.day(of: machine.nowMilliseconds) * SeriesEngine.dayMilliseconds
    try await Self.fill(machine, day, &generator)
    if generator.oneIn(5) {
      let times = TimeRange(startMilliseconds: day + 900_000, endMilliseconds: day + 900_500)
      let matcher = try LabelMatcher("i", .equal, "1")
      _ = try machine.engine.delete(tenant: .default, [matcher], try #require(times))
    }
    for _ in 0..<6 {
      let start = day + Int64(generator.int(-10...4000)) * 1000
      let length = Int64(generator.int(1...6000)) * 1000
      let (interval, count) = (Int64(generator.int(1...3000)) * 1000, generator.int(1...4))
      let starts = (0..<Int64(count)).map { start + $0 * interval }
      let built = TimeRange(startMilliseconds: start + 1, endMilliseconds: (starts.last ?? start) + length)
      let range = try #require(built)
      let all = try Self.told(machine.engine, range, nil)
      for values in [StandIns.Values.ends, .least, .greatest] {
        let standIns = StandIns(values, after: start, through: start + length, interval: interval, count: count)
        let some = try Self.told(machine.engine, range, standIns)
        #expect(some.keys.sorted { "\($0)" < "\($1)" } == all.keys.sorted { "\($0)" < "\($1)" }, "seed \(seed)")
        for (labels, found) in some {
          let wanted = try #require(all[labels])
          for start in starts {
            Self.compare(found, wanted, after: start, through: start + length, values, "seed \(seed), \(labels)")
          }
        }
      }
    }
  }

  private static func compare(
    _ found: Told, _ wanted: Told, after start: Int64, through end: Int64, _ kind: StandIns.Values, _ comment: Comment
  ) {
    func falls(_ values: [Double]) -> Int { zip(values, values.dropFirst()).filter { $0 > $1 }.count }
    let some = found.values(after: start, through: end)
    let all = wanted.values(after: start, through: end)
    #expect(found.count(after: start, through: end) == all.count, comment)
    switch kind {
    case .ends:
      #expect(some.first?.bitPattern == all.first?.bitPattern && some.last?.bitPattern == all.last?.bitPattern, comment)
      #expect(falls(some) == falls(all), comment)
    case .least: #expect(some.filter { !$0.isNaN }.min() == all.filter { !$0.isNaN }.min(), comment)
    case .greatest: #expect(some.filter { !$0.isNaN }.max() == all.filter { !$0.isNaN }.max(), comment)
    }
  }

  @Test("only the runs that a window parts are read", arguments: [StandIns.Values.ends, .least])
  func fewer(values: StandIns.Values) async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1))
    let day = SeriesEngine.day(of: machine.nowMilliseconds) * SeriesEngine.dayMilliseconds
    for round in 0..<2 {
      let new = try DefinedBatch(Self.series, id: UInt64(round)) { _, builder in
        for index in 0..<4000 {
          builder.append(timestamp: day + Int64(round * 4000 + index) * 1000, valueBits: Double(index).bitPattern)
        }
      }
      _ = try await machine.append(new.batch, new.definitions)
      _ = try machine.journal.flush()
    }
    func samples(from start: Int64, to end: Int64) throws -> Int {
      let range = TimeRange(startMilliseconds: day + start + 1, endMilliseconds: day + end)
      let standIns = StandIns(values, after: day + start, through: day + end, interval: 0, count: 1)
      return try Self.told(machine.engine, try #require(range), standIns).values.first?.times.count ?? 0
    }
    // Four runs of 2,000, two samples for each.
    #expect(try samples(from: -1, to: 8_000_000) == 8)
    #expect(try samples(from: 999_999, to: 7_000_000 - 1) == 1000 + 4 + 1000)
    #expect(try samples(from: 100_000, to: 300_000) == 200)
  }
}
