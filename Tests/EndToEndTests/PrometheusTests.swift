import Foundation
import NeedletailProcesses
import Testing

@Suite(
  "A real Prometheus", .serialized, .enabled(if: OutsideProgram.isExpected("prometheus", "prometheus-node-exporter")))
struct PrometheusTests {
  @Test("Every series that Prometheus scraped and wrote here is queryable with equal values", .timeLimit(.minutes(20)))
  func everySeriesIsEqual() async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let peer = try PrometheusPeer(writingTo: server.port)
    defer { peer.end() }
    try await eventually(seconds: 60, "Prometheus has scraped six times: \(peer.prometheus.output)") {
      guard
        let data = try? await server.client.prometheus(
          "/api/v1/query", ["query": "up{job=\"node\"}[5m]"], port: peer.port)
      else { return false }
      return try PrometheusPeer.samples(data).values.first.map { $0.count >= 6 } ?? false
    }
    // What Prometheus held at this instant must arrive here, sample for sample.
    let until = String(Int(Date().timeIntervalSince1970) - 1)
    let query = ["query": "{job=\"node\"}[5m]", "time": until]
    let expected = try PrometheusPeer.samples(
      await server.client.prometheus("/api/v1/query", query, port: peer.port))
    #expect(expected.count > 300)
    var actual: [String: [String]] = [:]
    try await eventually(seconds: 30, "all \(expected.count) series arrived, have \(actual.count)") {
      actual = try PrometheusPeer.samples(await server.prometheus("/api/v1/query", query))
      return actual == expected
    }
    #expect(actual == expected)
  }

  @Test("promtool asks instant and range queries and reads labels and series", .timeLimit(.minutes(20)))
  func promtoolIsServed() async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let peer = try PrometheusPeer(writingTo: server.port)
    defer { peer.end() }
    let url = "http://127.0.0.1:\(server.port)"
    try await eventually(seconds: 60, "promtool sees the exporter up") {
      try RunningProcess.run("promtool", ["query", "instant", url, "up{job=\"node\"}"]).output.contains("=> 1 @")
    }
    let rate = try RunningProcess.run("promtool", ["query", "instant", url, "count(node_cpu_seconds_total) > 0"])
    #expect(rate.status == 0)
    let range = try RunningProcess.run("promtool", ["query", "range", url, "sum by (job) (up)"])
    #expect(range.status == 0 && range.output.contains("{job=\"node\"}"), "\(range.output)")
    let series = try RunningProcess.run("promtool", ["query", "series", "--match", "up", url])
    #expect(series.status == 0 && series.output.contains("__name__=\"up\""), "\(series.output)")
    let labels = try RunningProcess.run("promtool", ["query", "labels", url, "job"])
    #expect(labels.status == 0 && labels.output.contains("node"), "\(labels.output)")
    let json = try RunningProcess.run(
      "promtool", ["query", "-o", "json", "range", "--start=0", "--end=11000", "--step=1s", url, "vector(1)"])
    #expect(json.status == 0 && json.output.contains("[11000,\"1\"]"), "\(json.output.suffix(200))")
    let past = try RunningProcess.run("promtool", ["query", "instant", "--time=1000", url, "up"])
    #expect(past.status == 0 && past.output.allSatisfy(\.isWhitespace), "\(past.output)")
    let names = try RunningProcess.run("promtool", ["query", "labels", url, "__name__"])
    #expect(names.status == 0 && names.output.contains("node_cpu_seconds_total"), "\(names.output)")
    let none = try RunningProcess.run("promtool", ["query", "series", "--match", "{a=~\".*\"}", url])
    #expect(none.status != 0 && none.output.contains("non-empty matcher"), "\(none.output)")
    let wrong = try RunningProcess.run("promtool", ["query", "instant", url, "sum("])
    #expect(wrong.status != 0 && wrong.output.contains("bad_data"), "\(wrong.output)")
  }
}
