import Foundation
import Testing

@testable import NeedletailNode

@Suite("A server's life")
struct ServerLifeTests {
  private let now = Int64(Date().timeIntervalSince1970 * 1000)

  @Test("what was acknowledged is there after an orderly stop and a new start")
  func restart() async throws {
    let folder = try TemporaryFolder()
    let now = now
    try await RunningServer.run(folder: folder) { server in
      let answer = try await server.remoteWrite([
        TestSeries(labels: [("__name__", "kept"), ("job", "a")], samples: [(now, 42)])
      ])
      #expect(answer.status == 204, "\(answer.text)")
      let body = OTLPBodies.span("kept", service: "s", start: now * 1_000_000, end: now * 1_000_000 + 5)
      #expect(
        try await server.request("POST", "/v1/traces", headers: ["Content-Type": "application/json"], body: body).status
          == 200)
    }
    try await RunningServer.run(folder: folder) { server in
      #expect(try await server.instant("kept", at: now) == ["job=a": "42"])
      #expect(try await server.get("/tempo/api/traces/\(OTLPBodies.traceID)").status == 200)
    }
  }

  @Test("data that was flushed to parts is still found, also after a new start")
  func flush() async throws {
    let folder = try TemporaryFolder()
    let now = now
    try await RunningServer.run(folder: folder, flags: ["flush-interval": "1ms"]) { server in
      for value in 0..<3 {
        _ = try await server.remoteWrite([
          TestSeries(labels: [("__name__", "flushed")], samples: [(now - Int64(value), Double(value))])
        ])
      }
      while try await server.get("/metrics").text.contains(#"needletail_parts{signal="metrics"} 0"#) {}
      #expect(try await server.instant("count_over_time(flushed[1m])", at: now) == ["": "3"])
    }
    try await RunningServer.run(folder: folder) { server in
      #expect(try await server.instant("count_over_time(flushed[1m])", at: now) == ["": "3"])
    }
  }

  @Test("a second server on the same folder, or on the same port, is told what is wrong")
  func conflicts() async throws {
    let folder = try TemporaryFolder()
    try await RunningServer.run(folder: folder) { server in
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
}
