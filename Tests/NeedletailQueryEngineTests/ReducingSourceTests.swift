import NeedletailEnvironment
import NeedletailQueryGenerator
import NeedletailQueryLanguage
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailQueryEngine

@Suite("What sources reduce themselves adds up to what all rows come to")
struct ReducingSourceTests {
  private typealias Series = [LabelSet: [MemorySeries.Point]]

  /// Values by labels and step, and everything else that there is to say.
  private struct Answer {
    var values: [String: [Int64: Double]] = [:]
    /// Histograms, errors, remarks and counts.
    var texts: [String] = []
  }

  private static func answer(
    _ text: String, _ engine: QueryEngine, _ steps: Steps, _ options: QueryOptions = QueryOptions()
  ) async -> Answer {
    var answer = Answer()
    do {
      let result = try await engine.range(
        text, tenant: .default, from: steps.start, to: steps.end, step: steps.interval, options: options)
      guard case .matrix(let columns) = result.value else { return answer }
      for row in 0..<columns.count {
        for sample in columns.offsets[row]..<columns.offsets[row + 1] {
          answer.values[columns.labels[row].description, default: [:]][columns.timestamps[sample]] =
            columns.values[sample]
        }
      }
      answer.texts += columns.histograms.map { "\($0)" } + (result.warnings + result.infos).sorted()
      answer.texts.append("\(result.statistics.samplesRead) \(result.statistics.seriesRead)")
    } catch { answer.texts.append("\(error)") }
    return answer
  }

  /// Whether two answers are the same but for the order of additions.
  private static func expectSame(_ found: Answer, _ wanted: Answer, _ comment: String) {
    #expect(found.texts == wanted.texts, "\(comment)")
    #expect(found.values.keys.sorted() == wanted.values.keys.sorted(), "\(comment)")
    for (labels, values) in wanted.values {
      guard let others = found.values[labels] else { continue }
      #expect(others.keys.sorted() == values.keys.sorted(), "\(comment)")
      for (time, value) in values {
        guard let other = others[time] else { continue }
        let isSame = value == other || (value.isNaN && other.isNaN) || abs(value - other) <= 1e-12 * abs(value)
        #expect(isSame, "\(labels) at \(time): \(other) in place of \(value) (\(comment))")
      }
    }
  }

  @Test(
    "aggregations of anything, of numbers, histograms and what is no number, of types and stale", arguments: 1...100)
  func anything(seed: Int) async throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let data = FoldingTests.data(&generator)
    let count = generator.int(1...4)
    var places: [LabelSet: Int] = [:]
    for labels in data.keys.sorted(by: { $0.description < $1.description }) {
      places[labels] = generator.int(0...count - 1)
    }
    let source = SplitSeries(data, places: count) { places[$0] ?? 0 }
    let steps = Steps(start: 0, end: Int64(generator.pick([0, 100_000, 500_000])), interval: 20_000)
    let features = QueryFeatures(delaysNameRemoval: generator.oneIn(6))
    for _ in 0..<12 {
      let operation = generator.pick(FoldingTests.operations)
      let parameter = operation == "quantile" ? "0.5, " : operation == "topk" ? "2, " : ""
      let operand = generator.pick(FoldingTests.operands)
      let text = "\(operation) \(generator.pick(FoldingTests.groupings)) (\(parameter)\(operand))"
      let plain = QueryEngine(series: MemorySeries(data), limits: .patient, features: features)
      let split = QueryEngine(
        series: source, limits: .patient, parallelism: generator.int(1...3), features: features)
      Self.expectSame(
        await Self.answer(text, split, steps), await Self.answer(text, plain, steps), "seed \(seed): \(text)")
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

  @Test("generated aggregations, and whole expressions that hold some", arguments: 1...12)
  func generated(seed: Int) async throws {
    let (vocabulary, data) = Self.shop(seed)
    var generator = ExpressionGenerator(vocabulary, .shared, seed: UInt64(seed))
    let source = SplitSeries(data, places: 4) { labels in labels.canonicalBytes.reduce(0) { $0 &* 31 &+ Int($1) } & 3 }
    let (plain, split) = (
      QueryEngine(series: MemorySeries(data), limits: .patient), QueryEngine(series: source, limits: .patient)
    )
    let steps = Steps(start: 600_500, end: 1_500_500, interval: 100_000)
    for number in 0..<24 {
      let text = number % 3 == 0 ? generator.next(depth: 3) : generator.reduction()
      var (found, wanted) = (await Self.answer(text, split, steps), await Self.answer(text, plain, steps))
      // What is done over with rows is read once more.
      if number % 3 == 0 || text.contains("topk") { (found.texts, wanted.texts) = ([], []) }
      Self.expectSame(found, wanted, "seed \(seed): \(text)")
    }
    #expect(source.reduced.withLock { $0.reductions } > 5)
  }
}
