import NeedletailEnvironment
import NeedletailQueryGenerator
import NeedletailQueryLanguage
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailQueryEngine

@Suite("What sources make of series themselves is what the query would have made of them")
struct DerivingSourceTests {
  private typealias Series = [LabelSet: [MemorySeries.Point]]

  /// Everything that there is to say of an answer, to the last bit.
  private static func answer(
    _ text: String, _ engine: QueryEngine, _ steps: Steps, countsSamples: Bool = true,
    _ options: QueryOptions = QueryOptions()
  ) async -> [String] {
    do {
      let result = try await engine.range(
        text, tenant: .default, from: steps.start, to: steps.end, step: steps.interval, options: options)
      guard case .matrix(let columns) = result.value else { return ["\(result.value)"] }
      var lines = (0..<columns.count).map { row in
        let samples = columns.offsets[row]..<columns.offsets[row + 1]
        return "\(columns.labels[row]) "
          + samples.map { "\(columns.timestamps[$0]):\(columns.values[$0].bitPattern)" }.joined(separator: " ")
      }
      lines += columns.histograms.map { histogram in
        var writer = ByteWriter()
        histogram.encode(to: &writer)
        return "\(writer.bytes)"
      }
      lines += result.warnings + result.infos
      if countsSamples { lines.append("\(result.statistics.samplesRead) samples") }
      return lines + ["\(result.statistics.seriesRead) series \(result.coverage.isComplete)"]
    } catch {
      // Which series it names hangs on nothing that is told.
      return ["\(error)".prefix { $0 != "{" }.description]
    }
  }

  private static let operands =
    FoldingTests.operands + [
      "increase(m[2m])", "irate(m[2m])", "delta({__name__=~\"m|n\"}[2m])", "changes(m[3m])", "resets(m[3m])",
      "rate(m[2m] smoothed)", "sum_over_time(m[2m])", "double_exponential_smoothing(m[3m], 0.5, 0.1)",
      "double_exponential_smoothing(m[3m], 2, 0.1)", "quantile_over_time(2, m[1m])", "predict_linear(m[2m], 60)",
      "absent_over_time(m{a=\"7\"}[1m])", "absent_over_time(m[15s])", "first_over_time(m[1m] @ start())",
      "rate(m[1m] @ end())", "deriv(n[2m] offset -30s)", "mad_over_time(m[2m])", "ts_of_max_over_time(m[1m])",
      "{__name__=~\"m|n\"} offset 1m", "n @ 100", "idelta({__name__=~\"m|n\"}[1m])", "stdvar_over_time(n[1m])",
      "quantile_over_time(scalar(m{a=\"0\", b=\"0\"}), m[2m])", "timestamp(m)", "present_over_time(m[1m])",
    ]
  private static let shells = [
    "#", "#", "#", "topk(2, #)", "bottomk by (a) (1, #)", "(#) / on (a, b) (#)", "abs(#)", "max_over_time((#)[2m:20s])",
    "sum by (a) (topk(3, #))", "quantile by (b) (0.3, #)", "(#) > 0", "sort_desc(#)", "histogram_quantile(0.9, #)",
    "limitk(2, #)", "sum by (a) (#)", "count_values(\"v\", #)", "avg_over_time((#)[1m:30s] offset 20s)", "-(#)",
    "label_replace(#, \"c\", \"$1\", \"a\", \"(.*)\")", "(#) and on (a) m", "histogram_count(#)",
  ]

