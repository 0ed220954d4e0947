import Foundation
import Testing

@testable import NeedletailNode

@Suite("Limits of queries, as clients meet them")
struct ServerLimitTests {
  private let now = Int64(Date().timeIntervalSince1970 * 1000)

  private func fill(_ server: RunningServer, series: Int) async throws {
    let series = (0..<series).map { number in
      TestSeries(
        labels: [("__name__", "wide"), ("n", "\(number)")],
        samples: (0..<10).map { (now - Int64($0) * 1000, Double(number)) })
    }
    #expect(try await server.remoteWrite(series).status == 204)
  }

  private func error(_ answer: HTTPAnswer) throws -> [String: String] {
    let json = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: String]
    #expect(json?["status"] == "error")
    return json ?? [:]
  }

  @Test("a query that reads or holds too many samples is unprocessable, and the limit is named")
  func samples() async throws {
    let flags = ["query-samples-max": "1000"]
    try await RunningServer.run(folder: try TemporaryFolder(), flags: flags) { server async throws -> Void in
      try await fill(server, series: 200)
      let time = "&time=\(now / 1000)"
      for query in ["wide%5B1m%5D", "sum_over_time(wide%5B1m%5D)"] {
        let answer = try await server.get("/api/v1/query?query=\(query)\(time)")
        #expect(answer.status == 422)
        let error = try error(answer)
        #expect(error["errorType"] == "execution" && error["error"]?.contains("1000") == true, "\(error)")
      }
      let some = #"wide%7Bn%3D~"1.?"%7D%5B1m%5D"#.replacingOccurrences(of: "\"", with: "%22")
      #expect(try await server.get("/api/v1/query?query=\(some)\(time)").status == 200)
    }
  }

  @Test("a query whose time is up ends, and says so")
  func time() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      try await fill(server, series: 2000)
      let query = "sum_over_time(wide[1h])*on(n)group_left()sum_over_time(wide[1h])"
      let range = "start=\(now / 1000 - 10_900)&end=\(now / 1000)&step=1"
      for timeout in ["1ms", "0.001"] {
        let answer = try await server.get("/api/v1/query_range?query=\(query)&\(range)&timeout=\(timeout)")
        #expect(answer.status == 503)
        let error = try error(answer)
        #expect(error["errorType"] == "timeout" && error["error"]?.contains("timed out") == true, "\(error)")
      }
      #expect(try await server.get("/metrics").text.contains("needletail_queries_running 0"))
    }
  }

  @Test("a limit cuts what is told, with a warning; a lookback decides which samples are seen")
  func parameters() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      try await fill(server, series: 5)
      let seconds = now / 1000
      let times = ["query": "time=\(seconds)", "query_range": "start=\(seconds - 5)&end=\(seconds)&step=5"]
      for (route, time) in times {
        func count(_ parameters: String) async throws -> (Int?, [String]?) {
          let answer = try await server.json("/api/v1/\(route)?query=wide&\(time)\(parameters)")
          let data = answer["data"] as? [String: Any]
          return ((data?["result"] as? [Any])?.count, answer["warnings"] as? [String])
        }
        #expect(try await count("&limit=3") == (3, ["results truncated due to limit"]))
        for limit in [5, 0] { #expect(try await count("&limit=\(limit)") == (5, nil)) }
      }
      let later = "/api/v1/query?query=wide&time=\(seconds + 60)"
      for (lookback, wanted) in [("30s", 0), ("90", 5), ("5m", 5)] {
        let data = try await server.json("\(later)&lookback_delta=\(lookback)")["data"] as? [String: Any]
        #expect((data?["result"] as? [Any])?.count == wanted, "\(lookback)")
      }
      let form = ["Content-Type": "application/x-www-form-urlencoded"]
      let body = Array("query=wide&limit=2&time=\(seconds)".utf8)
      let posted = try await server.request("POST", "/api/v1/query", headers: form, body: body)
      #expect(posted.text.contains("results truncated due to limit"))
    }
  }
}
