import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailQueryEngine

@Suite("A range query is its instant queries side by side")
struct StepTests {
  static let queries = [
    "m", "m offset 90s", "m @ 300", "m @ end()", "rate(m[4m])", "increase(m[3m] offset 1m)", "sum by (a) (m)",
    "max_over_time(m[5m])", "avg_over_time(rate(m[2m])[10m:1m])", "m / on (a, b) m", "m > 20", "-m", "m or vector(3)",
    "sum(m) * 2 ^ 3", "topk(2, m)", "count_values(\"v\", m)", "quantile(0.3, m)", "absent(m{a=\"none\"})",
    "label_replace(m, \"c\", \"$1\", \"a\", \"(.).*\")", "timestamp(m)", "hour() * on () group_right minute(m)",
    "stddev_over_time(m[6m])",
    "predict_linear(m[5m], 60)", "deriv(m[5m])", "quantile_over_time(0.9, m[7m])", "changes(m[9m])",
    "scalar(m{a=\"0\",b=\"0\"})",
    "m * on (a) group_left sum by (a) (m)", "m unless on (b) (m > 30)", "clamp(m, 5, 25)", "irate(m[5m])", "time()",
    "histogram_quantile(0.5, label_replace(m, \"le\", \"$1\", \"b\", \"(.*)\"))", "last_over_time(m[90s])",
    "sum_over_time(h[5m])", "rate(h[5m])", "histogram_quantile(0.9, h)", "h * 2", "avg(h)", "min_over_time(m[31s])",
    "m smoothed", "m smoothed offset -1m", "sum(m @ 300 smoothed)", "h smoothed", "rate(m[3m] smoothed)",
    "increase(m[40s] anchored)", "delta(m[3m] anchored @ end())", "changes(m[2m] anchored)", "resets(h[3m] anchored)",
    "rate(h[90s] smoothed)", "increase(h[2m] anchored offset 1m)", "timestamp(m smoothed)",
    "max_over_time(increase(m[1m] smoothed)[5m:1m])",
    "info(label_replace(m, \"job\", \"$1\", \"a\", \"(.*)\"))",
    "m if on (a, b) (m > 20)", "m ifnot (m > 20)", "median_over_time(m[7m])", "increases_over_time(m[3m])",
    "increase_pure(m[2m])", "rollup(m[4m])", "integrate(m[4m])", "rollup_rate(m[3m] offset 1m)",
    "aggr_over_time((\"rate\", \"mode_over_time\"), m[5m])", "quantiles_over_time(\"q\", 0.1, 0.9, m[5m])",
    "median by (a) (m)", "share by (a) (m)", "zscore(m)", "quantiles(\"q\", 0.5, m)", "distinct(m)", "geomean(m + 1)",
    "{__name__=\"m\", a=\"1\" or b=\"2\"}", "sum(rate({__name__=\"m\", a=\"1\" or a=~\".\", b=\"2\"}[4m]))",
    "union(m > 20, m)", "rand(1) * m", "label_set(m, \"c\", \"d\")", "tlast_change_over_time(m[3m])", "ideriv(m[2m])",
    "increase_pure(m[5m:1m])", "ru(m, m + 5)", "rate(m[4m]) keep_metric_names", "outlier_iqr_over_time(m[9m])",
    "max_over_time(ascent_over_time(m[2m])[5m:1m] offset 30s)", "lifetime(m[31s])", "mode by (b) (m)", "sum2(m)",
    "info(label_replace(m offset 2m, \"job\", \"$1\", \"a\", \"([01])\"), {version=~\"1|2\"})",
  ]

  /// Series with gaps, stale markers, resets and NaN, at odd times.
  static func data(seed: UInt64, tellsAllLabels: Bool = false) -> MemorySeries {
    var random = SeededGenerator(seed: seed)
    var series: [LabelSet: [MemorySeries.Point]] = [:]
    for a in 0..<3 {
      for b in 0..<3 {
        var value = Double(random.next() % 10)
        var points: [MemorySeries.Point] = []
        for step in 0..<40 {
          let kind = random.next() % 20
          value = kind == 0 ? 0 : value + Double(random.next() % 8)
          if kind == 1 { continue }
          let time = Int64(step) * 30_000 + Int64(random.next() % 5000)
          points.append(
            MemorySeries.Point(time: time, value: kind == 2 ? StaleMarker.value : kind == 3 ? .nan : value))
        }
        series[LabelSet(["__name__": "m", "a": "\(a)", "b": "\(b)"])] = points
      }
      var histogram = NativeHistogram(schema: Int8(a), zeroThreshold: 0.1, zeroCount: 1, count: 6, sum: 10)
      histogram.positiveSpans = [.init(offset: 0, length: 2)]
      histogram.positiveBuckets = [2, 3]
      series[LabelSet(["__name__": "h", "a": "\(a)"])] = (0..<20).map {
        MemorySeries.Point(time: Int64($0) * 60_000, value: 0, histogram: histogram.scaled(by: Double($0 + 1)))
      }
    }
    // Two versions of each job, which overlap.
    for job in 0..<3 {
      for (version, steps) in [("1", 0..<20), ("2", 17..<40)] {
        series[LabelSet(["__name__": "target_info", "job": "\(job)", "version": version])] = steps.map {
          MemorySeries.Point(time: Int64($0) * 30_000 + (version == "1" ? 10_000 : 20_000), value: 1)
        }
      }
    }
    return MemorySeries(series, tellsAllLabels: tellsAllLabels)
  }

  private static func table(_ columns: SeriesColumns, into table: inout [String: String]) {
    var histogram = 0
    for series in 0..<columns.count {
      for index in columns.offsets[series]..<columns.offsets[series + 1] {
        var text = columns.values[index].description
        if histogram < columns.histogramIndexes.count, columns.histogramIndexes[histogram] == index {
          text = columns.histograms[histogram].text
          histogram += 1
        }
        table["\(columns.labels[series]) @ \(columns.timestamps[index])"] = text
      }
    }
  }

  @Test("every step yields what an instant query at its time yields", arguments: queries)
  func sameAsInstant(query: String) async throws {
    for seed: UInt64 in 0..<3 {
      let engine = QueryEngine(series: Self.data(seed: seed), limits: .patient)
      let (start, end, step): (Int64, Int64, Int64) = (0, 1_300_000, 47_000)
      let range = try await engine.range(query, tenant: .default, from: start, to: end, step: step)
      guard case .matrix(let columns) = range.value else {
        Issue.record("not a matrix")
        return
      }
      var found: [String: String] = [:]
      Self.table(columns, into: &found)
      // In an instant query `end()` is the query's own time, so it is spelt out.
      let last = start + (end - start) / step * step
      let spelt = query.replacing("@ end()", with: "@ \(Double(end) / 1000)")
      var wanted: [String: String] = [:]
      for time in stride(from: start, through: last, by: Int64.Stride(step)) {
        switch try await engine.instant(spelt, tenant: .default, at: time).value {
        case .vector(let columns): Self.table(columns, into: &wanted)
        case .scalar(let value, _): wanted["{} @ \(time)"] = value.description
        default: Issue.record("neither vector nor scalar")
        }
      }
      #expect(found == wanted, "seed \(seed)")
      #expect(!wanted.isEmpty)
    }
  }
}
