import Foundation
import NeedletailProcesses
import Testing

@Suite("The OpenTelemetry SDK for Python", .serialized, .enabled(if: OutsideProgram.isOpenTelemetryPythonExpected))
struct OpenTelemetryPythonTests {
  private func vector(_ server: ServerUnderTest, _ query: String) async throws -> [[String: Any]] {
    let data = try await server.prometheus("/api/v1/query", ["query": query])
    return try #require((data as? [String: Any])?["result"] as? [[String: Any]])
  }

  private func value(_ server: ServerUnderTest, _ query: String) async throws -> Double? {
    let pair = try await vector(server, query).first?["value"] as? [Any]
    return (pair?.last as? String).flatMap(Double.init)
  }

  @Test(
    "All signals arrive over HTTP and over gRPC and are answered", .timeLimit(.minutes(20)),
    arguments: ["http", "grpc"])
  func allSignalsArrive(_ transport: String) async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let port = transport == "http" ? server.otlpHTTPPort : server.otlpGRPCPort
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/otel_client.py").path
    let (status, output) = try RunningProcess.run(
      "python3", [script, transport, "http://127.0.0.1:\(port)"],
      environment: ["PYTHONPATH": OutsideProgram.pythonPath])
    try #require(status == 0, "\(output)")
    let traceID = output.split(separator: "\n").map(String.init).last { $0.count == 32 } ?? "none"
    let job = "job=\"python-\(transport)\""

    #expect(try await value(server, "orders_total{\(job),kind=\"book\",instance=\"one\"}") == 7)
    #expect(try await value(server, "queue_depth{\(job)}") == -3)
    #expect(try await value(server, "request_duration_seconds_count{\(job)}") == 4)
    #expect(try await value(server, "request_duration_seconds_bucket{\(job),le=\"+Inf\"}") == 4)
    #expect(try await value(server, "histogram_count(payload_size_bytes{\(job)})") == 5)
    #expect(try await value(server, "histogram_sum(payload_size_bytes{\(job)})") == 1106)
    #expect(try await value(server, "count(target_info{\(job)})") == 1)

    let trace = try await server.get("/tempo/api/traces/\(traceID)")
    #expect(trace.status == 200, "trace \(traceID) of \(output)")
    let text = String(decoding: trace.body, as: UTF8.self)
    for part in ["checkout", "pay", "card declined", "retry", "cart.items", "python-\(transport)"] {
      #expect(text.contains(part), "\(part) is not in \(text)")
    }
    let search = try await server.get("/tempo/api/search?tags=service.name%3Dpython-\(transport)&limit=5")
    #expect(String(decoding: search.body, as: UTF8.self).contains("\"rootTraceName\":\"checkout\""))

    let logQuery = ServerClient.percentEncoded("{service_name=\"python-\(transport)\"} |= \"declined\"")
    let logs = try await server.get("/loki/api/v1/query_range?query=\(logQuery)&limit=10")
    #expect(logs.status == 200)
    #expect(String(decoding: logs.body, as: UTF8.self).contains("payment failed: card declined"))
  }

  @Test("gRPC's own library sees the codes that it expects, and large, compressed and parallel calls arrive")
  func plainCallsSeeTheirCodes() async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/grpc_client.py").path
    let (status, output) = try RunningProcess.run(
      "python3", [script, "127.0.0.1:\(server.otlpGRPCPort)"],
      environment: ["PYTHONPATH": OutsideProgram.pythonPath])
    try #require(status == 0, "\(output)")
    let expected = [
      "empty OK 0", "small OK 0", "large OK 0", "gzip OK 0", "deflate OK 0", "garbage INVALID_ARGUMENT -",
      "unknown UNIMPLEMENTED -", "tenant INVALID_ARGUMENT -", "parallel OK",
    ]
    #expect(output.split(separator: "\n").map(String.init).suffix(expected.count) == expected[...], "\(output)")
    for (prefix, count) in [("small", 3), ("large", 2000), ("gzip", 2000), ("deflate", 1), ("parallel", 1000)] {
      let query = "sum(count_over_time(logs{} |= \"\(prefix)\" [1h]))"
      let data = try await server.prometheus("/api/v1/query", ["query": query])
      let result = try #require((data as? [String: Any])?["result"] as? [[String: Any]])
      #expect((result.first?["value"] as? [Any])?.last as? String == "\(count)", "\(prefix): \(result)")
    }
  }
}
