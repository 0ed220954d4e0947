import BenchmarkSupport
import Foundation

/// A query that dashboards and people ask.
struct QueryShape {
  /// How it is asked.
  enum Form {
    case instant(String)
    /// Over the last hours, a point every `step` seconds.
    case range(String, step: Int, hours: Int = 1)
    /// Over the last hour, the end one step later each time, and result caches allowed: a dashboard that refreshes itself.
    case refresh(String, step: Int)
    /// A path of the API, with the time range added.
    case path(String)
  }

  let name: String
  let form: Form
  /// Why VictoriaMetrics may answer with other values; nil: it must not.
  var difference: String?
  /// The same for Needletail.
  var ownDifference: String?

  /// The request, `endSeconds` being when the data ends.
  func request(endSeconds: Int, repetition: Int, extra: String) -> String {
    switch form {
    case .instant(let query): return "/api/v1/query?query=\(Self.encoded(query))&time=\(endSeconds)" + extra
    case .range(let query, let step, let hours): return Self.range(query, endSeconds, step, hours: hours) + extra
    case .refresh(let query, let step): return Self.range(query, endSeconds - step * (20 - repetition % 20), step)
    case .path(let path):
      return path + (path.contains("?") ? "&" : "?") + "start=\(endSeconds - 3_600)&end=\(endSeconds)" + extra
    }
  }

  private static func range(_ query: String, _ end: Int, _ step: Int, hours: Int = 1) -> String {
    "/api/v1/query_range?query=\(encoded(query))&start=\(end - hours * 3_600)&end=\(end)&step=\(step)"
  }

  static func encoded(_ text: String) -> String {
    var plain = CharacterSet.alphanumerics
    plain.insert(charactersIn: "-._~")
    return text.addingPercentEncoding(withAllowedCharacters: plain) ?? ""
  }

  private static let rates =
    "VictoriaMetrics' rate and increase do not extrapolate and look at the sample before the window"
  private static let instance = #"instance="host-7-0""#

  static let devops: [QueryShape] = [
    QueryShape(name: "single series, instant", form: .instant("node_load1{\(instance)}")),
    QueryShape(name: "64 counters of one instance, instant", form: .instant("node_cpu_seconds_total{\(instance)}")),
    QueryShape(
      name: "rate, one instance, 1 h", form: .range("rate(node_cpu_seconds_total{\(instance)}[5m])", step: 15),
      difference: rates),
    QueryShape(
      name: "avg_over_time, one instance, 1 h",
      form: .range("avg_over_time(node_hwmon_temp_celsius{\(instance)}[5m])", step: 15)),
    QueryShape(
      name: "avg over a subset, 1 h", form: .range(#"avg(node_load1{region="eu-1"})"#, step: 60)),
    QueryShape(
      name: "sum by (mode) of rate over all, instant",
      form: .instant("sum by (mode) (rate(node_cpu_seconds_total[5m]))"), difference: rates),
    QueryShape(
      name: "sum by (mode) of rate over all, 1 h",
      form: .range("sum by (mode) (rate(node_cpu_seconds_total[5m]))", step: 60), difference: rates),
    QueryShape(
      name: "topk of rate", form: .instant("topk(10, rate(node_network_receive_bytes_total[5m]))"), difference: rates),
    QueryShape(
      name: "histogram_quantile by path, instant",
      form: .instant(
        "histogram_quantile(0.9, sum by (le, path) (rate(http_request_duration_seconds_bucket[5m])))"),
      difference: rates),
    QueryShape(
      name: "histogram_quantile by path, 1 h",
      form: .range(
        "histogram_quantile(0.9, sum by (le, path) (rate(http_request_duration_seconds_bucket[5m])))", step: 60),
      difference: rates),
    QueryShape(
      name: "regex selection",
      form: .instant(
        #"sum by (mountpoint) (node_filesystem_avail_bytes{instance=~"host-1.*",mountpoint!~"/boot.*"})"#)),
    QueryShape(name: "regex on names", form: .instant(#"count by (__name__) ({__name__=~"node_memory_.*_bytes"})"#)),
    QueryShape(name: "count of everything", form: .instant(#"count({job="bench"})"#)),
    QueryShape(
      name: "subquery",
      form: .instant(#"max_over_time(sum(rate(http_requests_total{region="eu-1"}[5m]))[30m:1m])"#), difference: rates),
    QueryShape(
      name: "quantile_over_time",
      form: .instant(#"quantile_over_time(0.9, node_hwmon_temp_celsius{rack=~"rack-[1-5]"}[1h])"#)),
    QueryShape(
      name: "max_over_time", form: .instant("max by (region) (max_over_time(node_memory_MemAvailable_bytes[1h]))")),
    QueryShape(
      name: "increase by code, 1 h window", form: .instant("sum by (code) (increase(http_requests_total[1h]))"),
      difference: rates),
    QueryShape(
      name: "vector join, 1 h",
      form: .range(
        "node_filesystem_avail_bytes / on (instance, device, mountpoint) node_filesystem_size_bytes > 0.2", step: 300)),
    QueryShape(
      name: "label names", form: .path("/api/v1/labels"),
      ownDifference: "Needletail stores metrics of its own, and does not limit names to the time range"),
    QueryShape(name: "label values", form: .path("/api/v1/label/instance/values")),
    QueryShape(
      name: "series",
      form: .path("/api/v1/series?match%5B%5D=" + encoded(#"node_filesystem_avail_bytes{region="eu-2"}"#))),
    QueryShape(
      name: "refresh moved by a step, caches on",
      form: .refresh("sum by (region) (rate(node_network_receive_bytes_total[5m]))", step: 15), difference: rates),
  ]

  /// What is asked of a day: long ranges, and windows that hold thousands of samples of each series.
  static let days: [QueryShape] = [
    QueryShape(
      name: "rate, one instance, 6 h",
      form: .range("rate(node_cpu_seconds_total{\(instance)}[5m])", step: 60, hours: 6),
      difference: rates),
    QueryShape(
      name: "averages of 24 h of a subset",
      form: .instant(#"avg_over_time(node_hwmon_temp_celsius{region="eu-1"}[24h])"#)),
    QueryShape(
      name: "avg over a subset, 24 h", form: .range(#"avg(node_load1{region="eu-1"})"#, step: 300, hours: 24)),
    QueryShape(
      name: "averages of 1 h by instance, 24 h",
      form: .range("avg by (instance) (avg_over_time(node_hwmon_temp_celsius[1h]))", step: 3_600, hours: 24)),
    QueryShape(
      name: "max_over_time of 24 h",
      form: .instant("max by (mountpoint) (max_over_time(node_filesystem_avail_bytes[24h]))")),
    QueryShape(
      name: "quantile_over_time of 6 h",
      form: .instant(#"quantile_over_time(0.9, node_hwmon_temp_celsius{rack=~"rack-[1-5]"}[6h])"#)),
    QueryShape(
      name: "sum by (mode) of rate over all, 24 h",
      form: .range("sum by (mode) (rate(node_cpu_seconds_total[5m]))", step: 300, hours: 24), difference: rates),
    QueryShape(
      name: "increase of 24 h by code", form: .instant("sum by (code) (increase(http_requests_total[24h]))"),
      difference: rates),
  ]
}
