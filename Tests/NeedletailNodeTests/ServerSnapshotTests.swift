import Foundation
import Testing

@testable import NeedletailNode

@Suite("Snapshots of a server")
struct ServerSnapshotTests {
  private let now = Int64(Date().timeIntervalSince1970 * 1000)

  private func store(_ value: Int64, on server: RunningServer) async throws {
    let series = TestSeries(labels: [("__name__", "m"), ("n", "\(value)")], samples: [(now - value, Double(value))])
    #expect(try await server.remoteWrite([series]).status == 204)
    let log = OTLPBodies.log("line \(value).", service: "s", at: (now - value) * 1_000_000)
    let headers = ["Content-Type": "application/json"]
    #expect(try await server.request("POST", "/v1/logs", headers: headers, body: log).status == 200)
  }

  /// What the tests ask: the values of all series, and the lines of all logs.
  private func answers(_ server: RunningServer) async throws -> (values: [String: String], lines: String) {
    let range = "start=\(now - 60_000)000000&end=\(now + 60_000)000000&limit=1000&direction=forward"
    let logs = try await server.json("/loki/api/v1/query_range?query=%7Bservice_name%3D%22s%22%7D&\(range)")
    let result = (logs["data"] as? [String: Any])?["result"] ?? []
    let lines = try JSONSerialization.data(withJSONObject: result, options: .sortedKeys)
    return (try await server.instant("m", at: now), String(decoding: lines, as: UTF8.self))
  }

  @Test("are data folders: a server on a copy answers as the one that made it did, whatever that one does meanwhile")
  func restore() async throws {
    let folder = try TemporaryFolder()
    let other = try TemporaryFolder()
    let (before, name) = try await RunningServer.run(folder: folder) { server in
      for value in 0..<9 as Range<Int64> {
        try await store(value, on: server)
        // Some of it in parts, the rest in memory.
        if value < 7 { #expect(try await server.request("POST", "/needletail/v1/admin/flush").status == 200) }
      }
      let before = try await answers(server)
      let made = try await server.request("POST", "/api/v1/admin/tsdb/snapshot")
      #expect(made.status == 200, "\(made.text)")
      let json = try JSONSerialization.jsonObject(with: Data(made.body)) as? [String: Any]
      #expect(json?["status"] as? String == "success")
      let name = try #require((json?["data"] as? [String: Any])?["name"] as? String)
      #expect(name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" })
      // Parts are replaced after it, and more is stored.
      for value in 20..<24 as Range<Int64> {
        try await store(value, on: server)
        #expect(try await server.request("POST", "/needletail/v1/admin/flush").status == 200)
      }
      return (before, name)
    }
    #expect(before.values.count == 9 && before.lines.contains("line 8."))
    try FileManager.default.copyItem(atPath: "\(folder.path)/data/snapshots/\(name)", toPath: other.path + "/data")
    try await RunningServer.run(folder: other) { server async throws -> Void in
      let after = try await answers(server)
      #expect(after.values == before.values && after.lines == before.lines)
    }
  }

  @Test("are made by POST or PUT alone, and without what is in memory where that is asked for")
  func withoutHead() async throws {
    let folder = try TemporaryFolder()
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      try await store(1, on: server)
      #expect(try await server.get("/api/v1/admin/tsdb/snapshot").status == 405)
      for wrong in ["x", "yes", "2", "tRUE"] {
        let refused = try await server.request("POST", "/api/v1/admin/tsdb/snapshot?skip_head=\(wrong)")
        #expect(refused.status == 400 && refused.text.contains(#""errorType":"bad_data""#), "\(refused.text)")
      }
      #expect(try await server.request("PUT", "/api/v1/admin/tsdb/snapshot?skip_head=true").status == 200)
    }
    let snapshots = folder.path + "/data/snapshots"
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: snapshots).first)
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(snapshots)/\(name)/parts").isEmpty)
  }
}
