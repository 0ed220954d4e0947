import Foundation
import NeedletailProcesses
import Testing

/// VictoriaMetrics decides what MetricsQL means, as far as the installed one (Debian's) knows it. Series are sampled every
/// ten seconds and asked for at those times, so that the lookback, which both find in different ways, decides nothing.
@Suite("A real VictoriaMetrics", .serialized, .enabled(if: OutsideProgram.isExpected("victoria-metrics")))
struct VictoriaMetricsTests {
  private static let step = 10
  private static let count = 31

  /// Asked at the last sample, with all samples but the first within five minutes.
  private static let instant = [
    "g default 0", "(g > 9) default 0", "nosuch default 5", "nosuch default g", "h default on (a) g", "g if on (a) h",
    "g ifnot on (a) h", "1 if on () h", "g default on (a) group_left () h", "g > 5 default 3 if on (a) h",
    "abs(g) keep_metric_names", "rate(c[1m] offset 1m) keep_metric_names + 0", "1.5Ki + 1", "10M", "5K + h", "(g, h)",
    "union(1, g)", "with (x = 5) x + h", "with (f = {a=\"1\"}) g{f}", "with (f(x) = x * 2, y = f(g)) f(y) - y",
    "with (w = 1m, s(m) = sum(sum_over_time(m[1m])) by (b)) s(g)",
    "rollup(g[1m])", "rollup_delta(c[1m] offset 1m)", "rollup_rate(c[1m] offset 1m)",
    "rollup_scrape_interval(g[1m])", "quantiles_over_time(\"q\", 0.5, 0.99, g[5m])",
    "aggr_over_time((\"count_over_time\", \"sum_over_time\"), g[5m])", "range_over_time(g[5m])",
    "median_over_time(g[5m])", "mode_over_time(g[10m])", "distinct_over_time(g[5m])", "increases_over_time(g[5m])",
    "decreases_over_time(g[5m])", "increases_over_time(g[1m])", "ascent_over_time(g[5m])", "descent_over_time(g[1m])",
    "integrate(g[5m])", "integrate(g[1m])", "lag(g[5m])", "lifetime(c[10m])", "scrape_interval(g[5m])",
    "tmin_over_time(g[5m])", "tmax_over_time(g[5m])", "tfirst_over_time(g[5m])", "tlast_over_time(g[1m])",
    "tlast_change_over_time(g[5m])", "count_eq_over_time(g[5m], 7)", "count_ne_over_time(g[5m], 7)",
    "count_gt_over_time(g[5m], 7)", "count_le_over_time(g[5m], 7)", "share_gt_over_time(g[5m], 5)",
    "share_le_over_time(g[5m], 5)", "sum2_over_time(g[5m])", "geomean_over_time(g[5m])", "rate_over_sum(g[5m])",
    "zscore_over_time(g[5m])", "increase_pure(c[5m])", "increase_pure(c[1m])", "increase_pure(c[10m])",
    "ideriv(g[1m])", "deriv_fast(g[5m])", "duration_over_time(g[5m], 11)", "duration_over_time(g[5m], 9)",
    "hoeffding_bound_upper(0.9, g[5m])", "hoeffding_bound_lower(0.9, g[5m])",
    "median(g)", "median(g) by (b)", "mode(g) by (b)", "distinct(g)", "sum2(g) by (b)", "geomean(g)", "mad(g)",
    "quantiles(\"phi\", 0.5, 0.9, g) by (b)", "zscore(g{b=\"x\"}) by (b)", "outliersk(1, g)", "outliersk(2, g) by (b)",
    "topk_avg(1, g)", "topk_max(1, g, \"rest=other\")", "bottomk_min(1, g, \"rest\") by (b)", "topk_last(2, g)",
    "bottomk_last(1, g)", "count(any(g) by (b))", "sum(g) by (a) limit 3",
    "label_set(g, \"c\", \"d\", \"b\", \"\")", "label_del(g, \"b\")", "label_keep(g, \"a\")",
    "label_copy(g, \"a\", \"c\", \"nosuch\", \"b\")", "label_move(g, \"b\", \"c\")",
    "label_map(g, \"b\", \"x\", \"X\", \"y\", \"\")", "label_match(g, \"b\", \"x\")", "label_mismatch(g, \"b\", \"x\")",
    "label_transform(g, \"b\", \"[xz]\", \"<$0>\")",
    "label_transform(alias(h, \"foo_bar\"), \"__name__\", \"o\", \"0\")",
    "label_value(g, \"a\")", "label_uppercase(g, \"b\")", "label_lowercase(label_uppercase(g, \"b\"), \"b\")",
    "label_graphite_group(alias(h, \"a.b.c\"), 0, 2, 7)", "alias(h, \"i\")", "drop_common_labels(g{a=~\"1|3\"})",
    "bitmap_and(g, 3)", "bitmap_or(g, 3)", "bitmap_xor(g, 3)", "ru(h, g + 5)",
  ]

