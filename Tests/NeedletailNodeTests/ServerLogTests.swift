import Foundation
import Testing

@testable import NeedletailNode

@Suite("What a server logs")
struct ServerLogTests {
  @Test("at debug every request has a line: method, path, status and time, and nothing of what was asked or sent")
  func requests() async throws {
    let lines = LogLines()
    let now = Int64(Date().timeIntervalSince1970 * 1_000_000_000)
    try await RunningServer.run(folder: try TemporaryFolder(), logger: lines.logger(.debug)) {
      server async throws -> Void in
      _ = try await server.get("/api/v1/query?query=secret")
      _ = try await server.request(
        "POST", "/v1/logs", headers: ["Content-Type": "application/json"],
        body: OTLPBodies.log("secret", service: "s", at: now))
      _ = try await server.get("/nowhere?secret")
    }
    let found = lines.all.filter { $0.contains(" message=request ") }
    #expect(found.count == 3 && !found.joined().contains("secret"), "\(found)")
    for (line, expected) in zip(
      found,
      [
        "method=GET path=/api/v1/query status=200", "method=POST path=/v1/logs status=200",
        "method=GET path=/nowhere status=404",
      ])
    {
      #expect(expected.split(separator: " ").allSatisfy(line.contains), "\(line)")
      #expect(line.contains(" level=debug ") && line.contains(" milliseconds="), "\(line)")
    }
  }

  @Test("at info requests leave no line")
  func quiet() async throws {
    let lines = LogLines()
    try await RunningServer.run(folder: try TemporaryFolder(), logger: lines.logger(.info)) {
      server async throws -> Void in
      _ = try await server.get("/api/v1/query?query=1")
    }
    #expect(lines.all.filter { $0.contains(" message=request ") }.isEmpty)
  }
}
