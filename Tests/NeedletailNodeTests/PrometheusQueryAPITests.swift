import Foundation
import NeedletailEnvironment
import Testing

@testable import NeedletailNode

@Suite("Prometheus' API beside queries")
struct PrometheusQueryAPITests {
  private let now = Int64(Date().timeIntervalSince1970 * 1000)

  private func escaped(_ text: String) -> String {
    text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
  }

  private func some(_ server: RunningServer) async throws {
    let series = (0..<3).map { number in
      TestSeries(
        labels: [("__name__", "m"), ("n", "\(number)")],
        samples: (0..<10).map { (now - 10_000 + 1000 * Int64($0), Double($0)) })
    }
    #expect(try await server.remoteWrite(series).status < 300)
  }

  private func tree(_ query: String, _ server: RunningServer) async throws -> NSDictionary {
    let answer = try await server.json("/api/v1/parse_query?query=\(escaped(query))")
    return try #require(answer["data"] as? NSDictionary)
  }

  @Test("format_query prints as Prometheus, by GET and by POST, and tells what is wrong")
  func format() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let answer = try await server.json("/api/v1/format_query?query=\(escaped("sum by(a)(rate(foo{b='c'}[60s]))"))")
      #expect(answer["data"] as? String == #"sum by (a) (rate(foo{b="c"}[1m]))"#)
      let form = ["Content-Type": "application/x-www-form-urlencoded"]
      let posted = try await server.request(
        "POST", "/api/v1/format_query", headers: form, body: Array("query=foo%2Fbar".utf8))
      #expect(posted.text == #"{"status":"success","data":"foo / bar"}"#)
      let wrong = try await server.get("/api/v1/format_query?query=foo%2F")
      #expect(wrong.status == 400 && wrong.text.contains(#""errorType":"bad_data""#))
      #expect(wrong.text.contains(#"invalid parameter \"query\": 1:"#))
    }
  }

  @Test("parse_query answers with Prometheus' syntax tree, node for node")
  func parse() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      func json(_ text: String) throws -> NSDictionary {
        try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary)
      }
      #expect(
        try await tree(#"foo{b="c"} offset 5m"#, server)
          == json(
            #"""
            {"type":"vectorSelector","name":"foo","offset":300000,"offsetExpr":null,"timestamp":null,
            "startOrEnd":null,"anchored":false,"smoothed":false,"matchers":[
            {"name":"b","value":"c","type":"="},{"name":"__name__","value":"foo","type":"="}]}
            """#))
      #expect(
        try await tree("sum by (a) (rate(x[5m] @ end()))", server)
          == json(
            #"""
            {"type":"aggregation","op":"sum","param":null,"grouping":["a"],"without":false,"expr":{"type":"call",
            "func":{"name":"rate","argTypes":["matrix"],"variadic":0,"returnType":"vector"},"args":[
            {"type":"matrixSelector","name":"x","range":300000,"rangeExpr":null,"offset":0,"offsetExpr":null,
            "timestamp":null,"startOrEnd":"end","anchored":false,"smoothed":false,
            "matchers":[{"name":"__name__","value":"x","type":"="}]}]}}
            """#))
      let binary = try await tree("a * on (b) group_left (c) (-d) > bool 1", server)
      #expect(binary["op"] as? String == ">" && binary["bool"] as? Bool == true && binary["matching"] is NSNull)
      #expect(binary["rhs"] as? NSDictionary == ["type": "numberLiteral", "val": "1"])
      let product = try #require(binary["lhs"] as? NSDictionary)
      #expect(
        product["matching"] as? NSDictionary
          == [
            "card": "many-to-one", "labels": ["b"], "on": true, "include": ["c"],
            "fillValues": ["lhs": NSNull(), "rhs": NSNull()],
          ])
      let negated = (product["rhs"] as? NSDictionary)?["expr"] as? NSDictionary
      #expect((product["rhs"] as? NSDictionary)?["type"] as? String == "parenExpr" && negated?["op"] as? String == "-")
      let subquery = try await tree("max_over_time(x[1h:(2*step())])", server)
      let argument = try #require((subquery["args"] as? [NSDictionary])?.first)
      #expect(argument["type"] as? String == "subquery" && argument["range"] as? Int == 3_600_000)
      let step = try #require(argument["stepExpr"] as? NSDictionary)
      #expect(step["op"] as? String == "*" && step["wrapped"] as? Bool == true)
      #expect(try await tree(#""text""#, server) == ["type": "stringLiteral", "val": "text"])
      #expect(try await tree("-1", server) == ["type": "numberLiteral", "val": "-1"])
      #expect(try await tree(#"rate(logs{a="b"}[1m])"#, server)["type"] as? String == "call")
      #expect(try await server.get("/api/v1/parse_query?query=%7B").status == 400)
    }
  }

  @Test("the server tells of its settings, of the process and of what is in memory")
  func status() async throws {
    try await RunningServer.run(folder: try TemporaryFolder(), flags: ["retention": "5d"]) {
      server async throws -> Void in
      try await some(server)
      func data(_ path: String) async throws -> NSDictionary {
        try #require(try await server.json("/api/v1/status/\(path)")["data"] as? NSDictionary)
      }
      #expect(try await data("flags")["retention"] as? String == "5d")
      #expect((try await data("config")["yaml"] as? String)?.contains("retention: \"5d\"") == true)
      let runtime = try await data("runtimeinfo")
      #expect(runtime["storageRetention"] as? String == "5d" && runtime["corruptionCount"] as? Int == 0)
      #expect((runtime["startTime"] as? String)?.hasPrefix("20") == true)
      #expect(try await data("walreplay") == ["min": 0, "max": 0, "current": 0])
      let storage = try await data("tsdb")
      #expect((storage["headStats"] as? NSDictionary)?["numSeries"] as? Int == 3)
      #expect((storage["headStats"] as? NSDictionary)?["minTime"] as? Int64 == now - 10_000)
      #expect(storage["seriesCountByMetricName"] as? [NSDictionary] == [["name": "m", "value": 3]])
      #expect(
        storage["labelValueCountByLabelName"] as? [NSDictionary]
          == [["name": "n", "value": 3], ["name": "__name__", "value": 1]])
      #expect((storage["seriesCountByLabelValuePair"] as? [NSDictionary])?.first == ["name": "__name__=m", "value": 3])
      for wrong in ["0", "x", "10001"] {
        #expect(try await server.get("/api/v1/status/tsdb?limit=\(wrong)").status == 400)
      }
      #expect((try await data("tsdb?limit=1")["seriesCountByLabelValuePair"] as? [NSDictionary])?.count == 1)
      #expect(try await data("tsdb/blocks")["blocks"] as? [NSDictionary] == [])
      #expect(try await server.request("POST", "/needletail/v1/admin/flush").status == 200)
      let block = try #require((try await data("tsdb/blocks")["blocks"] as? [NSDictionary])?.first)
      #expect(block["stats"] as? NSDictionary == ["numSamples": 30, "numSeries": 3])
    }
  }

  @Test("parameters that Prometheus refuses are refused, with its kinds of error")
  func refusals() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let wrong = [
        "query?query=up&limit=x", "query?query=up&limit=-1", "query?query=up&timeout=x", "query?query=up&time=x",
        "query?query=up&lookback_delta=x", "query?query=", "query", "query_range?query=up&start=10&end=0&step=1",
        "query_range?query=up&start=0&end=10&step=0", "query_range?query=up&step=1",
        "query_range?query=up&start=0&end=11001&step=1", "query_range?query=up%5B5m%5D&start=0&end=9&step=1",
        "labels?match[]=%7B%7D", "series?match[]=%7Ba%3D~%22.*%22%7D", "series", "metadata?limit=x",
        "metadata?limit_per_metric=x", "targets/metadata?limit=x", "targets/metadata?match_target=%7B",
        "rules?type=x", "rules?exclude_alerts=x", "rules?group_limit=0", "rules?group_next_token=x",
        "label/%ff/values", "label/U__/values", "rules?match[]=%7B",
        "query_exemplars?query=%7B", "query_exemplars?query=up&start=9&end=1",
      ]
      for path in wrong {
        let answer = try await server.get("/api/v1/\(path)")
        #expect(answer.status == 400 && answer.text.contains(#""errorType":"bad_data""#), "\(path): \(answer.text)")
      }
      #expect(try await server.get("/api/v1/query_range?query=up&start=0&end=11000&step=1").status == 200)
      #expect(try await server.get("/api/v1/rules?type=alert&group_limit=1&exclude_alerts=true").status == 200)
      let failed = try await server.get("/api/v1/query?query=vector(1)%20or%20on()%20group_left()%20vector(2)")
      #expect(failed.status == 400)
      #expect(try await server.get("/api/v1/nothing").status == 404)
      let method = try await server.request("DELETE", "/api/v1/query")
      #expect(method.status == 405 && method.headers["allow"] == "GET, POST")
    }
  }

  @Test("statistics tell what Prometheus tells, and what was read, when they are asked for")
  func statistics() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      try await some(server)
      #expect(try await server.request("POST", "/needletail/v1/admin/flush").status == 200)
      let range = "start=\((now - 9_000) / 1000)&end=\(now / 1000)&step=3"
      func stats(_ parameters: String) async throws -> NSDictionary? {
        let answer = try await server.json("/api/v1/query_range?query=sum(m)&\(range)\(parameters)")
        return (answer["data"] as? NSDictionary)?["stats"] as? NSDictionary
      }
      #expect(try await stats("") == nil)
      let all = try #require(try await stats("&stats=all"))
      let samples = try #require(all["samples"] as? NSDictionary)
      let steps = try #require(samples["totalQueryableSamplesPerStep"] as? [[NSNumber]])
      #expect(steps.count == 4 && steps.allSatisfy { $0[1] == 3 })
      #expect(samples["totalQueryableSamples"] as? Int == 12)
      let timings = try #require(all["timings"] as? [String: Double])
      #expect(timings.count == 6 && timings.values.allSatisfy { $0 >= 0 } && (timings["execTotalTime"] ?? 0) > 0)
      let ours = try #require(all["needletail"] as? NSDictionary)
      #expect(ours["rowsRead"] as? Int == 30 && ours["seriesRead"] as? Int == 3 && ours["partsRead"] as? Int == 1)
      #expect(ours["blocksRead"] as? Int == 1 && ours["blocksSkipped"] as? Int == 0)
      let basic = try #require(try await stats("&stats=true")?["samples"] as? NSDictionary)
      #expect(basic["totalQueryableSamplesPerStep"] == nil)
      let odd = try await server.json("/api/v1/query?query=m&stats=yes")
      #expect((odd["warnings"] as? [String])?.first?.contains("deprecated") == true)
      let past = try await server.json("/api/v1/query?query=m&time=\(now / 1000 - 86_400)&stats=all")
      let skipped = ((past["data"] as? NSDictionary)?["stats"] as? NSDictionary)?["needletail"] as? NSDictionary
      #expect(skipped?["partsSkipped"] as? Int == 1 && skipped?["blocksRead"] as? Int == 0)
    }
  }

  @Test("a plan tells what would be read, without reading it")
  func plans() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let path = "/needletail/v1/explain?query=\(escaped("sum by (n) (rate(m[5m]))"))"
      let instant = try #require(try await server.json("\(path)&time=1000")["data"] as? NSDictionary)
      #expect((instant["nodes"] as? [NSDictionary])?.map { $0["text"] as? String } == ["sum by (n)", "rate", "m[5m]"])
      let read = try #require((instant["reads"] as? [NSDictionary])?.first)
      #expect(read["labels"] as? [String] == ["n", "__name__"] && read["start"] as? Int == 700_001)
      let range = try #require(try await server.json("\(path)&start=0&end=60&step=15")["data"] as? NSDictionary)
      #expect(range["cache"] as? String == "used")
      #expect((range["steps"] as? NSDictionary)?["count"] as? Int == 5)
      #expect(try await server.get("/needletail/v1/explain?query=%7B").status == 400)
      let events = escaped("count_over_time(logs{a=\"b\"}[5m])")
      let far = "start=-9000000000000000&end=9000000000000000&step=60"
      #expect(try await server.get("/needletail/v1/explain?query=\(events)&\(far)").status == 400)
      let pattern = "match[]=" + escaped("{a=\"b\"," + (0..<129).map { "c=~\"x\($0)\"" }.joined(separator: ",") + "}")
      #expect(try await server.get("/api/v1/series?\(pattern)").status == 200)
      #expect(try await server.get("/api/v1/series?\(pattern)&\(pattern)").status == 400)
      // Short, and a thousand times as long when it is printed, at every level again.
      let long = String(repeating: "x", count: 3000)
      let sum = escaped("WITH (t = {a=\"\(long)\"}) t" + String(repeating: " + t", count: 300))
      for path in ["/needletail/v1/explain", "/api/v1/format_query", "/api/v1/parse_query"] {
        #expect(try await server.get("\(path)?query=\(sum)&time=1000").status == 400, "\(path)")
      }
    }
  }
}
