import NeedletailEnvironment
import NeedletailQueryLanguage
import NeedletailTelemetry
import Testing

@testable import NeedletailQueryEngine

@Suite("What a query would do, and what it did")
struct QueryPlanTests {
  private let source = MemorySeries([:])

  private func plan(_ text: String, step: Int64? = 15_000, cache: Bool = true) async throws -> QueryPlan {
    let engine = QueryEngine(
      series: source, parallelism: 2, cache: cache ? StepCache(bytesMax: 1 << 20) : nil)
    return try await engine.plan(
      try Parser.parse(text), text: text, tenant: .default, from: 0, to: 60_000, step: step)
  }

  @Test("the parts of the expression stand below each other, and selections know what is read for them")
  func parts() async throws {
    let plan = try await plan(
      #"(topk(2, +sum by (job) (rate(m{a=~"b|c"}[5m])))) / on (job) group_left (x) (up offset 1m)"#)
    #expect(
      plan.nodes.map { String(repeating: " ", count: $0.depth) + $0.text + ($0.read.map { " <\($0)" } ?? "") } == [
        "/ on (job) group_left (x)", " topk 2", "  sum by (job)", "   rate", #"    m{a=~"b|c"}[5m] <0"#,
        " up offset 1m <1",
      ])
    #expect(plan.reads.map(\.matchers) == [[#"__name__="m""#, #"a=~"b|c""#], [#"__name__="up""#]])
    #expect(plan.reads.map(\.labels) == [["job", "__name__"], nil])
    #expect(plan.reads.map(\.function) == ["rate", nil] && plan.reads.allSatisfy { $0.tasksMax == 2 })
    #expect(
      plan.reads.map(\.range) == [
        TimeRange(startMilliseconds: -299_999, endMilliseconds: 60_000),
        TimeRange(startMilliseconds: -359_999, endMilliseconds: 0),
      ])
    #expect(plan.stepCount == 5 && plan.interval == 15_000 && plan.type == .vector)
  }

  @Test("lengths of time are worked out, literals and parentheses have no line of their own")
  func folding() async throws {
    let plan = try await plan("(clamp(max_over_time(x[2 * step()]), -1, 5))")
    #expect(plan.nodes.map(\.text) == ["clamp -1, 5", "max_over_time", "x[2 * step()]"])
    #expect(plan.reads.map(\.reach) == [30_000])
    #expect(try await self.plan("1 + 2", step: nil).nodes.map(\.text) == ["+"])
    #expect(try await self.plan("5", step: nil).nodes.map(\.text) == ["5"])
    let events = try await self.plan(#"sum(rate(logs{a="b"}[1m]))"#, step: nil)
    #expect(events.nodes.map(\.text) == ["sum", "rate", #"logs{a="b"} [1m]"#] && events.reads.isEmpty)
  }

  @Test("it tells whether steps that are kept would be used")
  func cache() async throws {
    #expect(try await plan("m").cache == .used)
    #expect(try await plan("m", cache: false).cache == .off)
    #expect(try await plan("m", step: nil).cache == .oneStep)
    #expect(try await plan("m @ 5").cache == .dependent)
  }

  @Test("what is wrong with a query is wrong with its plan")
  func errors() async {
    await #expect(throws: QueryError.self) { try await plan("m[5m]") }
    await #expect(throws: QueryError.self) { try await plan("m", step: 0) }
    await #expect(throws: QueryError.self) { try await plan("x[-1 * step()]") }
  }

  // MARK: Statistics

  private struct StoppedClock: WallClock {
    func wallNanoseconds() -> Int64 { 0 }
    func monotonicNanoseconds() -> Int64 { 0 }
  }

  private func statistics(
    _ text: String, _ detail: QueryStatistics.Detail, from start: Int64 = 0, to end: Int64 = 60_000
  ) async throws -> QueryStatistics {
    let points = (0...6).map { MemorySeries.Point(time: Int64($0) * 10_000, value: Double($0)) }
    let source = MemorySeries([
      LabelSet(["__name__": "m", "n": "0"]): points, LabelSet(["__name__": "m", "n": "1"]): points,
    ])
    var options = QueryOptions()
    options.statistics = detail
    let engine = QueryEngine(series: source, clock: StoppedClock())
    return try await engine.range(text, tenant: .default, from: start, to: end, step: 20_000, options: options)
      .statistics
  }

  @Test("what steps look at is counted as Prometheus counts it: a sample as often as steps see it")
  func queryableSamples() async throws {
    let instant = try await statistics("sum(m)", .perStep)
    #expect(instant.queryableSamplesOfSteps == [2, 2, 2, 2] && instant.queryableSamples == 8)
    #expect(instant.samplesRead == 14 && instant.seriesRead == 2 && instant.peakSamples >= 14)
    let range = try await statistics("rate(m[30s])", .perStep)
    #expect(range.queryableSamplesOfSteps == [2, 6, 6, 6])
    let both = try await statistics("rate(m[30s]) + m", .perStep)
    #expect(both.queryableSamplesOfSteps == [4, 8, 8, 8] && both.queryableSamples == 28)
    let subquery = try await statistics("max_over_time(m[20s:10s])", .perStep)
    #expect(
      subquery.queryableSamplesOfSteps == [2, 4, 4, 4], "of a subquery its values count, not what they are made of")
    let totals = try await statistics("rate(m[30s])", .totals)
    #expect(totals.queryableSamples == 20 && totals.queryableSamplesOfSteps.isEmpty)
  }

  @Test("nothing but what is read is counted unless it is asked for")
  func plain() async throws {
    let statistics = try await statistics("rate(m[30s]) + m", .reading)
    #expect(statistics.queryableSamples == 0 && statistics.queryableSamplesOfSteps.isEmpty)
    #expect(statistics.samplesRead == 28 && statistics.evaluationNanoseconds == 0)
  }
}
