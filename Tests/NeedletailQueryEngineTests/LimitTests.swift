import NeedletailQueryEngine
import NeedletailTelemetry
import Testing

@Suite("Queries stop at their limits")
struct LimitTests {
  private static func engine(_ limits: QueryLimits) -> QueryEngine {
    var series: [LabelSet: [MemorySeries.Point]] = [:]
    for index in 0..<20 {
      series[LabelSet(["__name__": "m", "i": "\(index)"])] = (0..<50).map {
        MemorySeries.Point(time: Int64($0) * 1000, value: 1)
      }
    }
    return QueryEngine(series: MemorySeries(series), limits: limits)
  }

  private static func failure(_ query: String, _ limits: QueryLimits, end: Int64 = 49_000) async -> QueryError? {
    await #expect(throws: QueryError.self) {
      try await engine(limits).range(query, tenant: .default, from: 0, to: end, step: 1000)
    }
  }

  @Test("too many samples, series, steps or values are errors that name the limit")
  func limits() async {
    #expect(await Self.failure("m", QueryLimits(samples: 100))?.kind == .execution)
    #expect(await Self.failure("m", QueryLimits(series: 10))?.message.contains("10 series") == true)
    #expect(await Self.failure("m", QueryLimits(resultSamples: 10))?.message.contains("10 values") == true)
    #expect(await Self.failure("m", QueryLimits(), end: 11_001_000)?.kind == .badData)
    #expect(await Self.failure("sum_over_time(vector(1)[10000d:1ms])", QueryLimits())?.kind == .execution)
    #expect(await Self.failure("rollup(m[5s])", QueryLimits(samples: 2000))?.kind == .execution)
    #expect(await Self.failure("m{i=\"1\" or i!=\"\"}", QueryLimits(series: 10))?.message.contains("10 series") == true)
    #expect(await Self.failure("(m, m * 2, m * 3)", QueryLimits(samples: 3500))?.kind == .execution)
    #expect(await Self.failure("m", QueryLimits(timeout: .zero))?.kind == .timeout)
    #expect(await Self.failure("m[5m]", QueryLimits())?.kind == .badData)
    #expect(await Self.failure("m +", QueryLimits())?.kind == .badData)
  }

  @Test(
    "events of too many bytes are an error that names the limit, and functions over them are not", arguments: [19, 20])
  func eventBytes(limit: Int) async throws {
    let stream = LabelSet(["service": "a"])
    let events = (1...4).map { MemoryEvents.Event(stream: stream, time: Int64($0) * 1_000_000_000, text: "five!") }
    let engine = QueryEngine(
      series: MemorySeries([:]), events: MemoryEvents(events), limits: QueryLimits(eventBytes: limit))
    func ask(_ query: String) async throws -> QueryResult {
      try await engine.range(query, tenant: .default, from: 0, to: 5000, step: 1000)
    }
    for signal in ["logs", "spans"] {
      if limit == 19 {
        let error = await #expect(throws: QueryError.self) { try await ask("\(signal){}") }
        #expect(error?.kind == .execution && error?.message.contains("(limit 19)") == true)
      } else {
        _ = try await ask("\(signal){}")
      }
      _ = try await ask("count_over_time(\(signal){}[5s])")
    }
  }

  @Test(
    "operands that are functions over events count towards the limit of samples like all others",
    arguments: [2599, 2600])
  func eventOperands(limit: Int) async throws {
    let events = (0..<50).map { index in
      MemoryEvents.Event(stream: LabelSet(["i": "\(index)"]), time: Int64(index) * 1_000_000_000, text: "line")
    }
    let engine = QueryEngine(
      series: MemorySeries([:]), events: MemoryEvents(events), limits: QueryLimits(samples: limit))
    func ask() async throws -> QueryResult {
      let query = "sum(count_over_time(logs{}[1m]))"
      return try await engine.range(query, tenant: .default, from: 0, to: 49_000, step: 1000)
    }
    // 50 events, 50 series at 50 steps, and their sum.
    if limit == 2600 {
      _ = try await ask()
    } else {
      let error = await #expect(throws: QueryError.self) { try await ask() }
      #expect(error?.kind == .execution && error?.message.contains("limit 2599") == true)
    }
  }

  @Test("the highest tree that parses can be evaluated")
  func height() async throws {
    let query = "m" + String(repeating: " + m", count: 390)
    let result = try await Self.engine(.patient).instant(query, tenant: .default, at: 10_000)
    guard case .vector(let columns) = result.value else {
      Issue.record("not a vector")
      return
    }
    #expect(columns.values == [Double](repeating: 391, count: 20))
  }

  @Test("a canceled task ends its query as canceled")
  func cancellation() async {
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await Self.engine(QueryLimits()).instant("sum(m)", tenant: .default, at: 10_000)
    }
    let error = await #expect(throws: QueryError.self) { try await task.value }
    #expect(error?.kind == .canceled)
  }
}
