import Foundation
import NeedletailEnvironment
import NeedletailSimulation
import Testing

@testable import NeedletailNode

@Suite("A server's life")
struct ServerLifeTests {
  private let now = Int64(Date().timeIntervalSince1970 * 1000)

  @Test("what was acknowledged is there after an orderly stop and a new start")
  func restart() async throws {
    let folder = try TemporaryFolder()
    let now = now
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      let answer = try await server.remoteWrite([
        TestSeries(labels: [("__name__", "kept"), ("job", "a")], samples: [(now, 42)])
      ])
      #expect(answer.status == 204, "\(answer.text)")
      let body = OTLPBodies.span("kept", service: "s", start: now * 1_000_000, end: now * 1_000_000 + 5)
      #expect(
        try await server.request("POST", "/v1/traces", headers: ["Content-Type": "application/json"], body: body).status
          == 200)
    }
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      #expect(try await server.instant("kept", at: now) == ["job=a": "42"])
      #expect(try await server.get("/tempo/api/traces/\(OTLPBodies.traceID)").status == 200)
    }
  }

  @Test("an orderly stop leaves nothing in the log that the next start would have to read back")
  func cleanStop() async throws {
    let folder = try TemporaryFolder()
    let now = now
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      let series = TestSeries(labels: [("__name__", "kept")], samples: [(now, 42)])
      #expect(try await server.remoteWrite([series]).status == 204)
      let log = OTLPBodies.log("kept", service: "s", at: now * 1_000_000)
      let headers = ["Content-Type": "application/json"]
      #expect(try await server.request("POST", "/v1/logs", headers: headers, body: log).status == 200)
    }
    let configuration = try ServerConfiguration.load(
      flags: ["data": folder.path + "/data"], environment: [:], file: nil)
    let storage = try NodeStorage(
      configuration, fileSystem: PosixFileSystem(), clock: SystemClock(), random: SystemRandomSource())
    #expect(storage.replay.records == 0)
    storage.close()
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      #expect(try await server.instant("kept", at: now) == ["": "42"])
    }
  }

  @Test("a sample that is older than the out-of-order window is refused and counted, also after a new start")
  func window() async throws {
    let (folder, now) = (try TemporaryFolder(), now)
    let flags = ["out-of-order-window": "1h"]
    @Sendable func series(_ minutesAgo: Int64...) -> TestSeries {
      TestSeries(labels: [("__name__", "m")], samples: minutesAgo.map { (now - $0 * 60_000, 1) })
    }
    try await RunningServer.run(folder: folder, flags: flags) { server async throws -> Void in
      #expect(try await server.remoteWrite([series(90, 0)]).status == 204)
      let late = try await server.remoteWrite([series(62, 61, 59)])
      #expect(late.status == 400 && late.text.contains("rejected 2 (out_of_order_window=2)"), "\(late.text)")
    }
    try await RunningServer.run(folder: folder, flags: flags) { server async throws -> Void in
      let late = try await server.remoteWrite([series(61)])
      #expect(late.status == 400 && late.text.contains("all 1 samples are older"), "\(late.text)")
      let gauge = OTLPBodies.gauge("g", service: "s", value: 1, at: (now - 3_660_000) * 1_000_000)
      let json = ["Content-Type": "application/json"]
      let partial = try await server.request("POST", "/v1/metrics", headers: json, body: gauge)
      #expect(partial.status == 200 && partial.text.contains("rejectedDataPoints"), "\(partial.text)")
      #expect(try await server.instant("count_over_time(m[2h])", at: now) == ["": "3"])
      let counted = #"needletail_samples_refused_total{reason="out_of_order_window"} 2"#
      #expect(try await server.get("/metrics").text.contains(counted + "\n"))
    }
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      #expect(try await server.remoteWrite([series(61)]).status == 204)
    }
  }

  @Test("at a stop only as much is flushed as there is time for, by the pace of the flush before")
  func stopTime() {
    let clock = ManualClock()
    let time = StopTime(clock: clock)
    #expect(time.allowsFlush(bytes: 4 << 20) && !time.allowsFlush(bytes: 512 << 20))
    time.begin()
    #expect(time.allowsFlush(bytes: 16 << 20) && !time.allowsFlush(bytes: 256 << 20))
    time.measured(bytes: 256 << 20, nanoseconds: 1_000_000_000)
    #expect(time.allowsFlush(bytes: 256 << 20))
    // A flush of next to nothing tells nothing.
    time.measured(bytes: 10, nanoseconds: 1_000_000_000)
    #expect(time.allowsFlush(bytes: 256 << 20))
    clock.advance(nanoseconds: 4_000_000_000)
    #expect(!time.allowsFlush(bytes: 256 << 20) && time.allowsFlush(bytes: 1 << 20))
    clock.advance(nanoseconds: 4_000_000_000)
    #expect(!time.allowsFlush(bytes: 1 << 20))
  }

  @Test("data that was flushed to parts is still found, also after a new start")
  func flush() async throws {
    let folder = try TemporaryFolder()
    let now = now
    try await RunningServer.run(folder: folder, flags: ["flush-interval": "1ms"]) { server async throws -> Void in
      for value in 0..<3 {
        _ = try await server.remoteWrite([
          TestSeries(labels: [("__name__", "flushed")], samples: [(now - Int64(value), Double(value))])
        ])
      }
      while try await server.get("/metrics").text.contains(#"needletail_parts{signal="metrics"} 0"#) {}
      #expect(try await server.instant("count_over_time(flushed[1m])", at: now) == ["": "3"])
    }
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      #expect(try await server.instant("count_over_time(flushed[1m])", at: now) == ["": "3"])
    }
  }

  @Test("a second server on the same folder, or on the same port, is told what is wrong")
  func conflicts() async throws {
    let folder = try TemporaryFolder()
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      do {
        try await RunningServer.run(folder: folder) { _ in }
        Issue.record("two servers share a data folder")
      } catch {
        #expect("\(error)".contains("cannot be opened") && "\(error)".contains("/data"), "\(error)")
      }
      let other = try TemporaryFolder()
      for setting in ["listen", "otlp-grpc"] {
        do {
          try await RunningServer.run(folder: other, flags: [setting: "\(server.addresses.api)"]) { _ in }
          Issue.record("two servers share a port")
        } catch {
          #expect("\(error)".contains("--\(setting)") && "\(error)".contains("\(server.addresses.api)"), "\(error)")
        }
      }
      #expect(try await server.get("/-/ready").status == 200)
    }
  }

  @Test("under the default retention an old sample is refused for good; under forever one from 1970 is kept and found")
  func retention() async throws {
    let old = TestSeries(labels: [("__name__", "old")], samples: [(1000, 7)])
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let answer = try await server.remoteWrite([old])
      #expect(answer.status == 400 && answer.text.contains("older"), "\(answer.status) \(answer.text)")
    }
    let folder = try TemporaryFolder()
    try await RunningServer.run(folder: folder, flags: ["retention": "forever"]) { server async throws -> Void in
      #expect(try await server.remoteWrite([old]).status == 204)
      #expect(try await server.instant("old", at: 2000) == ["": "7"])
    }
  }

  @Test("a query whose client goes away is given up")
  func disconnect() async throws {
    let now = now
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let series = (0..<2000).map { number in
        TestSeries(
          labels: [("__name__", "wide"), ("n", "\(number)")],
          samples: (0..<10).map { (now - Int64($0) * 1000, Double(number)) })
      }
      #expect(try await server.remoteWrite(series).status == 204)
      // Far more steps than anyone waits for; the answer would be 22 million values.
      let query = "sum_over_time(wide[1h])*on(n)group_left()sum_over_time(wide[1h])"
      let path = "/api/v1/query_range?query=\(query)&start=\(now / 1000 - 10_900)&end=\(now / 1000)&step=1"
      let port = server.addresses.api.port
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        Thread.detachNewThread {
          continuation.resume(
            with: Swift.Result {
              let connection = try HTTPConnection(port: port)
              connection.send(Array("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
            })
        }
      }
      while try await !server.get("/metrics").text.contains(#"needletail_query_failures_total{kind="canceled"} 1"#) {}
      #expect(try await server.get("/metrics").text.contains("needletail_queries_running 0"))
    }
  }

  /// Keeps a connection open for as long as it lives.
  private final class OpenConnection: Sendable {
    private let connection: HTTPConnection

    init(port: Int, sending text: String) throws {
      connection = try HTTPConnection(port: port)
      connection.send(Array(text.utf8))
    }
  }

  @Test(
    "clients that hold connections open, in the middle of a request or between two, do not keep the server from stopping"
  )
  func stubbornClients() async throws {
    let folder = try TemporaryFolder()
    let open = try await RunningServer.run(folder: folder) { server async throws -> [OpenConnection] in
      let api = server.addresses.api.port
      let grpc = try #require(server.addresses.otlpGRPC).port
      let connections = [
        try OpenConnection(port: api, sending: ""),
        try OpenConnection(port: api, sending: "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"),
        try OpenConnection(port: api, sending: "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"),
        try OpenConnection(port: api, sending: "GET /-/hea"),
        try OpenConnection(port: grpc, sending: ""),
        try OpenConnection(port: grpc, sending: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      ]
      #expect(try await server.get("/-/ready").status == 200)
      return connections
    }
    // The folder was given back: another server can have it.
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      #expect(try await server.get("/-/ready").status == 200)
    }
    withExtendedLifetime(open) {}
  }
}
