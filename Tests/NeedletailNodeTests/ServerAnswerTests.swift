import Foundation
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("What a server answers, to the letter")
struct ServerAnswerTests {
  private let now = Int64(Date().timeIntervalSince1970 * 1000)

  private func post(_ path: String, _ body: [UInt8], to server: RunningServer) async throws {
    let answer = try await server.request("POST", path, headers: ["Content-Type": "application/json"], body: body)
    #expect(answer.status == 200, "\(answer.text)")
  }

  @Test("an aggregation around a function over logs or spans groups by what single records say, levels and attributes")
  func grouping() async throws {
    let base = now * 1_000_000
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      for index in 0..<3 as Range<Int64> {
        let log = String(
          decoding: OTLPBodies.log("l\(index)", service: "s", at: base - 1_000_000 * index), as: UTF8.self)
        let level =
          index == 0 ? #""severityNumber":9,"severityText":"INFO""# : #""severityNumber":17,"severityText":"ERROR""#
        try await post(
          "/v1/logs",
          Array(log.replacingOccurrences(of: #""severityNumber":17,"severityText":"ERROR""#, with: level).utf8),
          to: server)
      }
      try await post("/v1/traces", OTLPBodies.span("pay", service: "s", start: base - 9, end: base), to: server)
      let logs = #"(count_over_time(logs{service_name="s"}[5m]))"#
      #expect(try await server.instant("sum by (level) " + logs, at: now) == ["level=info": "1", "level=error": "2"])
      #expect(try await server.instant("sum by (service_name, level) " + logs, at: now).count == 2)
      #expect(try await server.instant("sum by (service_name) " + logs, at: now) == ["service_name=s": "3"])
      #expect(try await server.instant("sum" + logs, at: now) == ["": "3"])
      #expect(
        try await server.instant(#"max by (http_route) (rate(spans{service_name="s"}[10s]))"#, at: now)
          == ["http_route=/pay": "0.1"])
    }
  }

  @Test("metrics, logs and spans of a resource have the same job, and join by it")
  func job() async throws {
    let now = now
    let base = now * 1_000_000
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let service = "shop/cart"
      try await post("/v1/metrics", OTLPBodies.gauge("temperature", service: service, value: 4, at: base), to: server)
      try await post("/v1/logs", OTLPBodies.log("seen", service: service, at: base), to: server)
      try await post("/v1/traces", OTLPBodies.span("pay", service: service, start: base - 9, end: base), to: server)
      for signal in ["logs", "spans"] {
        let count = #"sum by (job) (count_over_time(\#(signal){service_name="cart", service_namespace="shop"}[1m]))"#
        #expect(try await server.instant(count, at: now) == ["job=shop/cart": "1"])
        #expect(try await server.instant(#"temperature * on (job) \#(count)"#, at: now) == ["job=shop/cart": "4"])
        #expect(try await server.instant(#"rate(\#(signal){job="cart"}[1m])"#, at: now) == [:])
      }
      let found = try await server.json("/tempo/api/search?tags=job%3Dshop/cart%20status%3Derror")
      #expect((found["traces"] as? [Any])?.count == 1)
      let p95 = #"quantile_over_time(0.95, spans{kind=~"server|consumer"} | unwrap duration [1m]) by (job)"#
      #expect(try await server.instant(p95, at: now) == ["job=shop/cart": "9e-09"])
      let errors = #"sum by (job) (rate(spans{kind=~"server|consumer", status="error"}[1s]))"#
      #expect(try await server.instant(errors, at: now) == ["job=shop/cart": "1"])
    }
  }

