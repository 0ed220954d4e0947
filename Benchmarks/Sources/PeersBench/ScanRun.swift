import BenchmarkSupport
import Foundation

/// Scans: how much CPU it takes to read samples, by classes of metrics.
struct ScanRun {
  let queries: QueryRun

  private static let classes = [
    ("counters, hundredths", ["node_cpu_seconds_total"]),
    ("whole counters", names { $0.hasPrefix("node_network_") || $0 == "http_requests_total" }),
    ("histogram buckets", ["http_request_duration_seconds_bucket"]),
    ("gauges, two decimals", names { $0.hasPrefix("node_load") || $0.hasPrefix("node_hwmon") }),
    ("gauges in pages", names { $0.hasPrefix("node_memory_") }),
    ("full mantissa", ["service_latency_ewma_seconds"]), ("everything", names { _ in true }),
  ]

  private static func names(_ isMeant: (String) -> Bool) -> [String] {
    Set(SeriesTemplate.devops.map(\.name)).filter(isMeant).sorted()
  }

  func run(into figures: inout FigureTable) {
    for (name, metrics) in Self.classes {
      // A sum for each metric: over several at once the counts of two could carry the same labels, which is an error.
      let query = metrics.map { "sum(count_over_time(\($0)[1h]))" }.joined(separator: " + ")
      for server in queries.servers {
        do {
          let cost = try queries.cost(QueryShape(name: name, form: .instant(query)), server, fewest: 3)
          guard let samples = Answer(cost.answer)?.series.values.first?.values.first else {
            throw BenchmarkError("no number in the answer")
          }
          figures.record(
            "scan, \(name): CPU s per million samples", server.contestant.name,
            cost.cpuMilliseconds * 1_000 / samples, target: .ratio(0.4))
          if name == "everything" {
            figures.record("scan, everything: millions of samples counted", server.contestant.name, samples / 1e6)
            figures.record("scan, everything: wall ms", server.contestant.name, cost.milliseconds)
          }
        } catch { figures.note("scan, \(name), \(server.contestant.name): \(error)") }
      }
    }
  }
}
