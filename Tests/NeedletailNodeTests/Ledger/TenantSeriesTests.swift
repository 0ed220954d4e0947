import Testing

@testable import NeedletailNode

@Suite("The limit on series, as clients meet it")
struct TenantSeriesTests {
  @Test("remote write is answered 400 with what was written, OTLP with a partial success, and both stand in the ledger")
  func answers() async throws {
    let now = SystemTime.milliseconds
    let flags = ["tenant-series-max": "3"]
    try await RunningServer.run(folder: try TemporaryFolder(), flags: flags) { server async throws -> Void in
      let series = (0..<5).map { TestSeries(labels: [("__name__", "wide"), ("n", "\($0)")], samples: [(now, 1)]) }
      let answer = try await server.remoteWrite(series)
      #expect(answer.status == 400 && answer.text.contains("series_limit=2"), "\(answer.text)")
      #expect(answer.headers["x-prometheus-remote-write-samples-written"] == "3", "\(answer.headers)")
      #expect(try await server.instant("count(wide)", at: now) == ["": "3"])
      let body = """
        {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"more","gauge":{"dataPoints":[
        {"timeUnixNano":"\(now)000000","asInt":"1"}]}}]}]}]}
        """
      let exported = try await server.request(
        "POST", "/v1/metrics", headers: ["Content-Type": "application/json"], body: Array(body.utf8))
      #expect(exported.status == 200 && exported.text.contains("partialSuccess"), "\(exported.text)")
      // Another tenant has its own.
      #expect(try await server.remoteWrite(Array(series[..<3]), headers: ["X-Scope-OrgID": "other"]).status == 204)
      let text = try await server.get("/metrics").text
      for line in [
        #"needletail_tenant_series{tenant="default"} 3"#, #"needletail_tenant_series{tenant="other"} 3"#,
        #"needletail_tenant_series_refused{tenant="default"} 3"#, "needletail_tenant_series_max 3",
        #"needletail_ingest_rejected_total{signal="metrics",tenant="default",reason="series_limit"} 3"#,
      ] { #expect(text.contains(line), "\(line) is not in \(text)") }
    }
  }
}
