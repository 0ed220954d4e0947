import Foundation
import Testing

@testable import NeedletailNode

@Suite("Start timestamps, from the sender to the answer")
struct ServerStartTimestampTests {
  /// A running total of `paid`, some seconds before now, that counts from some others.
  private static func total(_ value: Int, at seconds: Int64, from start: Int64, now: Int64) -> [UInt8] {
    let (time, began) = ((now - seconds * 1000) * 1_000_000, (now - start * 1000) * 1_000_000)
    return Array(
      #"""
      {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"paid","sum":{"aggregationTemporality":2,"isMonotonic":true,
      "dataPoints":[{"startTimeUnixNano":"\#(began)","timeUnixNano":"\#(time)","asInt":"\#(value)"}]}}]}]}]}
      """#.utf8)
  }

  private func ask(_ server: RunningServer, _ query: String, _ now: Int64) async throws -> [String] {
    Array(try await server.instant(query.replacing("paid", with: #"{__name__=~"paid.*"}"#), at: now).values)
  }

  @Test("of OTLP are kept with each sample, in memory, in parts and over a start, and used unless that is turned off")
  func kept() async throws {
    let now = Int64(Date().timeIntervalSince1970 * 1000)
    let folder = try TemporaryFolder()
    func check(_ server: RunningServer) async throws {
      // It counted to 6 from 200 s ago, was begun anew 90 s ago and counted to 8: 14 in 140 s, and 60 s to the right.
      #expect(try await ask(server, "round(increase(paid[5m]), 0.001)", now) == ["20"])
      #expect(try await ask(server, "resets(paid[5m])", now) == ["1"])
      #expect(try await ask(server, "start_timestamp(paid) * 1000", now) == ["\(now - 90_000)"])
    }
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      for (value, seconds, start) in [(5, 180, 200), (6, 120, 200), (8, 60, 90)] as [(Int, Int64, Int64)] {
        let answer = try await server.request(
          "POST", "/v1/metrics", headers: ["Content-Type": "application/json"],
          body: Self.total(value, at: seconds, from: start, now: now))
        #expect(answer.status == 200, "\(answer.text)")
      }
      try await check(server)
      #expect(try await server.request("POST", "/needletail/v1/admin/flush").status < 300)
      try await check(server)
    }
    try await RunningServer.run(folder: folder) { server async throws -> Void in try await check(server) }
    try await RunningServer.run(folder: folder, flags: ["query-start-timestamps": "false"]) {
      server async throws -> Void in
      // The difference of 3 in 120 s, 30 s to the left and 60 s to the right.
      #expect(try await ask(server, "round(increase(paid[5m]), 0.001)", now) == ["5.25"])
      #expect(try await ask(server, "resets(paid[5m])", now) == ["0"])
      #expect(try await ask(server, "start_timestamp(paid)", now).isEmpty)
    }
  }

  @Test("a metric's name that is dropped goes at the end of a query where that is set")
  func delayedNames() async throws {
    let now = Int64(Date().timeIntervalSince1970 * 1000)
    for (flag, expected) in [("true", ["metric=a", "metric=b"]), ("false", [])] {
      try await RunningServer.run(
        folder: try TemporaryFolder(), flags: ["query-delayed-name-removal": flag]
      ) { server async throws -> Void in
        for name in ["a", "b"] {
          let answer = try await server.remoteWrite([TestSeries(labels: [("__name__", name)], samples: [(now, 1)])])
          #expect(answer.status == 204)
        }
        let query = #"label_replace(abs({__name__=~"a|b"}), "metric", "$1", "__name__", "(.+)")"#
        let escaped = query.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        let answer = try await server.get("/api/v1/query?query=\(escaped)&time=\(Double(now) / 1000)")
        #expect((answer.status == 200) == (flag == "true"), "\(answer.text)")
        if flag == "true" { #expect(try await server.instant(query, at: now).keys.sorted() == expected) }
      }
    }
  }
}