  /// Asked at the first seven samples.
  private static let ranges = [
    "(g > 9) default 0", "(g > 9) default h", "g if (g > 5)", "g ifnot (g > 5)", "(g > 5) if on (a) h",
    "range_sum(g)", "range_avg(g)", "range_min(g)", "range_max(g)", "range_first(g)", "range_last(g)",
    "range_median(g)", "range_quantile(0.9, g)", "running_sum(g)", "running_avg(g)", "running_min(g)", "running_max(g)",
    "keep_last_value(g != 7)", "keep_next_value(g != 7)", "interpolate(g{a=\"1\"} != 7)", "remove_resets(c)",
    "smooth_exponential(g, 0.3)", "ttf(50 - c)", "topk_avg(1, g, \"rest\")", "topk_median(3, (g, h))",
    "topk_min(1, g) by (b)",
    "bottomk_max(1, g)", "bottomk_median(1, (g, h))", "bottomk_avg(1, g, \"rest\") by (b)", "outliersk(1, g)",
    "median(g)", "quantiles(\"phi\", 0.1, g)", "union(g, g)", "ascent_over_time(g[30s])",
  ]

  /// What differs on purpose, and why.
  private static let differences: [(query: String, reason: String)] = [
    ("running_sum(g{a=\"1\"} != 7)", "gaps stay gaps"), ("range_sum(g{a=\"1\"} != 7)", "gaps stay gaps"),
    ("union(g > 9, g)", "each step on its own: where the first has no value the next one's counts"),
    ("ttf(c)", "what never runs out lasts for the longest time there is, a year, not for minus infinity"),
    ("mode_over_time(g[30s])", "the sample before the range is none of its values"),
    ("rollup_increase(g[1m])", "all differences within the range and none twice"),
    ("zscore(g{b=\"x\"} + 0)", "what is equal to the mean lies no deviation from it, also where there is none"),
    ("geomean_over_time((0 - h)[1m:10s])", "negative numbers have no geometric mean"),
  ]

  /// Names that this version of VictoriaMetrics drops and newer ones keep.
  private static let namesDiffer = ["range_", "running_", "keep_", "interpolate", "smooth_"]

  private func series(_ base: Int) -> RemoteWriteBody {
    var body = RemoteWriteBody()
    func add(_ labels: [String: String], _ value: (Int) -> Int) {
      body.add(
        labels,
        (0..<Self.count).map { (time: Int64(base + $0 * Self.step) * 1000, value: Double(value($0))) })
    }
    add(["__name__": "g", "a": "1", "b": "x"]) { $0 * 7 % 11 }
    add(["__name__": "g", "a": "2", "b": "y"]) { $0 * 5 % 13 + 1 }
    add(["__name__": "g", "a": "3", "b": "x"]) { $0 == 3 ? 40 : 6 + $0 % 2 }
    add(["__name__": "c", "a": "1"]) { $0 < 16 ? 5 * $0 : 5 * ($0 - 16) }
    add(["__name__": "h", "a": "1"]) { _ in 2 }
    return body
  }

