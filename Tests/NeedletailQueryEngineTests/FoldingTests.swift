import NeedletailQueryLanguage
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailQueryEngine

@Suite("Aggregations reduce series while they are read")
struct FoldingTests {
  // MARK: Answers

  static let operands = [
    "m", "(m offset 40s)", "+m", "rate(m[2m])", "avg_over_time(m[90s])", "(last_over_time(m[1m]))",
    "count_over_time(m[1m])", "increase(m[2m] anchored)", "quantile_over_time(0.7, m[2m])", "m @ 200",
    "{__name__=~\"m|n\"}", "rate({__name__=~\"m|n\"}[2m])", "max_over_time({__name__=~\"m|n\"}[2m]) keep_metric_names",
    "m{a=\"0\" or a=\"1\"}", "-m", "max_over_time(m[2m:20s])", "m smoothed", "m{a=\"none\"}",
  ]
  static let operations = [
    "sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "quantile", "topk",
  ]
  static let groupings = ["", "by (a)", "by (a, b)", "by (none)", "without (b)", "without (a, b)"]

  /// Numbers, in some data also histograms and what is no ordinary number, of two metrics of some types.
  static func data(
    _ generator: inout TelemetryGenerator, mostlyHistograms: Bool = false
  ) -> [LabelSet: [MemorySeries.Point]] {
    let hasHistograms = mostlyHistograms || generator.oneIn(3)
    let hasTypes = generator.oneIn(3)
    let hasSpecials = generator.oneIn(3)
    let specials = [Double.nan, .infinity, -.infinity, -0.0, .greatestFiniteMagnitude, -.greatestFiniteMagnitude]
    var series: [LabelSet: [MemorySeries.Point]] = [:]
    for _ in 0..<generator.int(0...60) {
      var labels = [
        Label(LabelSet.nameLabel, generator.pick(["m", "n"])), Label("a", "\(generator.int(0...2))"),
        Label("b", "\(generator.int(0...9))"),
      ]
      if hasTypes { labels.append(Label("__type__", generator.pick(["gauge", "counter"]))) }
      var points: [MemorySeries.Point] = []
      let isHistogram = hasHistograms && generator.oneIn(8) != mostlyHistograms
      for step in 0..<generator.int(0...30) where !generator.oneIn(6) {
        var value = Double(generator.int(-500...500)) / 7
        if generator.oneIn(12) { value = StaleMarker.value }
        if hasSpecials, generator.oneIn(9) { value = generator.pick(specials) }
        let histogram = isHistogram && !generator.oneIn(5) ? generator.histogram() : nil
        points.append(MemorySeries.Point(time: Int64(step) * 15_000, value: value, histogram: histogram))
      }
      series[LabelSet(labels)] = points
    }
    return series
  }

  /// All that there is to say of an aggregation, in words.
  private static func answer(
    _ text: String, _ engine: QueryEngine, _ options: QueryOptions, _ steps: Steps, folds: Bool
  ) async throws -> String {
    let expression = try Parser.parse(text)
    guard case .aggregation(let node) = expression.node else { return "no aggregation" }
    let evaluation = Evaluation(
      engine: engine, tenant: .default, text: text, steps: steps, isInstant: steps.count == 1, options: options,
      budget: QueryBudget(engine.limits))
    var lines: [String] = []
    do {
      let grid = try await evaluation.aggregate(node, steps, folds: folds)
      for row in 0..<grid.count {
        let cells = (0..<steps.count).map { step in
          switch grid.cell(row, step) {
          case .absent: "-"
          // All NaN are one: their payloads follow from the order of the operands.
          case .number(let value): value.isNaN ? "NaN" : String(value.bitPattern)
          case .histogram(let value): "\(value)"
          }
        }
        lines.append("\(grid.labels[row]) \(grid.losesName[row]) \(cells)")
      }
      lines.append("spent \(evaluation.budget.samplesSpent)")
    } catch {
      lines.append("\(error)")
    }
    let counted = evaluation.statistics
    lines.append("\(evaluation.annotations.warnings) \(evaluation.annotations.infos)")
    lines.append("\(counted.samplesRead) \(counted.seriesRead) \(counted.queryableSamplesOfSteps)")
    return lines.joined(separator: "\n")
  }

