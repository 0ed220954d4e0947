import NeedletailTelemetry
import Testing

@testable import NeedletailQueryEngine

@Suite("Start timestamps")
struct StartTests {
  private let labels = LabelSet(["__name__": "m_total"])

  /// A counter whose reset at 3 min only its start tells, with one that does not tell.
  private func answer(_ query: String, starts: [Int64], _ features: QueryFeatures = QueryFeatures()) async throws
    -> QueryResult
  {
    let points = zip([60_000, 120_000, 180_000], zip([5.0, 6, 8], starts)).map { time, rest in
      MemorySeries.Point(time: time, value: rest.0, start: rest.1)
    }
    let engine = QueryEngine(series: MemorySeries([labels: points]), limits: .patient, features: features)
    return try await engine.instant(query, tenant: .default, at: 180_000)
  }

  private func values(_ result: QueryResult) -> [Double] {
    guard case .vector(let columns) = result.value else { return [] }
    return columns.values
  }

  @Test(
    "are not used where they are turned off", arguments: ["increase", "rate", "irate", "resets", "start_timestamp"])
  func off(function: String) async throws {
    let query = "\(function)(m_total\(function == "start_timestamp" ? "" : "[3m]"))"
    let off = QueryFeatures(usesStartTimestamps: false)
    let told = try await answer(query, starts: [30_000, 30_000, 179_000], off)
    let untold = try await answer(query, starts: [0, 0, 0], off)
    #expect(values(told) == values(untold))
    let on = try await answer(query, starts: [30_000, 30_000, 179_000])
    #expect(values(on) != values(told))
  }

  @Test("that contradict each other are told of by the metric's name")
  func overlap() async throws {
    let result = try await answer("rate(m_total[3m])", starts: [1, 30_000, 30_001])
    #expect(
      result.warnings == [
        "PromQL warning: sample has start time that overlaps with previous sample timestamp for metric \"m_total\" (1:6)"
      ])
  }

  @Test("at any distance end no query", arguments: [Int64.min, -1, 1, .max - 1, .max])
  func extremes(start: Int64) async throws {
    for function in ["increase", "rate", "irate", "resets"] {
      for starts in [[start, start, start], [start, 0, start], [0, start, 0]] {
        let result = try await answer("\(function)(m_total[3m])", starts: starts)
        #expect(values(result).allSatisfy { $0.isFinite }, "\(function) \(starts)")
      }
    }
    #expect(values(try await answer("start_timestamp(m_total)", starts: [0, 0, start])).count == 1)
  }

  @Test("a start is a reset where it lies behind the sample before, or at it where that one's is known")
  func resets() {
    func isReset(_ previous: (start: Int64, time: Int64), _ next: (start: Int64, time: Int64)) -> Bool {
      CountStart.isReset(
        previousStart: previous.start, previousTime: previous.time, start: next.start, time: next.time)
    }
    #expect(!isReset((1, 10), (1, 20)))
    #expect(isReset((1, 10), (11, 20)))
    #expect(isReset((1, 10), (10, 20)))
    #expect(!isReset((0, 10), (10, 20)), "the first start is not known")
    #expect(!isReset((10, 10), (10, 20)), "nor is one at its own sample")
    #expect(!isReset((11, 10), (10, 20)), "nor one behind it")
    #expect(!isReset((1, 10), (0, 20)))
    #expect(!isReset((1, 10), (20, 20)))
    #expect(!isReset((1, 10), (21, 20)))
    #expect(CountStart.overlaps(previousStart: 1, previousTime: 10, start: 2))
    #expect(!CountStart.overlaps(previousStart: 1, previousTime: 10, start: 1))
    #expect(!CountStart.overlaps(previousStart: 1, previousTime: 10, start: 10))
    #expect(!CountStart.overlaps(previousStart: 1, previousTime: 10, start: 0))
  }
}