  /// An answer by labels and time, in seconds since the first sample; NaN is nothing.
  private func values(_ data: Any, base: Int, dropsNames: Bool) throws -> [String: [Int: Double]] {
    let answer = try #require(data as? [String: Any])
    var found: [String: [Int: Double]] = [:]
    func add(_ metric: [String: String], _ point: [Any]) {
      let labels = metric.filter { !dropsNames || $0.key != "__name__" }
      let key = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
      guard let time = (point[0] as? NSNumber)?.doubleValue, let value = Double(point[1] as? String ?? ""), !value.isNaN
      else { return }
      found[key, default: [:]][Int(time) - base] = value
    }
    if answer["resultType"] as? String == "scalar" {
      add([:], try #require(answer["result"] as? [Any]))
      return found
    }
    for series in try #require(answer["result"] as? [[String: Any]]) {
      let metric = try #require(series["metric"] as? [String: String])
      let one = (series["value"] as? [Any]).map { [$0] } ?? []
      for point in (series["values"] as? [[Any]]) ?? one { add(metric, point) }
    }
    return found
  }

  private func areEqual(_ left: [String: [Int: Double]], _ right: [String: [Int: Double]]) -> Bool {
    guard left.keys == right.keys else { return false }
    return left.allSatisfy { key, points in
      let others = right[key] ?? [:]
      return points.keys == others.keys
        && points.allSatisfy { time, value in
          let other = others[time] ?? .nan
          return value == other
            || value.isFinite && other.isFinite && abs(value - other) <= 1e-9 * max(abs(value), abs(other))
        }
    }
  }

  @Test("answers what Needletail answers, but for what is known to differ", .timeLimit(.minutes(20)))
  func sameAnswers() async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let port = try FreePorts.take(1)[0]
    let folder = FileManager.default.temporaryDirectory.appending(path: "needletail-victoria-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let peer = try RunningProcess(
      "victoria-metrics",
      [
        "-storageDataPath=\(folder.path)", "-httpListenAddr=127.0.0.1:\(port)", "-search.latencyOffset=0s",
        "-search.disableCache",
      ])
    defer { peer.end(SIGKILL) }
    try await eventually(seconds: 60, "VictoriaMetrics is ready: \(peer.output)") {
      (try? await server.get("/health", port: port))?.status == 200
    }
    // Whole minutes, an hour ago.
    let base = (Int(Date().timeIntervalSince1970) / 60 - 60) * 60
    let end = base + (Self.count - 1) * Self.step
    for target in [server.port, port] {
      let answer = try await server.client.post(
        "/api/v1/write", series(base).bytes, type: "application/x-protobuf", port: target,
        headers: ["content-encoding": "snappy", "x-prometheus-remote-write-version": "0.1.0"])
      #expect((200..<300).contains(answer.status))
    }
    func ask(_ query: String, isRange: Bool, port: Int) async throws -> [String: [Int: Double]] {
      var parameters = ["query": query, "nocache": "1"]
      if isRange {
        parameters["start"] = "\(base)"
        parameters["end"] = "\(base + 60)"
        parameters["step"] = "\(Self.step)"
      } else {
        parameters["time"] = "\(end)"
      }
      let path = isRange ? "/api/v1/query_range" : "/api/v1/query"
      let data: Any
      do {
        data = try await server.client.prometheus(path, parameters, port: port)
      } catch {
        throw TestFailure("\(query): \(error)")
      }
      let dropsNames = Self.namesDiffer.contains { query.hasPrefix($0) }
      return try values(data, base: base, dropsNames: dropsNames)
    }
    _ = try await server.get("/internal/force_flush", port: port)
    try await eventually(seconds: 30, "both have all series") {
      let ours = try await ask("count({__name__=~\"g|c|h\"})", isRange: false, port: server.port)
      let theirs = try await ask("count({__name__=~\"g|c|h\"})", isRange: false, port: port)
      return areEqual(ours, theirs) && ours[""]?.values.first == 5
    }
    for (query, isRange) in Self.instant.map({ ($0, false) }) + Self.ranges.map({ ($0, true) }) {
      let ours = try await ask(query, isRange: isRange, port: server.port)
      let theirs = try await ask(query, isRange: isRange, port: port)
      #expect(areEqual(ours, theirs), "\(query)\n ours: \(ours)\n theirs: \(theirs)")
    }
    for (query, reason) in Self.differences {
      let ours = try await ask(query, isRange: true, port: server.port)
      let theirs = try await ask(query, isRange: true, port: port)
      #expect(!areEqual(ours, theirs), "\(query) does not differ any more: \(reason)")
    }
  }
}