  @Test("a found trace tells how long it took to the nanosecond, and which service failed")
  func foundTrace() async throws {
    let base = now * 1_000_000
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let span = OTLPBodies.span("pay", service: "payment", start: base - 93_000, end: base)
      try await post("/v1/traces", span, to: server)
      let found = try await server.json("/tempo/api/search?tags=service.name%3Dpayment")
      let trace = try #require((found["traces"] as? [[String: Any]])?.first)
      #expect(trace["durationMs"] as? Int == 0 && trace["durationNanos"] as? String == "93000")
      #expect(trace["failedServiceName"] as? String == "payment" && trace["failedSpanName"] as? String == "pay")
      #expect(trace["errorCount"] as? Int == 1)
    }
  }

  @Test("Loki's series are the labels of the streams that match any selector, each once, by GET and by POST")
  func lokiSeries() async throws {
    let base = now * 1_000_000
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      for service in ["shop/cart", "shop/payment", "other"] {
        try await post("/v1/logs", OTLPBodies.log("x", service: service, at: base), to: server)
      }
      func services(_ answer: HTTPAnswer) throws -> [String] {
        #expect(answer.status == 200, "\(answer.text)")
        let json = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
        #expect(json?["status"] as? String == "success")
        return try #require(json?["data"] as? [[String: String]]).compactMap { $0["service_name"] }.sorted()
      }
      let cart = "match[]=%7Bservice_name%3D%22cart%22%7D"
      let shop = "match[]=%7Bservice_namespace%3D%22shop%22%7D"
      let path = "/loki/api/v1/series"
      #expect(try services(try await server.get("\(path)?\(cart)")) == ["cart"])
      #expect(try services(try await server.get("\(path)?\(cart)&\(shop)")) == ["cart", "payment"])
      let errors = "match[]=%7Blevel%3D%22error%22,service_namespace%3D%22shop%22%7D"
      #expect(try services(try await server.get("\(path)?\(errors)")) == ["cart", "payment"])
      #expect(try services(try await server.get(path)) == ["cart", "other", "payment"])
      #expect(try services(try await server.get("\(path)?\(shop)&start=1&end=2")) == [])
      let form = ["Content-Type": "application/x-www-form-urlencoded"]
      let posted = try await server.request("POST", path, headers: form, body: Array(shop.utf8))
      #expect(try services(posted) == ["cart", "payment"])
      for wrong in ["match[]=%7B", "match[]=rate(%7Ba%3D%22b%22%7D[1m])", "start=5&end=1"] {
        #expect(try await server.get("\(path)?\(wrong)").status == 400, "\(wrong)")
      }
      let many = Array(repeating: cart, count: 65).joined(separator: "&")
      #expect(try await server.get("\(path)?\(many)").status == 400)
    }
  }

  @Test("what Prometheus' clients ask for and there is nothing of is well-formed and empty")
  func emptyAnswers() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let lists = [
        "rules": ["groups"], "alerts": ["alerts"], "scrape_pools": ["scrapePools"],
        "alertmanagers": ["activeAlertmanagers", "droppedAlertmanagers"],
      ]
      for (path, names) in lists {
        let answer = try await server.json("/api/v1/\(path)")
        #expect(answer["status"] as? String == "success")
        let data = try #require(answer["data"] as? [String: [Any]])
        #expect(data.keys.sorted() == names && data.values.allSatisfy(\.isEmpty), "\(path)")
      }
      let targets = try #require(try await server.json("/api/v1/targets")["data"] as? [String: Any])
      #expect((targets["activeTargets"] as? [Any])?.isEmpty == true && targets.count == 3)
      for path in ["targets/metadata", "notifications"] {
        #expect((try await server.json("/prometheus/api/v1/\(path)")["data"] as? [Any])?.isEmpty == true)
      }
      #expect(try await server.request("POST", "/api/v1/rules").status == 405)
      #expect(try await server.get("/api/v1/status/other").status == 404)
    }
  }

  @Test("a selector of lines or spans alone is bad data for Prometheus' API, which cannot tell them, and not for ours")
  func bareSelectors() async throws {
    let now = now
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      try await post("/v1/logs", OTLPBodies.log("seen", service: "s", at: now * 1_000_000), to: server)
      try await post(
        "/v1/traces", OTLPBodies.span("pay", service: "s", start: now * 1_000_000, end: now * 1_000_000 + 9), to: server
      )
      let seconds = now / 1000
      let times = ["query": "time=\(seconds + 1)", "query_range": "start=\(seconds - 60)&end=\(seconds + 60)&step=15"]
      for (signal, type, shown) in [("logs", "streams", "seen"), ("spans", "spans", "pay")] {
        for (route, time) in times {
          let parameters = "\(route)?query=\(signal)%7Bservice_name%3D%22s%22%7D&\(time)"
          let refused = try await server.get("/api/v1/\(parameters)")
          #expect(refused.status == 400 && refused.text.contains(#""errorType":"bad_data""#), "\(refused.text)")
          #expect(refused.text.contains("count_over_time") && refused.text.contains("/loki/api/v1/query_range"))
          let answer = try await server.get("/needletail/v1/\(parameters)")
          #expect(answer.status == 200 && answer.text.contains(#""resultType":"\#(type)""#), "\(answer.text)")
          // An instant selects the events of one millisecond.
          if route == "query_range" { #expect(answer.text.contains(shown), "\(answer.text)") }
        }
      }
      #expect(try await server.json("/needletail/v1/query?query=1%2B1")["status"] as? String == "success")
    }
  }

  @Test("lines are selected by the nanosecond: the start is within, the end is not")
  func nanoseconds() async throws {
    let base = now * 1_000_000 + 123_456
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      for offset in 0..<5 {
        try await post("/v1/logs", OTLPBodies.log("line-\(offset)", service: "s", at: base + Int64(offset)), to: server)
      }
      func lines(_ start: Int64, _ end: Int64) async throws -> [Int] {
        let answer = try await server.get(
          "/loki/api/v1/query_range?query=%7Bservice_name%3D%22s%22%7D&start=\(base + start)&end=\(base + end)")
        #expect(answer.status == 200, "\(answer.text)")
        return (0..<5).filter { answer.text.contains("line-\($0)\"") }
      }
      #expect(try await lines(1, 3) == [1, 2])
      #expect(try await lines(4, 5) == [4])
      #expect(try await lines(2, 2) == [])
      #expect(try await lines(-999_999, 0) == [])
      #expect(try await lines(-5, 1_000_000) == [0, 1, 2, 3, 4])
      let far = try await server.get(
        "/loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D&start=\(Int64.min)&end=\(Int64.min)")
      #expect(far.status == 200 || far.status == 400, "\(far.text)")
      let labels = try await server.get("/loki/api/v1/labels?start=\(Int64.min)&end=\(Int64.min)")
      #expect(labels.status == 200, "\(labels.text)")
    }
  }

  @Test(
    "lists over several selectors are their union, each once, sorted and cut; of more than 64 selectors there is none")
  func selectors() async throws {
    let now = now
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      _ = try await server.remoteWrite(
        (0..<6).map { TestSeries(labels: [("__name__", "m\($0)"), ("l\($0)", "v\($0)")], samples: [(now, 1)]) })
      let selectors = "match[]=%7B__name__%3D~%22m[345]%22%7D&match[]=m1&match[]=m4"
      let names = try await server.json("/api/v1/labels?\(selectors)")
      #expect(names["data"] as? [String] == ["__name__", "l1", "l3", "l4", "l5"])
      let values = try await server.json("/api/v1/label/__name__/values?\(selectors)&limit=3")
      #expect(values["data"] as? [String] == ["m1", "m3", "m4"])
      #expect(values["warnings"] as? [String] == ["results truncated due to limit"])
      let series = try await server.json("/api/v1/series?\(selectors)")
      #expect((series["data"] as? [[String: String]])?.map { $0["__name__"] } == ["m1", "m3", "m4", "m5"])
      #expect(series["warnings"] == nil)
      let some = try await server.json("/api/v1/series?\(selectors)&limit=2")
      #expect((some["data"] as? [Any])?.count == 2)
      #expect(some["warnings"] as? [String] == ["results truncated due to limit"])
      let many = { (count: Int) in
        "/api/v1/series?" + Array(repeating: "match[]=m1", count: count).joined(separator: "&")
      }
      #expect(try await server.get(many(64)).status == 200)
      let refused = try await server.get(many(65))
      #expect(refused.status == 400 && refused.text.contains("more than 64"), "\(refused.text)")
    }
  }

  @Test("lists that something unreadable is missing from say so")
  func damage() async throws {
    let folder = try TemporaryFolder()
    let now = now
    try await RunningServer.run(folder: folder, flags: ["flush-interval": "1ms"]) { server async throws -> Void in
      _ = try await server.remoteWrite([TestSeries(labels: [("__name__", "kept")], samples: [(now, 1)])])
      while try await server.get("/metrics").text.contains(#"needletail_parts{signal="metrics"} 0"#) {}
      #expect(try await server.json("/api/v1/labels")["warnings"] == nil)
    }
    let parts = URL(fileURLWithPath: folder.path + "/data/parts")
    var damaged = 0
    for part in try FileManager.default.contentsOfDirectory(at: parts, includingPropertiesForKeys: nil) {
      let index = part.appendingPathComponent("index")
      guard var bytes = try? Data(contentsOf: index) else { continue }
      for position in bytes.indices { bytes[position] ^= 0x55 }
      try bytes.write(to: index)
      damaged += 1
    }
    #expect(damaged == 1)
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      for path in [
        "/api/v1/labels", "/api/v1/label/job/values", "/api/v1/series?match[]=kept",
        "/api/v1/query?query=kept&time=\(now / 1000 + 1)",
        "/api/v1/query_exemplars?query=kept",
      ] {
        let answer = try await server.json(path)
        let warnings = answer["warnings"] as? [String] ?? []
        #expect(warnings.contains { $0.contains("incomplete") && $0.contains("/index at byte") }, "\(path): \(answer)")
      }
    }
  }

  @Test("what a receiver left out stands in the metrics, by reason")
  func leftOut() async throws {
    let now = now
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      _ = try await server.remoteWrite([
        TestSeries(labels: [("__name__", "x")], samples: [(now, 1)]),
        TestSeries(labels: [("job", "a")], samples: [], exemplars: [(now, 1)]),
      ])
      let text = try await server.get("/metrics").text
      #expect(
        text.contains(
          #"needletail_ingest_left_out_total{signal="metrics",tenant="default",reason="missing_name"} 1"#), "\(text)")
    }
  }

  @Test("a span in a list of spans is written as in its trace")
  func spans() async throws {
    let nanoseconds = now * 1_000_000
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let body = OTLPBodies.span("POST /pay", service: "shop", start: nanoseconds, end: nanoseconds + 5)
      try await post("/v1/traces", body, to: server)
      let trace = try await server.get("/tempo/api/traces/\(OTLPBodies.traceID)").text
      let begin = try #require(trace.range(of: #"{"traceId""#)?.lowerBound)
      let span = String(trace[begin...].dropLast("]}]}]}".count))
      #expect(span.hasSuffix("}}"))
      let query = "spans%7Bservice_name%3D%22shop%22%7D"
      let list = try await server.get(
        "/needletail/v1/query_range?query=\(query)&start=\(now / 1000 - 5)&end=\(now / 1000 + 5)&step=1")
      #expect(list.text.contains(#"["\#(nanoseconds)",\#(span)]"#), "\(list.text) has no \(span)")
    }
  }

  @Test("an interval between flushes that no clock can count means never, and size still flushes")
  func endlessInterval() async throws {
    let now = now
    let flags = ["flush-interval": "1000y", "flush-bytes": "1MiB"]
    try await RunningServer.run(folder: try TemporaryFolder(), flags: flags) { server async throws -> Void in
      _ = try await server.remoteWrite([TestSeries(labels: [("__name__", "x")], samples: [(now, 1)])])
      while try await server.get("/metrics").text.contains("needletail_flushes_total 0") {}
      #expect(try await server.instant("x", at: now) == ["": "1"])
    }
  }

  @Test("a head of events that is as large as it should become asks for a flush, and no longer when it is done")
  func wantsFlush() async throws {
    let folder = try TemporaryFolder()
    let configuration = try ServerConfiguration.load(
      flags: ["data": folder.path + "/data"], environment: [:], file: nil)
    let storage = try NodeStorage(
      configuration, fileSystem: PosixFileSystem(), clock: SystemClock(), random: SystemRandomSource(),
      eventHeadBytes: 64 << 10)
    defer { storage.close() }
    let sink = StorageSink(series: storage.series, logs: storage.logs, spans: storage.spans)
    #expect(!storage.wantsFlush)
    for round in 0..<64 where !storage.wantsFlush {
      var builder = EventBatchBuilder(kind: .logs, tenant: .default)
      let stream = builder.stream(EventStream(resource: []))
      for row in 0..<64 {
        let time = now * 1_000_000 + Int64(round * 64 + row)
        builder.append(LogRecord(timeNanoseconds: time, body: .string("a line of some length")), stream: stream)
      }
      let batch = builder.build(batchID: Hash128(high: 0, low: UInt64(round)))
      _ = try await sink.append(events: try #require(batch))
    }
    #expect(storage.wantsFlush)
    _ = try storage.flush()
    #expect(!storage.wantsFlush)
  }

  @Test("a folder that was open to others is told of, one that the server made is not")
  func openFolder() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/data"
    let configuration = try ServerConfiguration.load(flags: ["data": path], environment: [:], file: nil)
    func warnings() throws -> [String] {
      let storage = try NodeStorage(
        configuration, fileSystem: PosixFileSystem(), clock: SystemClock(), random: SystemRandomSource())
      defer { storage.close() }
      return storage.warnings
    }
    _ = try warnings()
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path + "/catalog.sqlite")
    #expect(try warnings() == [])
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    #expect(try warnings().first?.contains("chmod go-rwx \(path)") == true)
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path + "/catalog.sqlite")
    #expect(try warnings().first?.contains("catalog.sqlite") == true)
  }
}
