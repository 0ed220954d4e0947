import Foundation
import Testing

@testable import NeedletailNode

@Suite("A server merges parts")
struct ServerMergeTests {
  private let now = Int64(Date().timeIntervalSince1970 * 1_000_000_000)

  /// Sends a log record and a span of a number that no other has, and waits until both are in the parts.
  private func store(_ number: Int, on server: RunningServer, until isStored: String...) async throws {
    let time = now - Int64(number)
    let headers = ["Content-Type": "application/json"]
    let log = OTLPBodies.log("line \(number).", service: "s", at: time)
    #expect(try await server.request("POST", "/v1/logs", headers: headers, body: log).status == 200)
    let span = OTLPBodies.span("span \(number).", service: "s", start: time, end: time + 5)
    #expect(try await server.request("POST", "/v1/traces", headers: headers, body: span).status == 200)
    var metrics = ""
    while !isStored.allSatisfy({ metrics.contains($0 + "\n") }) { metrics = try await server.get("/metrics").text }
  }

  /// Every record of the first so many numbers is there once.
  private func check(_ server: RunningServer, holds count: Int) async throws {
    let range = "start=\(now - 1_000_000_000)&end=\(now + 1_000_000_000)&limit=1000"
    let logs = try await server.get("/loki/api/v1/query_range?query=%7Bservice_name%3D%22s%22%7D&\(range)").text
    let trace = try await server.get("/tempo/api/traces/\(OTLPBodies.traceID)").text
    for number in 0..<count {
      #expect(logs.components(separatedBy: "line \(number).").count == 2, "\(number)")
      #expect(trace.components(separatedBy: "span \(number).").count == 2, "\(number)")
    }
  }

  @Test("what many small flushes wrote becomes few parts, and every record is there once, also after a new start")
  func merges() async throws {
    let folder = try TemporaryFolder()
    let flags = ["flush-interval": "1ms"]
    let signals = ["logs", "spans"]
    try await RunningServer.run(folder: folder, flags: flags) { server async throws -> Void in
      for number in 0..<7 {
        try await store(
          number, on: server, until: #"needletail_parts{signal="logs"} \#(number + 1)"#,
          #"needletail_parts{signal="spans"} \#(number + 1)"#)
      }
    }
    // The parts of a life before are merged too.
    try await RunningServer.run(folder: folder, flags: flags) { server async throws -> Void in
      try await store(
        7, on: server, until: #"needletail_parts{signal="logs"} 1"#, #"needletail_parts{signal="spans"} 1"#,
        #"needletail_merged_parts_total{signal="logs"} 8"#, #"needletail_merged_parts_total{signal="spans"} 8"#,
        "needletail_merges_total 2", "needletail_maintenance_failures_total 0")
      try await check(server, holds: 8)
      while try FileManager.default.contentsOfDirectory(atPath: folder.path + "/data/parts").count != signals.count {}
    }
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      try await check(server, holds: 8)
      let metrics = try await server.get("/metrics").text
      for signal in signals { #expect(metrics.contains("needletail_parts{signal=\"\(signal)\"} 1\n")) }
    }
  }

  @Test("a merge that fails is counted, and flushes, queries and the other signal's merges go on")
  func failure() async throws {
    let folder = try TemporaryFolder()
    let flags = ["flush-interval": "1ms"]
    try await RunningServer.run(folder: folder, flags: flags) { server async throws -> Void in
      for number in 0..<7 {
        try await store(
          number, on: server, until: #"needletail_parts{signal="logs"} \#(number + 1)"#,
          #"needletail_parts{signal="spans"} \#(number + 1)"#)
      }
      // A bit flips in the rows of a part of logs: the first folder of a flush is that of the logs.
      let parts = folder.path + "/data/parts"
      let first = try #require(try FileManager.default.contentsOfDirectory(atPath: parts).min())
      let file = try FileHandle(forUpdating: URL(fileURLWithPath: "\(parts)/\(first)/data"))
      try file.seek(toOffset: 60)
      let byte = try #require(try file.read(upToCount: 1)?.first)
      try file.seek(toOffset: 60)
      try file.write(contentsOf: [byte ^ 1])
      try file.close()
      try await store(
        7, on: server, until: #"needletail_parts{signal="logs"} 8"#, #"needletail_parts{signal="spans"} 1"#,
        "needletail_maintenance_failures_total 1", "needletail_merges_total 1")
      try await store(8, on: server, until: #"needletail_parts{signal="logs"} 9"#)
      let trace = try await server.get("/tempo/api/traces/\(OTLPBodies.traceID)").text
      #expect((0..<9).allSatisfy { trace.components(separatedBy: "span \($0).").count == 2 })
    }
  }
}