  @Test(
    "that gives, to the last bit, what reducing all of them together gives, with all remarks, of numbers and of histograms",
    arguments: 1...180)
  func sameAnswers(seed: Int) async throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let data = Self.data(&generator, mostlyHistograms: seed > 120)
    let source = MemorySeries(data, chunkSize: generator.int(1...7), tellsAllLabels: generator.oneIn(2))
    let steps = Steps(start: 0, end: Int64(generator.pick([0, 100_000, 500_000])), interval: 20_000)
    let features = QueryFeatures(delaysNameRemoval: generator.oneIn(4))
    var options = QueryOptions()
    if generator.oneIn(2) { options.statistics = .perStep }
    for _ in 0..<12 {
      let operation = generator.pick(Self.operations)
      let parameter = operation == "quantile" ? "0.5, " : operation == "topk" ? "2, " : ""
      let text =
        "\(operation) \(generator.pick(Self.groupings)) (\(parameter)\(generator.pick(Self.operands)))"
      let plain = QueryEngine(series: source, limits: .patient, features: features)
      let wanted = try await Self.answer(text, plain, options, steps, folds: false)
      for parallelism in [1, 2, 5] {
        let engine = QueryEngine(series: source, limits: .patient, parallelism: parallelism, features: features)
        let found = try await Self.answer(text, engine, options, steps, folds: true)
        #expect(found == wanted, "seed \(seed), \(parallelism) tasks: \(text)")
      }
    }
  }

  @Test("series that only their type tells apart are one where it is dropped, whichever shares they are in")
  func duplicates() async throws {
    func ask(_ later: Int64) async throws -> QueryResult {
      var series: [LabelSet: [MemorySeries.Point]] = [:]
      for index in 0..<40 {
        let labels = LabelSet(["__name__": "m", "__type__": "counter", "i": "\(index)"])
        series[labels] = [.init(time: 1000, value: 1), .init(time: 2000, value: 3)]
      }
      let again = LabelSet(["__name__": "m", "__type__": "gauge", "i": "0"])
      series[again] = [.init(time: later, value: 5), .init(time: later + 1000, value: 6)]
      let engine = QueryEngine(series: MemorySeries(series), limits: .patient, parallelism: 4)
      return try await engine.range(
        "sum without (x) (max_over_time(m{i=~\"0|7\"}[3s]))", tenant: .default, from: 2000, to: 12_000, step: 10_000)
    }
    let error = await #expect(throws: QueryError.self) { try await ask(1500) }
    #expect(error?.message == "vector cannot contain metrics with the same labelset")
    guard case .matrix(let columns) = try await ask(11_000).value else {
      Issue.record("not a matrix")
      return
    }
    #expect(columns.labels == [LabelSet(["i": "0"]), LabelSet(["i": "7"])])
    #expect(columns.values == [3, 6, 3])
  }

  // MARK: Memory

  @Test("a few shares of rows are held at once, however many series there are", arguments: [1, 2, 4])
  func memory(parallelism: Int) async throws {
    var series: [LabelSet: [MemorySeries.Point]] = [:]
    for index in 0..<2000 {
      series[LabelSet(["__name__": "m", "i": "\(index)"])] = [.init(time: 0, value: Double(index))]
    }
    let engine = QueryEngine(series: MemorySeries(series), limits: .patient, parallelism: parallelism)
    func peak(_ query: String) async throws -> Int {
      try await engine.range(query, tenant: .default, from: 0, to: 499_000, step: 1000).statistics.peakSamples
    }
    // 301 steps have a value within the lookback, and rows are of 500.
    #expect(try await peak("absent(m)") >= 2000 * 500)
    #expect(try await peak("sum(m)") <= (2 * parallelism + 1) * 70 * 500)
    #expect(try await peak("max(max_over_time(m[1m]))") <= (2 * parallelism + 1) * 70 * 500)
  }

  /// A thousand histograms at each of 100 instants.
  private static let histograms = {
    var generator = TelemetryGenerator(seed: 7)
    let histogram = generator.histogram()
    var series: [LabelSet: [MemorySeries.Point]] = [:]
    for index in 0..<1000 {
      series[LabelSet(["__name__": "h", "i": "\(index)"])] = (0..<100).map { step in
        MemorySeries.Point(time: Int64(step) * 1000, value: 0, histogram: histogram)
      }
    }
    return (source: MemorySeries(series), weight: histogram.sampleWeight)
  }()

  @Test("sums of native histograms hold as many as there are groups and steps, however many series there are")
  func histogramMemory() async throws {
    let (source, weight) = Self.histograms
    #expect(weight > 10)
    func ask(_ query: String, samplesMax: Int = QueryLimits.patient.samples) async throws -> QueryStatistics {
      var limits = QueryLimits.patient
      limits.samples = samplesMax
      let engine = QueryEngine(series: source, limits: limits, parallelism: 2)
      return try await engine.range(query, tenant: .default, from: 0, to: 99_000, step: 1000).statistics
    }
    #expect(try await ask("sum(h)").peakSamples <= 5 * 330 * 100 + 100 * weight)
    #expect(try await ask("avg by (none) (h)").peakSamples <= 5 * 330 * 100 + 100 * weight)
    // Rows of histograms weigh more than rows of numbers: what would take too much memory is refused.
    let rows = 1000 * 100 * weight
    _ = try await ask("sum(h)", samplesMax: rows - 1)
    await #expect(throws: QueryError.self) { try await ask("h", samplesMax: rows - 1) }
    _ = try await ask("h", samplesMax: rows)
  }

  @Test("a task waits where it would run too far ahead of the first share that has not come")
  func window() throws {
    let shares = OrderedShares(count: 6, window: 3, width: 1, rows: 6, into: .rows(Evaluation.Portion(width: 1)))
    func place(_ turn: OrderedShares.Turn) -> Int? { if case .share(let place, _) = turn { place } else { nil } }
    func isWaiting(_ turn: OrderedShares.Turn) -> Bool { if case .wait = turn { true } else { false } }
    func add(_ value: Int) throws {
      var portion = Evaluation.Portion(width: 1)
      portion.grid.set(portion.grid.addRow(.empty), 0, Double(value))
      try shares.add(OrderedShares.Outcome(portion: portion), at: value)
    }
    #expect((0..<3).map { _ in place(shares.turn()) } == [0, 1, 2])
    #expect(isWaiting(shares.turn()))
    try add(2)
    try add(1)
    #expect(isWaiting(shares.turn()), "the first one is still missing")
    try add(0)
    #expect((0..<3).map { _ in place(shares.turn()) } == [3, 4, 5])
    for value in [5, 3, 4] { try add(value) }
    if case .none = shares.turn() {} else { Issue.record("there is no seventh share") }
    guard case .rows(let all) = shares.takeSummary().target else {
      Issue.record("no rows")
      return
    }
    #expect(all.grid.values == [0, 1, 2, 3, 4, 5])
  }

  @Test(
    "a task that waits goes on when the share has come, and ends when another task fails", arguments: [true, false])
  func waiting(fails: Bool) async throws {
    let shares = OrderedShares(count: 2, window: 1, width: 1, rows: 0, into: .rows(Evaluation.Portion(width: 1)))
    _ = shares.turn()
    async let wait: Void = shares.waitForTurn()
    if fails {
      shares.fail()
    } else {
      try shares.add(OrderedShares.Outcome(portion: Evaluation.Portion(width: 1)), at: 0)
    }
    await wait
    if case .none = shares.turn() { #expect(fails) } else { #expect(!fails) }
  }
}
