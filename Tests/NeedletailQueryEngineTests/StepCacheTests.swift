import NeedletailEnvironment
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailQueryEngine
@testable import NeedletailQueryLanguage

@Suite("Steps finished before, shares read at once and labels that nobody needs change no answer")
struct StepCacheTests {
  private static let step: Int64 = 30_000

  /// What an answer says, bit for bit.
  private static func text(_ result: QueryResult) -> String {
    guard case .matrix(let columns) = result.value else { return "\(result.value)" }
    var lines: [String] = []
    var histogram = 0
    for series in 0..<columns.count {
      var line = columns.labels[series].description
      for index in columns.offsets[series]..<columns.offsets[series + 1] {
        line += " \(columns.timestamps[index]):\(String(columns.values[index].bitPattern, radix: 16))"
        if histogram < columns.histogramIndexes.count, columns.histogramIndexes[histogram] == index {
          line += columns.histograms[histogram].text
          histogram += 1
        }
      }
      lines.append(line)
    }
    return (lines + result.warnings + result.infos).joined(separator: "\n")
  }

  @Test("whatever is written between two questions", arguments: 1...12)
  func sameAnswers(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let source = StepTests.data(seed: seed)
    let cache = StepCache(bytesMax: 1 << 20)
    let cached = QueryEngine(series: source, limits: .patient, parallelism: Int(seed % 3) + 1, cache: cache)
    let plain = QueryEngine(series: source, limits: .patient)
    let labels = source.series.keys.filter { $0["__name__"] == "m" }.sorted { $0.description < $1.description }
    let queries = (0..<4).map { _ in StepTests.queries[Int(random.next() % UInt64(StepTests.queries.count))] }
    for round in 0..<150 {
      if random.next() % 3 == 0 {
        let time = Int64(random.next() % 1_500_000) - 100_000
        let point = MemorySeries.Point(time: time, value: Double(random.next() % 100))
        source.put(point, in: labels[Int(random.next() % UInt64(labels.count))])
        continue
      }
      let query = queries[Int(random.next() % UInt64(queries.count))]
      let start = Int64(random.next() % 40) * Self.step - 90_000 + Int64(random.next() % 2) * 7_000
      let end = start + Int64(random.next() % 30) * Self.step + Int64(random.next() % 20_000)
      func answer(_ engine: QueryEngine) async throws -> String {
        do {
          return Self.text(
            try await engine.range(query, tenant: .default, from: start, to: end, step: Self.step))
        } catch let error as QueryError {
          return error.message
        }
      }
      let wanted = try await answer(plain)
      #expect(try await answer(cached) == wanted, "seed \(seed), round \(round): \(query) \(start)...\(end)")
    }
    let statistics = cache.statistics
    #expect(statistics.bytes <= 1 << 20)
    #expect(statistics.hits + statistics.misses > 0)
  }

  @Test("however many tasks read", arguments: StepTests.queries)
  func sameInShares(query: String) async throws {
    for seed: UInt64 in 0..<3 {
      let source = StepTests.data(seed: seed)
      var answers: Set<String> = []
      for parallelism in [1, 2, 3, 16] {
        let engine = QueryEngine(series: source, limits: .patient, parallelism: parallelism)
        answers.insert(
          Self.text(
            try await engine.range(query, tenant: .default, from: 0, to: 1_300_000, step: 47_000)))
      }
      #expect(answers.count == 1, "seed \(seed)")
    }
  }

  @Test(
    "whether labels that a query does not need are told",
    arguments: [
      "sum(m)", "sum by (a) (m)", "count by (__name__, b) ({__name__=~\"m|h\"})", "sum by (a) (rate(m[4m]))",
      "avg by (b) (last_over_time(m[3m]))", "count by (__name__) (last_over_time(m[3m]))",
      "max(sum_over_time({__name__=\"m\"}[2m]))", "quantile by (a) (0.5, m)", "count_values by (b) (\"v\", m)",
      "sum by (a) (rate(h[5m]))", "sum without (a) (m)", "topk by (a) (1, m)", "sum(-m)", "sum by (c) (m)",
      "sum by (a) (rollup(m[4m]))", "sum by (a) (increase_pure(m[4m]))", "any by (a) (m)", "median by (a) (m)",
      "count by (a) ({__name__=\"m\", a=\"1\" or b=\"2\"})", "share by (a) (m)", "sum by (rollup) (rollup(m[4m]))",
      "count({__name__=~\"m|h\"})", "sum(rate({__name__=~\"m|h\",a=\"0\"}[5m]))", "group by (a) (+(m))",
    ])
  func sameWithoutLabels(query: String) async throws {
    for seed: UInt64 in 0..<3 {
      var answers: Set<String> = []
      for tellsAll in [false, true] {
        let engine = QueryEngine(series: StepTests.data(seed: seed, tellsAllLabels: tellsAll), limits: .patient)
        do {
          answers.insert(
            Self.text(
              try await engine.range(query, tenant: .default, from: 0, to: 1_300_000, step: 47_000)))
        } catch let error as QueryError {
          answers.insert(error.message)
        }
      }
      #expect(answers.count == 1, "seed \(seed)")
    }
  }

