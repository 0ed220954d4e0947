import Foundation
import NeedletailOTLP
import Testing

@testable import NeedletailNode

@Suite("A server takes data in and answers")
struct ServerIngestTests {
  private let now = Int64(Date().timeIntervalSince1970 * 1000)

  @Test("remote write is answered 204 and queried back, with values of every kind")
  func remoteWrite() async throws {
    let now = now
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let answer = try await server.remoteWrite([
        TestSeries(labels: [("__name__", "up"), ("job", "a")], samples: [(now - 1000, 1), (now, 0.25)]),
        TestSeries(labels: [("__name__", "up"), ("job", "b")], samples: [(now, .nan)]),
        TestSeries(labels: [("__name__", "up"), ("job", "c")], samples: [(now, -.infinity)]),
      ])
      #expect(answer.status == 204, "\(answer.text)")
      #expect(answer.headers["x-prometheus-remote-write-samples-written"] == "4")
      #expect(try await server.instant("up", at: now) == ["job=a": "0.25", "job=b": "NaN", "job=c": "-Inf"])
      #expect(try await server.instant("sum_over_time(up{job=\"a\"}[5s])", at: now) == ["job=a": "1.25"])
    }
  }

  @Test("range queries, labels, values, series, metadata and the build's version are answered as Prometheus does")
  func prometheusAPI() async throws {
    let now = now / 1000 * 1000
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      _ = try await server.remoteWrite([
        TestSeries(
          labels: [("__name__", "requests_total"), ("code", "200"), ("job", "a")],
          samples: (0..<5).map { (now - Int64($0) * 15_000, Double(100 - 15 * $0)) })
      ])
      let range = "start=\(now / 1000 - 60)&end=\(now / 1000)"
      let matrix = try await server.get("/api/v1/query_range?query=sum_over_time(requests_total[30s])&\(range)&step=60")
      #expect(matrix.status == 200)
      #expect(matrix.text.contains(#""resultType":"matrix""#), "\(matrix.text)")
      #expect(matrix.text.contains(#"[\#(now / 1000),"185"]"#), "\(matrix.text)")
      #expect(try await server.json("/api/v1/labels")["data"] as? [String] == ["__name__", "code", "job"])
      #expect(try await server.json("/prometheus/api/v1/label/code/values")["data"] as? [String] == ["200"])
      let series = try await server.json("/api/v1/series?match[]=requests_total%7Bcode%3D%22200%22%7D")
      #expect(
        series["data"] as? [[String: String]] == [["__name__": "requests_total", "code": "200", "job": "a"]])
      #expect(try await server.get("/api/v1/status/buildinfo").status == 200)
      #expect(try await server.get("/api/v1/metadata").status == 200)
      #expect(try await server.json("/api/v1/query_exemplars?query=requests_total&\(range)")["data"] as? [String] == [])
      let form = try await server.request(
        "POST", "/api/v1/query", headers: ["Content-Type": "application/x-www-form-urlencoded"],
        body: Array("query=1%2B1".utf8))
      #expect(form.text.contains(#""resultType":"scalar""#) && form.text.contains(#""2"]"#), "\(form.text)")
    }
  }

  @Test("wrong queries are answered with Prometheus' error kinds and statuses")
  func prometheusErrors() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      for (path, status, kind) in [
        ("/api/v1/query", 400, "bad_data"), ("/api/v1/query?query=sum(", 400, "bad_data"),
        ("/api/v1/query?query=1&time=never", 400, "bad_data"), ("/api/v1/series", 400, "bad_data"),
        ("/api/v1/query_range?query=1&start=0&end=1000000&step=1", 400, "bad_data"),
        ("/api/v1/query_range?query=1&start=5&end=1&step=1", 400, "bad_data"),
      ] {
        let answer = try await server.get(path)
        #expect(answer.status == status && answer.text.contains("\"errorType\":\"\(kind)\""), "\(path): \(answer.text)")
      }
      #expect(try await server.get("/nowhere").status == 404)
      #expect(try await server.request("POST", "/metrics").status == 405)
      #expect(try await server.get("/tempo/api/traces/xyz").status == 400)
      #expect(try await server.get("/tempo/api/traces/\(OTLPBodies.traceID)").status == 404)
      #expect(try await server.get("/loki/api/v1/query?query=%7Ba%3D%22b%22%7D").status == 400)
      #expect(try await server.get("/loki/api/v1/query_range?query=%7B").status == 400)
    }
  }

  @Test("metrics, logs and traces over OTLP, in JSON and in protobuf, on both ports, come back from their APIs")
  func otlp() async throws {
    let now = now
    let nanoseconds = now * 1_000_000
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let otlpPort = try #require(server.addresses.otlpHTTP).port
      let gauge = OTLPBodies.gauge("temperature", service: "shop", value: 21.5, at: nanoseconds)
      let log = OTLPBodies.log("card declined", service: "shop", at: nanoseconds)
      let span = OTLPBodies.span("POST /pay", service: "shop", start: nanoseconds - 250_000_000, end: nanoseconds)
      let bodies: [(OTLPSignal, [UInt8])] = [(.metrics, gauge), (.logs, log), (.traces, span)]
      for (signal, body) in bodies {
        let json = try await server.request(
          "POST", "/v1/\(signal.name)", port: otlpPort, headers: ["Content-Type": "application/json"], body: body)
        #expect(json.status == 200 && json.text == "{}", "\(signal): \(json.status) \(json.text)")
        #expect(json.headers["content-type"] == "application/json")
        let binary = try await server.request(
          "POST", "/v1/\(signal.name)", headers: ["Content-Type": "application/x-protobuf"],
          body: try OTLPBodies.protobuf(body, signal))
        #expect(binary.status == 200 && binary.body.isEmpty, "\(signal): \(binary.status) \(binary.text)")
      }
      #expect(try await server.instant("temperature", at: now).values.sorted() == ["21.5"])
      let range = "start=\(nanoseconds - 1_000_000_000)&end=\(nanoseconds + 1_000_000_000)"
      let lines = try await server.get(
        "/loki/api/v1/query_range?query=%7Bservice_name%3D%22shop%22%7D%20%7C%3D%20%22declined%22&\(range)")
      #expect(lines.status == 200 && lines.text.contains("card declined"), "\(lines.text)")
      #expect(lines.text.contains(#""level":"error""#) && lines.text.contains(OTLPBodies.traceID), "\(lines.text)")
      #expect(lines.text.components(separatedBy: "card declined").count == 2, "a record sent twice is there once")
      let trace = try await server.get("/tempo/api/traces/\(OTLPBodies.traceID)")
      #expect(trace.status == 200 && trace.text.contains(#""name":"POST /pay""#), "\(trace.text)")
      let binary = try await server.get(
        "/tempo/api/traces/\(OTLPBodies.traceID)", headers: ["Accept": "application/protobuf"])
      #expect(binary.headers["content-type"] == "application/protobuf" && binary.body.first == 0x0a)
      let found = try await server.get("/tempo/api/search?tags=service.name%3Dshop&minDuration=200ms&limit=5")
      #expect(found.text.contains(OTLPBodies.traceID) && found.text.contains(#""durationMs":250"#), "\(found.text)")
      let slower = try await server.get("/tempo/api/search?tags=service.name%3Dshop&minDuration=300ms")
      #expect(slower.text.contains(#""traces":[]"#), "\(slower.text)")
      #expect(try await server.get("/tempo/api/echo").text == "echo")
      #expect(try await server.request("GET", "/api/v1/query?query=1", port: otlpPort).status == 404)
    }
  }

  @Test("tenants see their own data only, and names that are none are refused")
  func tenants() async throws {
    let now = now
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      for (tenant, value) in [("a", 1.0), ("b", 2.0)] {
        let answer = try await server.remoteWrite(
          [TestSeries(labels: [("__name__", "x")], samples: [(now, value)])], headers: ["X-Scope-OrgID": tenant])
        #expect(answer.status == 204)
        let log = try await server.request(
          "POST", "/v1/logs", headers: ["Content-Type": "application/json", "X-Scope-OrgID": tenant],
          body: OTLPBodies.log("of \(tenant)", service: "s", at: now * 1_000_000))
        #expect(log.status == 200)
      }
      #expect(try await server.instant("x", at: now, headers: ["X-Scope-OrgID": "a"]) == ["": "1"])
      #expect(try await server.instant("x", at: now, headers: ["X-Scope-OrgID": "b"]) == ["": "2"])
      #expect(try await server.instant("x", at: now) == [:])
      let logs = try await server.get(
        "/loki/api/v1/query_range?query=%7Bservice_name%3D%22s%22%7D", headers: ["X-Scope-OrgID": "a"])
      #expect(logs.text.contains("of a") && !logs.text.contains("of b"), "\(logs.text)")
      #expect(try await server.get("/api/v1/labels", headers: ["X-Scope-OrgID": "../b"]).status == 400)
    }
  }

  @Test("with a token configured, every door but health asks for it")
  func token() async throws {
    let folder = try TemporaryFolder()
    let token = "0123456789abcdef0123456789abcdef"
    try Data("# tokens\n\n  \(token) \n".utf8).write(to: URL(fileURLWithPath: folder.path + "/tokens"))
    try await RunningServer.run(folder: folder, flags: ["token-file": folder.path + "/tokens"]) {
      server async throws -> Void in
      #expect(try await server.get("/-/healthy").status == 200)
      #expect(try await server.get("/-/ready").status == 200)
      for path in ["/api/v1/labels", "/metrics", "/tempo/api/echo"] {
        #expect(try await server.get(path).status == 401)
        #expect(try await server.get(path, headers: ["Authorization": "Bearer \(token)x"]).status == 401)
        #expect(try await server.get(path, headers: ["Authorization": "Bearer \(token)"]).status == 200)
      }
      #expect(try await server.remoteWrite([]).status == 401)
    }
  }

  @Test("the server's own metrics are told as text and stored in itself")
  func ownMetrics() async throws {
    try await RunningServer.run(folder: try TemporaryFolder(), flags: ["self-interval": "50ms"]) {
      server async throws -> Void in
      _ = try await server.remoteWrite([
        TestSeries(labels: [("__name__", "x")], samples: [(Int64(Date().timeIntervalSince1970 * 1000), 1)])
      ])
      let text = try await server.get("/metrics").text
      #expect(text.contains("# TYPE needletail_requests_total counter"), "\(text)")
      #expect(text.contains(#"needletail_ingest_accepted_total{signal="metrics",tenant="default"} "#), "\(text)")
      var stored: [String: String] = [:]
      while stored.isEmpty {
        stored = try await server.instant(
          "needletail_active_series", at: Int64(Date().timeIntervalSince1970 * 1000) + 1000)
      }
      #expect(stored.keys.first == "job=needletail")
    }
  }
}
