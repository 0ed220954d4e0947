import NeedletailQueryEngine
import NeedletailTelemetry
import Testing

/// What a source answers to an expression over the ten minutes of `ReadCluster.appendSome`: values, and all else in words.
struct ReadAnswer {
  private var values: [String: [Int64: Double]] = [:]
  /// Remarks, or what was thrown.
  private(set) var texts: [String] = []
  private(set) var isComplete = false
  private(set) var statistics = QueryStatistics()

  init(
    _ expression: String, _ source: any SeriesSource, limits: QueryLimits = QueryLimits(),
    start: Int64 = ReadCluster.start, step: Int64 = 60_000
  ) async {
    let engine = QueryEngine(series: source, limits: limits, parallelism: 2)
    do {
      let result = try await engine.range(
        expression, tenant: .default, from: start, to: ReadCluster.start + 600_000, step: step)
      isComplete = result.coverage.isComplete
      statistics = result.statistics
      texts = (result.warnings + result.infos).sorted()
      guard case .matrix(let columns) = result.value else { return }
      for row in 0..<columns.count {
        for sample in columns.offsets[row]..<columns.offsets[row + 1] {
          values[columns.labels[row].description, default: [:]][columns.timestamps[sample]] = columns.values[sample]
        }
      }
    } catch {
      // Which series it names hangs on their order, which is another one in a part than in a head.
      texts = ["\(error)".prefix { $0 != "{" }.description]
    }
  }

  /// All of it is the same, to the last bit.
  func expectEqual(to wanted: ReadAnswer, _ comment: String) {
    #expect(texts == wanted.texts, "\(comment)")
    #expect(isComplete == wanted.isComplete, "\(comment)")
    #expect(
      values.mapValues { $0.mapValues(\.bitPattern) } == wanted.values.mapValues { $0.mapValues(\.bitPattern) },
      "\(comment)")
    #expect(statistics.seriesRead == wanted.statistics.seriesRead, "\(comment)")
  }

  /// Values may differ by as much as the order of additions makes: a trillionth.
  func expectSame(as wanted: ReadAnswer, _ comment: String) {
    #expect(texts == wanted.texts, "\(comment)")
    #expect(values.keys.sorted() == wanted.values.keys.sorted(), "\(comment)")
    for (labels, others) in wanted.values {
      guard let own = values[labels] else { continue }
      #expect(own.keys.sorted() == others.keys.sorted(), "\(labels) \(comment)")
      for (time, other) in others {
        guard let value = own[time] else { continue }
        let isSame = value == other || (value.isNaN && other.isNaN) || abs(value - other) <= 1e-12 * abs(other)
        #expect(isSame, "\(labels) at \(time): \(value) in place of \(other) \(comment)")
      }
    }
  }
}