  @Test("a question that was asked before reads only what is new, unless it wants all to be read")
  func readsOnlyNew() async throws {
    let source = StepTests.data(seed: 1)
    let engine = QueryEngine(series: source, limits: .patient, cache: StepCache(bytesMax: 1 << 20))
    func samplesRead(to end: Int64, usesCache: Bool = true) async throws -> Int {
      var options = QueryOptions()
      options.usesCache = usesCache
      return try await engine.range(
        "sum(max_over_time(m[4m]))", tenant: .default, from: 300_000, to: end, step: Self.step, options: options
      ).statistics.samplesRead
    }
    let all = try await samplesRead(to: 900_000)
    #expect(all > 100)
    #expect(try await samplesRead(to: 900_000) == 0)
    #expect(try await samplesRead(to: 900_000, usesCache: false) == all)
    let new = try await samplesRead(to: 900_000 + Self.step)
    #expect(new > 0 && new < all / 2)
    source.put(
      MemorySeries.Point(time: 850_000, value: 1000), in: LabelSet(["__name__": "m", "a": "0", "b": "0"]))
    let changed = try await samplesRead(to: 900_000 + Self.step)
    #expect(changed > 0 && changed < all)
  }

  @Test(
    "an expression whose steps hang on each other, or on the query's ends, is never kept",
    arguments: [
      "m @ end()", "m @ start()", "m @ 600", "limitk(1, m)", "limit_ratio(0.5, m)", "vector(end())", "time()",
      "m + on () group_left vector(step())", "max_over_time(m[5m] @ end())", "topk(1, sum by (a) (m))",
      "sum(sum by (a) (m))", "bottomk(1, rate({a=\"0\"}[5m]))", "avg(m or h)", "stddev(-{a=\"0\"})", "sum(m * m)",
    ])
  func isNotKept(query: String) throws {
    #expect(StepReach(try Parser.parse(query), QueryOptions()) == nil)
  }

  @Test(
    "an expression of the usual kinds is kept",
    arguments: [
      "m", "sum by (a) (rate(m[5m]))", "sum(rate(m[5m])) / sum(rate(h[5m]))", "topk(3, m)", "topk(3, (rate(m[1m])))",
      "100 - avg by (a) (rate(m[5m])) * 100", "histogram_quantile(0.9, sum by (le) (rate(m[5m])))", "sum(-m)",
      "max(sum by (a) (m))", "avg(1 - rate(m[5m]))", "sum(m > 5)", "count_values(\"v\", m)", "absent(m)",
    ])
  func isKept(query: String) throws {
    #expect(StepReach(try Parser.parse(query), QueryOptions()) != nil)
  }

  @Test("texts that look alike and differ in their bytes are two questions")
  func alikeTexts() async throws {
    let spellings = ["Z\u{fc}rich", "Zu\u{308}rich"]
    var series: [LabelSet: [MemorySeries.Point]] = [:]
    for (index, city) in spellings.enumerated() {
      series[LabelSet(["__name__": "m", "city": city])] = [.init(time: 0, value: Double(index))]
    }
    let engine = QueryEngine(series: MemorySeries(series), limits: .patient, cache: StepCache(bytesMax: 1 << 20))
    var answers: Set<String> = []
    for city in spellings {
      answers.insert(
        Self.text(
          try await engine.range("sum(m{city=\"\(city)\"})", tenant: .default, from: 0, to: 90_000, step: Self.step)))
    }
    #expect(answers.count == 2)
  }

  @Test("steps that are kept do not let more values be made than may be, nor do shares")
  func limitsHold() async throws {
    var series: [LabelSet: [MemorySeries.Point]] = [:]
    for number in 0..<40 {
      // Many series begin with the last step.
      let points = (0...100).map { MemorySeries.Point(time: Int64($0) * Self.step, value: 1) }
      series[LabelSet(["__name__": "m", "a": "\(number)"])] = number == 0 ? points : [points[100]]
    }
    for query in ["m", "max_over_time(m[20s])"] {
      for parallelism in [1, 4] {
        let engine = QueryEngine(
          series: MemorySeries(series), limits: QueryLimits(samples: 3_000), parallelism: parallelism,
          cache: StepCache(bytesMax: 1 << 20))
        func steps(_ end: Int64) async throws -> QueryResult {
          try await engine.range(query, tenant: .default, from: 0, to: end * Self.step, step: Self.step)
        }
        _ = try await steps(99)
        await #expect(throws: QueryError.self) { try await steps(100) }
      }
    }
  }

  @Test(
    "how far a step looks is told by ranges, offsets, edges and subqueries",
    arguments: [
      ("m", -300_000, 0), ("rate(m[1m])", -60_000, 0), ("m offset 1m", -360_000, -60_000),
      ("m offset -1m", -240_000, 60_000), ("rate(m[1m]) + m offset 2m", -420_000, 0),
      ("max_over_time(rate(m[1m] offset 10s)[5m:30s] offset 1m)", -430_000, -70_000),
      ("m smoothed", -300_000, 300_000), ("m anchored", -300_000, 0), ("rate(m[1m] anchored)", -360_000, 0),
      ("rate(m[1m] smoothed offset 1m)", -420_000, 240_000),
      ("max_over_time((m smoothed)[5m:30s])", -600_000, 300_000),
    ] as [(String, Int64, Int64)])
  func reach(query: String, earliest: Int64, latest: Int64) throws {
    let reach = try #require(StepReach(try Parser.parse(query), QueryOptions()))
    #expect((reach.earliest, reach.latest) == (earliest, latest))
  }

  @Test("no more is kept than may be, and what was used last stays")
  func isBounded() async throws {
    let source = StepTests.data(seed: 2)
    let cache = StepCache(bytesMax: 20_000)
    let engine = QueryEngine(series: source, limits: .patient, cache: cache)
    func read(_ query: String) async throws -> Int {
      try await engine.range(query, tenant: .default, from: 0, to: 600_000, step: Self.step).statistics.samplesRead
    }
    _ = try await read("sum(m)")
    for number in 0..<50 {
      _ = try await read("sum by (a) (m) + \(number)")
      #expect(try await read("sum(m)") == 0)
      #expect(cache.statistics.bytes <= 20_000)
    }
    #expect(try await read("sum by (a) (m) + 0") > 0)
  }
}
