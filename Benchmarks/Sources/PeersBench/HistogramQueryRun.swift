import BenchmarkSupport
import Foundation

/// Questions to servers that hold the load of native histograms: compared first, and only then timed.
struct HistogramQueryRun {
  let queries: QueryRun
  /// How many histograms there are within the hour before the end.
  let histograms: Int

  private static let metric = "http_request_latency_seconds"
  private static let everything = QueryShape(
    name: "scan, count_over_time of an hour", form: .instant("sum(count_over_time(\(metric)[1h]))"))
  /// With how far answers may lie apart. Within a bucket Prometheus interpolated linearly before version 3, and exponentially since: with
  /// buckets of schema 3 that is at most a thousandth of a quantile.
  private static let shapes: [(shape: QueryShape, tolerance: Double)] = [
    (
      QueryShape(
        name: "quantile over all", form: .instant("histogram_quantile(0.99, sum(rate(\(metric)[5m])))")), 0.001
    ),
    (
      QueryShape(
        name: "quantile by service",
        form: .instant("histogram_quantile(0.99, sum by (service) (rate(\(metric)[5m])))")), 0.001
    ),
    (QueryShape(name: "count", form: .instant("histogram_count(sum(rate(\(metric)[5m])))")), 1e-9),
    (everything, 1e-9),
  ]

  /// Whether a server has histograms of the load; asked before it is measured, as some drop what they do not know without a word.
  static func holdsHistograms(_ server: RunningServer, endSeconds: Int) throws -> Bool {
    let query = QueryShape.encoded("count(\(metric))")
    let answer = try Connection(port: server.port).get("/api/v1/query?query=\(query)&time=\(endSeconds)&nocache=1")
    guard answer.status == 200, let content = Answer(answer.bytes) else {
      throw BenchmarkError("\(server.contestant.name): answer \(answer.status)")
    }
    return !content.series.isEmpty
  }

  func run(into figures: inout FigureTable) throws {
    try compare()
    figures.note(
      "answers were compared before any was timed: quantiles to a thousandth, as Prometheus 2 interpolates linearly within a bucket, "
        + "others to 1e-9")
    for (shape, _) in Self.shapes {
      for server in queries.servers {
        let cost = try queries.cost(shape, server, fewest: 3)
        figures.record("\(shape.name): p50 ms", server.contestant.name, cost.milliseconds)
        figures.record("\(shape.name): CPU ms", server.contestant.name, cost.cpuMilliseconds)
      }
    }
  }

  /// Throws where a server lacks histograms, or answers otherwise than the first one.
  private func compare() throws {
    for (shape, tolerance) in Self.shapes {
      let answers = try queries.servers.map { try queries.answer(shape, $0) }
      for (server, answer) in zip(queries.servers, answers) {
        guard !answer.series.isEmpty else {
          throw BenchmarkError("\(shape.name): no answer of \(server.contestant.name)")
        }
        if let difference = answer.difference(from: answers[0], tolerance: tolerance) {
          throw BenchmarkError("\(shape.name): \(server.contestant.name) answers otherwise: \(difference)")
        }
        let count = answer.series.values.first?.values.first
        if shape.name == Self.everything.name, count != Double(histograms) {
          throw BenchmarkError(
            "\(server.contestant.name) has \(count ?? 0) histograms, not \(histograms)")
        }
      }
    }
  }
}
