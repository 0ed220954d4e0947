import Foundation
import Testing

@testable import NeedletailNode

@Suite("Series are deleted over HTTP")
struct ServerDeletionTests {
  private let now = Int64(Date().timeIntervalSince1970 * 1000)
  private let path = "/api/v1/admin/tsdb/delete_series"

  private func series(_ name: String, _ value: Double) -> TestSeries {
    TestSeries(labels: [("__name__", name)], samples: [(now - 20_000, value), (now - 10_000, value)])
  }

  @Test("by selector and range, at once and for good, and what is written afterwards stays")
  func deletes() async throws {
    let now = now
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      #expect(try await server.remoteWrite([series("a", 1), series("b", 1), series("c", 1)]).status == 204)
      let half = "&start=\(Double(now - 12_000) / 1000)"
      #expect(try await server.request("POST", path + "?match[]=a&match[]=b" + half).status == 204)
      func count(_ name: String) async throws -> String? {
        try await server.instant("count_over_time(\(name)[1m])", at: now)[""]
      }
      #expect(try await count("a") == "1")
      #expect(try await count("c") == "2")
      #expect(try await server.request("PUT", path + "?match[]=%7B__name__%3D~%22a%7Cb%22%7D").status == 204)
      #expect(try await count("a") == nil)
      #expect(try await count("c") == "2")
      #expect(try await server.remoteWrite([series("a", 2)]).status == 204)
      #expect(try await count("a") == "2")
      #expect(try await server.request("POST", "/api/v1/admin/tsdb/clean_tombstones").status == 204)
      #expect(try await count("a") == "2")
      #expect(try await count("b") == nil)
    }
  }

  @Test("a range that was asked for before, and is kept, has what came late and lacks what was deleted")
  func changesKeptAnswers() async throws {
    let now = now / 60_000 * 60_000
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      func write(_ samples: [(Int64, Double)]) async throws {
        let series = TestSeries(labels: [("__name__", "kept")], samples: samples.map { (time: $0.0, value: $0.1) })
        #expect(try await server.remoteWrite([series]).status == 204)
      }
      func values() async throws -> [String] {
        let range = "&start=\((now - 1_200_000) / 1000)&end=\(now / 1000)&step=300"
        let answer = try await server.json("/api/v1/query_range?query=sum(sum_over_time(kept%5B5m%5D))" + range)
        let data = answer["data"] as? [String: Any]
        let series = (data?["result"] as? [[String: Any]])?.first
        return (series?["values"] as? [[Any]] ?? []).compactMap { $0.last as? String }
      }
      try await write([(now - 1_000_000, 1), (now - 700_000, 2), (now - 10_000, 4)])
      #expect(try await values() == ["1", "2", "4"])
      #expect(try await values() == ["1", "2", "4"])
      try await write([(now - 650_000, 8)])
      #expect(try await values() == ["1", "10", "4"])
      try await write([(now - 5_000, 16)])
      #expect(try await values() == ["1", "10", "20"])
      #expect(try await server.request("POST", path + "?match[]=kept&end=\((now - 900_000) / 1000)").status == 204)
      #expect(try await values() == ["10", "20"])
    }
  }

  @Test("only by a POST or PUT with a token, and with a selector that can be read")
  func isGuarded() async throws {
    let folder = try TemporaryFolder()
    try Data("0123456789abcdef\n".utf8).write(to: URL(filePath: folder.path + "/tokens"))
    try await RunningServer.run(folder: folder, flags: ["token-file": folder.path + "/tokens"]) {
      server async throws -> Void in
      let clean = "/api/v1/admin/tsdb/clean_tombstones"
      for path in [path + "?match[]=a", clean] {
        #expect(try await server.get(path).status == 405)
        #expect(try await server.request("POST", path).status == 401)
      }
      let token = ["Authorization": "Bearer 0123456789abcdef"]
      for query in ["", "?match[]=", "?match[]=%7B", "?match[]=a&start=x", "?match[]=a&start=2&end=1"] {
        let answer = try await server.request("POST", path + query, headers: token)
        #expect(answer.status == 400, "\(query): \(answer.text)")
      }
      #expect(try await server.request("POST", path + "?match[]=a", headers: token).status == 204)
      #expect(try await server.request("POST", clean, headers: token).status == 204)
    }
  }
}
