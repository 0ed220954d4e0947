import Foundation
import Testing

@Suite(
  "A real Prometheus", .serialized, .enabled(if: OutsideProgram.isExpected("prometheus", "prometheus-node-exporter")))
struct PrometheusTests {
  /// A Prometheus that scrapes a node exporter every second and writes to the server under test.
  private struct Peer {
    let folder: URL
    let port: Int
    let exporter: RunningProcess
    let prometheus: RunningProcess

    init(writingTo server: ServerUnderTest) throws {
      let ports = try FreePorts.take(2)
      port = ports[0]
      folder = FileManager.default.temporaryDirectory.appending(path: "needletail-prometheus-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let configuration = """
        global:
          scrape_interval: 1s
        scrape_configs:
          - job_name: node
            static_configs: [{targets: ["127.0.0.1:\(ports[1])"]}]
        remote_write:
          - url: http://127.0.0.1:\(server.port)/api/v1/write
            queue_config: {batch_send_deadline: 200ms}
        """
      try configuration.write(to: folder.appending(path: "prometheus.yml"), atomically: true, encoding: .utf8)
      exporter = try RunningProcess("prometheus-node-exporter", ["--web.listen-address=127.0.0.1:\(ports[1])"])
      prometheus = try RunningProcess(
        "prometheus",
        [
          "--config.file=\(folder.path)/prometheus.yml", "--storage.tsdb.path=\(folder.path)/data",
          "--web.listen-address=127.0.0.1:\(port)",
        ])
    }

    func end() {
      prometheus.end(SIGKILL)
      exporter.end(SIGKILL)
      try? FileManager.default.removeItem(at: folder)
    }
  }

  /// Raw samples by series: labels in canonical text -> [[time, value]] as text.
  private func samples(_ data: Any) throws -> [String: [String]] {
    let result = try #require((data as? [String: Any])?["result"] as? [[String: Any]])
    var samples: [String: [String]] = [:]
    for series in result {
      let labels = try #require(series["metric"] as? [String: String])
      let key = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
      let values = try #require(series["values"] as? [[Any]])
      samples[key] = values.map { pair in
        let value = Double(pair[1] as? String ?? "") ?? .nan
        return "\((pair[0] as? NSNumber)?.doubleValue ?? -1) \(value.bitPattern)"
      }
    }
    return samples
  }

  @Test("Every series that Prometheus scraped and wrote here is queryable with equal values", .timeLimit(.minutes(3)))
  func everySeriesIsEqual() async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let peer = try Peer(writingTo: server)
    defer { peer.end() }
    let ready = { (path: String, port: Int) in try await server.get(path, port: port) }

    try await eventually(seconds: 60, "Prometheus has scraped six times: \(peer.prometheus.output)") {
      guard
        let data = try? await ServerUnderTest.prometheus(
          port: peer.port, "/api/v1/query", ["query": "up{job=\"node\"}[5m]"], get: ready)
      else { return false }
      return try samples(data).values.first.map { $0.count >= 6 } ?? false
    }
    // What Prometheus held at this instant must arrive here, sample for sample.
    let until = String(Int(Date().timeIntervalSince1970) - 1)
    let query = ["query": "{job=\"node\"}[5m]", "time": until]
    let expected = try samples(
      await ServerUnderTest.prometheus(port: peer.port, "/api/v1/query", query, get: ready))
    #expect(expected.count > 300)
    var actual: [String: [String]] = [:]
    try await eventually(seconds: 30, "all \(expected.count) series arrived, have \(actual.count)") {
      actual = try samples(await server.prometheus("/api/v1/query", query))
      return actual == expected
    }
    #expect(actual == expected)
  }

  @Test("promtool asks instant and range queries and reads labels and series", .timeLimit(.minutes(2)))
  func promtoolIsServed() async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let peer = try Peer(writingTo: server)
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