  @Test(
    "anything over series of numbers, histograms and what is no number, of types, starts and stale", arguments: 1...80)
  func anything(seed: Int) async throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var data = FoldingTests.data(&generator, mostlyHistograms: seed % 8 == 0)
    if generator.oneIn(3) {
      for (labels, points) in data {
        data[labels] = points.map { point in
          var point = point
          point.start = generator.oneIn(3) ? point.time - Int64(generator.int(1...60_000)) : 0
          return point
        }
      }
    }
    let features = QueryFeatures(delaysNameRemoval: generator.oneIn(6), usesStartTimestamps: generator.oneIn(3))
    let condensedMax = generator.oneIn(4) ? generator.int(1...5) : nil
    let series = MemorySeries(data, chunkSize: generator.int(1...9), condensedMax: condensedMax)
    let place = DerivedPlace(series, features: QueryFeatures())
    let end = Int64(generator.pick([0, 100_000, 450_000, 900_000]))
    let steps = Steps(start: 0, end: end, interval: Int64(generator.pick([10_000, 20_000, 60_000, 150_000])))
    for _ in 0..<14 {
      let operand = generator.pick(Self.operands)
      let text = generator.pick(Self.shells).replacing("#", with: operand)
      let parallelism = generator.int(1...3)
      func ask(_ source: any SeriesSource) async -> [String] {
        let engine = QueryEngine(series: source, limits: .patient, parallelism: parallelism, features: features)
        // Samples that others stand for are not read.
        return await Self.answer(text, engine, steps, countsSamples: condensedMax == nil)
      }
      let (found, wanted) = (await ask(place), await ask(series))
      #expect(found == wanted, "seed \(seed): \(text) over \(steps)")
    }
  }

  private static func shop(_ seed: Int) -> (vocabulary: QueryVocabulary, series: Series) {
    var random = SeededGenerator(seed: UInt64(seed))
    let vocabulary = QueryVocabulary.shop(anchors: ["900", "1200.5"])
    var series: Series = [:]
    for one in ShopSeries.of(vocabulary, from: 0, count: 100, &random) {
      series[LabelSet(one.labels.map { Label($0.key, $0.value) })] = one.samples.map {
        MemorySeries.Point(time: $0.time, value: $0.value)
      }
    }
    return (vocabulary, series)
  }

  @Test("generated expressions", arguments: 1...12)
  func generated(seed: Int) async throws {
    let (vocabulary, data) = Self.shop(seed)
    var generator = ExpressionGenerator(vocabulary, .shared, seed: UInt64(seed))
    let series = MemorySeries(data)
    let place = DerivedPlace(series)
    let (plain, derived) = (
      QueryEngine(series: series, limits: .patient), QueryEngine(series: place, limits: .patient)
    )
    for number in 0..<40 {
      let text = generator.next(depth: 3)
      let steps =
        number % 4 == 0
        ? Steps(start: 900_500, end: 900_500, interval: 1000)
        : Steps(start: 600_500, end: 1_500_500, interval: 100_000)
      let (found, wanted) = (await Self.answer(text, derived, steps), await Self.answer(text, plain, steps))
      #expect(found == wanted, "seed \(seed): \(text) over \(steps)")
    }
    let told = place.told.withLock { $0 }
    #expect(told.questions > 20 && told.derived > 100, "\(told)")
  }

  @Test(
    "a series is told as what is smaller: steps far apart as values, close ones as samples",
    arguments: [
      // Samples are 30 s apart, and take some eleven bytes each; values take eight.
      (interval: Int64(10_000), "rate(m[5m])", isDerived: false), (15_000, "rate(m[5m])", false),
      (60_000, "rate(m[5m])", true), (60_000, "m", true), (10_000, "m", false), (600_000, "max_over_time(m[1m])", true),
      (1000, "rate(m[5m])", false), (1000, "m", false), (1000, "rate(m[1s])", false),
    ])
  func smaller(interval: Int64, text: String, isDerived: Bool) async throws {
    var data: Series = [:]
    for series in 0..<10 {
      data[LabelSet(["__name__": "m", "i": "\(series)"])] = (0..<200).map {
        MemorySeries.Point(time: $0 * 30_000, value: Double($0))
      }
    }
    let place = DerivedPlace(MemorySeries(data))
    let steps = Steps(start: 600_000, end: 2_400_000, interval: interval)
    _ = await Self.answer(text, QueryEngine(series: place), steps)
    let told = place.told.withLock { $0 }
    #expect(told.derived == (isDerived ? 10 : 0), "\(told)")
    // One step is always worth it: of a range of samples one value is told.
    _ = await Self.answer(text, QueryEngine(series: place), Steps(start: 600_000, end: 600_000, interval: 1))
    let again = place.told.withLock { $0 }
    #expect(again.questions == told.questions + 1)
    if !text.contains("[1s]") { #expect(again.derived == told.derived + 10) }
  }

  @Test("what is read elsewhere counts in the limits of the query")
  func limits() async throws {
    var data: Series = [:]
    for series in 0..<10 {
      data[LabelSet(["__name__": "m", "i": "\(series)"])] = (0..<200).map {
        MemorySeries.Point(time: $0 * 15_000, value: Double($0))
      }
    }
    let series = MemorySeries(data)
    let steps = Steps(start: 600_000, end: 2_400_000, interval: 600_000)
    for limits in [QueryLimits(samples: 1000), QueryLimits(series: 9), QueryLimits(samples: 30)] {
      func ask(_ source: any SeriesSource) async -> [String] {
        await Self.answer("topk(1, rate(m[10m]))", QueryEngine(series: source, limits: limits), steps)
      }
      let found = await ask(DerivedPlace(series))
      #expect(found == (await ask(series)) && found.count == 1, "\(found)")
    }
  }
}
