import Foundation
import NeedletailOTLP
import NeedletailProcesses
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailWire

@Suite("A real Prometheus reads from here", .serialized, .enabled(if: OutsideProgram.isExpected("prometheus")))
struct RemoteReadTests {
  /// A Prometheus without data of its own, unless it is told to scrape the server under test.
  private struct Peer {
    let folder: URL
    let port: Int
    let prometheus: RunningProcess

    init(_ configuration: String, features: String = "") throws {
      port = try FreePorts.take(1)[0]
      folder = FileManager.default.temporaryDirectory.appending(path: "needletail-reader-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try configuration.write(to: folder.appending(path: "prometheus.yml"), atomically: true, encoding: .utf8)
      prometheus = try RunningProcess(
        "prometheus",
        [
          "--config.file=\(folder.path)/prometheus.yml", "--storage.tsdb.path=\(folder.path)/data",
          "--web.listen-address=127.0.0.1:\(port)", "--enable-feature=\(features)",
        ])
    }

    func end() {
      prometheus.end(SIGKILL)
      try? FileManager.default.removeItem(at: folder)
    }
  }

  private func ask(
    _ server: ServerUnderTest, _ port: Int, _ path: String, _ parameters: [String: String]
  ) async throws -> NSDictionary {
    let data = try await server.client.prometheus(path, parameters, port: port)
    return try #require(data as? NSDictionary)
  }

  @Test("what it answers over our samples is what we answer, and it changes nothing of it", .timeLimit(.minutes(20)))
  func queries() async throws {
    let server = try ServerUnderTest(["--set", "self-interval=off"])
    try await server.start()
    let base = Int(Date().timeIntervalSince1970) * 1000 - 60_000
    for number in 0..<40 {
      let body = Array(NumberedTelemetry.metrics(number, base: base).utf8)
      let stored = try await server.client.post(
        "/v1/metrics", body, type: "application/json", port: server.otlpHTTPPort)
      #expect(stored.status == 200)
    }
    let peer = try Peer(
      """
      remote_read:
        - url: http://127.0.0.1:\(server.port)/api/v1/read
          read_recent: true
      """)
    defer { peer.end() }
    try await eventually(seconds: 30, "Prometheus is ready: \(peer.prometheus.output)") {
      (try? await server.get("/-/ready", port: peer.port))?.status == 200
    }
    let end = String(base / 1000 + 10)
    let instants = [
      "kill_sample", "kill_sample[1m]", #"kill_sample{series=~"s[1-3]"}"#,
      #"sum by (series) (kill_sample{series!="s0"})"#,
      "max_over_time(kill_sample[30s])", #"{__name__=~"kill_.*",series!~"s4|s5"}"#, "absent(nothing)",
      "count(kill_sample) + on () group_left () count(kill_sample offset 1s)",
    ]
    for query in instants {
      let parameters = ["query": query, "time": end]
      let theirs = try await ask(server, peer.port, "/api/v1/query", parameters)
      #expect(try await ask(server, server.port, "/api/v1/query", parameters) == theirs, "\(query)")
      if !query.hasPrefix("absent") { #expect((theirs["result"] as? [Any])?.isEmpty == false, "\(query)") }
    }
    // No sample lies where a window begins: it belonged to it in this Prometheus, and does not any more. Nor is it asked
    // for a rate, whose edges were found in another way.
    let range = [
      "query": "avg by (series) (delta(kill_sample[10500ms]))", "start": String(base / 1000 - 5), "end": end,
      "step": "1",
    ]
    let ours = try await ask(server, server.port, "/api/v1/query_range", range)
    let theirs = try await ask(server, peer.port, "/api/v1/query_range", range)
    #expect(ours == theirs)
  }

  @Test(
    "chunks that both have of the same samples are the same to the byte where they begin and end alike, and hold the same",
    .timeLimit(.minutes(20)))
  func chunks() async throws {
    let server = try ServerUnderTest(["--set", "self-interval=off"])
    try await server.start()
    let peer = try Peer(
      """
      global: {scrape_interval: 1s}
      scrape_configs:
        - job_name: needletail
          static_configs: [{targets: ["127.0.0.1:\(server.port)"]}]
      remote_write:
        - url: http://127.0.0.1:\(server.port)/api/v1/write
          queue_config: {batch_send_deadline: 200ms}
      """)
    defer { peer.end() }
    try await eventually(seconds: 60, "Prometheus has scraped six times: \(peer.prometheus.output)") {
      let found = try? await ask(server, peer.port, "/api/v1/query", ["query": "count_over_time(up[1m]) >= 6"])
      return (found?["result"] as? [Any])?.isEmpty == false
    }
    let until = Int64(Date().timeIntervalSince1970) * 1000 - 1000
    var question = RemoteReadQuestion(types: [1])
    question.add(until - 60_000, until, [(0, "job", "needletail")])
    question.add(until - 60_000, until, [(2, "__name__", "scrape_.*|up"), (1, "__name__", "up")])
    let body = question.body
    func read(_ port: Int) async throws -> RemoteReadChunks {
      let answer = try await server.client.post(
        "/api/v1/read", body, type: "application/x-protobuf", port: port, headers: ["content-encoding": "snappy"])
      #expect(answer.status == 200, "\(String(decoding: answer.body.prefix(300), as: UTF8.self))")
      return try RemoteReadChunks(Array(answer.body))
    }
    func samples(_ read: RemoteReadChunks) throws -> [String] {
      try read.series.flatMap { series in
        let labels = series.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        return try series.floats().filter { $0.time <= until && $0.time >= until - 60_000 }
          .map { "\(series.query) \(labels) \($0.time) \($0.value.bitPattern)" }
      }
    }
    let theirs = try await read(peer.port)
    let expected = try samples(theirs)
    #expect(expected.count > 300)
    var found: [String] = []
    try await eventually(seconds: 30, "all \(expected.count) samples arrived, have \(found.count)") {
      found = try samples(await read(server.port))
      return found == expected
    }
    for chunk in theirs.series.flatMap(\.chunks) where chunk.encoding == 1 {
      var writer = FloatChunkWriter()
      for (time, value) in try ChunkReader.floats(chunk.bytes) { writer.append(time, value) }
      // Into the last byte, and behind it, it may have begun to write the next sample.
      let bytes = try #require(writer.take()?.bytes)
      #expect(bytes.count <= chunk.bytes.count && chunk.bytes.starts(with: bytes.dropLast()))
    }
  }

  /// A counter that grows, gets new buckets, begins anew and ends, a sample a second.
  private func histograms(from base: Int64) -> RemoteReadSeries {
    var series = RemoteReadSeries(labels: LabelSet(["__name__": "sizes", "job": "float"]))
    var histogram = NativeHistogram(
      schema: 2, zeroThreshold: 0x1p-128, zeroCount: 0.5, count: 0.5, sum: 0,
      positiveSpans: [.init(offset: -3, length: 2), .init(offset: 4, length: 3)],
      positiveBuckets: [0, 0, 0, 0, 0], negativeSpans: [.init(offset: 1, length: 1)], negativeBuckets: [0])
    for second in 0..<40 as Range<Int64> {
      switch second {
      case 15:
        histogram.positiveSpans[1].length += 1
        histogram.positiveBuckets.append(0)
      case 25:
        histogram.positiveBuckets = histogram.positiveBuckets.map { _ in 0 }
        (histogram.negativeBuckets, histogram.zeroCount, histogram.sum) = ([0], 0, 0)
      case 30: (histogram.schema, histogram.zeroThreshold) = (1, 0.001)
      default: break
      }
      for bucket in histogram.positiveBuckets.indices { histogram.positiveBuckets[bucket] += Double(bucket) / 8 + 1 }
      histogram.negativeBuckets[0] += 0.25
      histogram.zeroCount += 1
      histogram.sum += 3.7
      histogram.count =
        histogram.zeroCount + histogram.negativeBuckets[0] + histogram.positiveBuckets.reduce(0, +)
      series.histogramTimes.append(base + second * 1000)
      series.histograms.append(histogram)
    }
    return series
  }

  @Test(
    "chunks of float histograms that both have of the same samples are the same to the byte, but for what a reader finds out",
    .timeLimit(.minutes(20)))
  func nativeHistograms() async throws {
    let server = try ServerUnderTest(["--set", "self-interval=off"])
    try await server.start()
    let writer = try Peer("global: {}", features: "native-histograms,remote-write-receiver")
    defer { writer.end() }
    try await eventually(seconds: 30, "Prometheus is ready: \(writer.prometheus.output)") {
      (try? await server.get("/-/ready", port: writer.port))?.status == 200
    }
    let base = Int64(Date().timeIntervalSince1970) * 1000 - 60_000
    let series = histograms(from: base)
    var request = ProtobufWriter()
    RemoteReadAnswer.append(series, to: &request)
    let body = try #require(BodyCompressor.snappy(request.bytes))
    for port in [server.port, writer.port] {
      let answer = try await server.client.post(
        "/api/v1/write", body, type: "application/x-protobuf", port: port,
        headers: ["content-encoding": "snappy", "x-prometheus-remote-write-version": "0.1.0"])
      #expect(answer.status < 300, "\(String(decoding: answer.body, as: UTF8.self))")
    }
    var question = RemoteReadQuestion(types: [1])
    question.add(base, base + 60_000, [(0, "__name__", "sizes")])
    var chunks: [[RemoteReadChunks.Chunk]] = []
    for port in [server.port, writer.port] {
      let answer = try await server.client.post(
        "/api/v1/read", question.body, type: "application/x-protobuf", port: port,
        headers: ["content-encoding": "snappy"])
      let read = try RemoteReadChunks(Array(answer.body))
      let found = try #require(read.series.first)
      #expect(try found.histograms().map(\.time) == series.histogramTimes)
      for (one, other) in zip(try found.histograms(), series.histograms) {
        var (read, written) = (one.histogram, other)
        (read.resetHint, written.resetHint) = (.unknown, .unknown)
        if read.positiveSpans == written.positiveSpans { #expect(read == written) }
        #expect(read.count == written.count && read.sum == written.sum)
      }
      chunks.append(found.chunks)
    }
    // It puts new buckets into the chunk that is there, and we begin another one: what begins and ends alike is alike.
    let theirs = chunks[1].filter { chunk in chunks[0].contains { $0.first == chunk.first && $0.last == chunk.last } }
    #expect(theirs.count >= 2)
    for chunk in theirs {
      let ours = chunks[0].first { $0.first == chunk.first }
      // The third byte says whether the counter began anew, which is left to be found out here.
      #expect(ours?.bytes.dropFirst(3) == chunk.bytes.dropFirst(3) && ours?.bytes.prefix(2) == chunk.bytes.prefix(2))
    }
  }

  @Test("queries are printed as it prints them, and what it refuses is refused alike", .timeLimit(.minutes(20)))
  func spelling() async throws {
    let server = try ServerUnderTest(["--set", "self-interval=off"])
    try await server.start()
    let peer = try Peer("global: {}")
    defer { peer.end() }
    try await eventually(seconds: 30, "Prometheus is ready: \(peer.prometheus.output)") {
      (try? await server.get("/-/ready", port: peer.port))?.status == 200
    }
    let long = String(repeating: "long_name_", count: 8)
    let queries = [
      "sum by(job,instance)(rate(x[300s]))", "foo{b='1',a=\"2\"}", "a + ignoring() b", "a * on(x) group_right b",
      "x[1d:5m] @ 1609746000.5 offset -1w", "x offset 5m @ start()", "sum(x) by (a)", "count_values('v', x)",
      "sum by (job) (rate(\(long)[5m]) / on (job) group_left \(long)info)", "-\(long)_a + -\(long)_b",
      "(topk(5, max_over_time(\(long)[5m:1m])) + -abs(\(long)))", "quantile(0.9, \(long)) > bool \(long)",
      "histogram_quantile(0.9, sum by (le, \(long)) (rate(\(long)[5m])))", "max_over_time((\(long) + \(long))[5m:])",
      #"label_replace(\#(long), "a", "$1", "b", "\\d+\n\t\u00e9")"#, "1 + 2 * -3 ^ 4 % 5", "a and b or c unless d",
    ]
    for query in queries {
      let path = "/api/v1/format_query?query=\(ServerClient.percentEncoded(query))"
      let theirs = try await server.get(path, port: peer.port)
      #expect(theirs.status == 200, "\(query)")
      func text(_ body: Data) throws -> String? {
        (try JSONSerialization.jsonObject(with: body) as? [String: Any])?["data"] as? String
      }
      let (one, other) = (try text(try await server.get(path).body), try text(theirs.body))
      #expect(one == other && one != nil)
    }
    let paths = [
      "query?query=up&timeout=x", "query_range?query=up&start=10&end=0&step=1", "labels?match[]=%7B%7D", "series",
      "query_range?query=up&start=0&end=11000&step=1", "query_range?query=up&start=0&end=11001&step=1", "rules?type=x",
      "metadata?limit=x", "targets/metadata", "rules", "alerts", "alertmanagers", "status/walreplay", "status/tsdb",
      "status/config", "status/runtimeinfo", "status/buildinfo", "metadata", "nothing", "query",
      "query?query=sum(", "label/a/values?limit=1", "query?query=1&stats=all", "format_query",
    ]
    for path in paths {
      let ours = try await server.get("/api/v1/\(path)")
      let theirs = try await server.get("/api/v1/\(path)", port: peer.port)
      #expect(ours.status == theirs.status, "\(path)")
      guard theirs.status != 404 else { continue }
      let (one, other) = (try shape(ours.body), try shape(theirs.body))
      #expect(other.isSubset(of: one), "\(path): \(other.subtracting(one))")
    }
  }

  /// The paths of all members of a JSON object; of an error its kind too.
  private func shape(_ body: Data) throws -> Set<String> {
    var found: Set<String> = []
    func walk(_ value: Any, _ path: String) {
      if let object = value as? [String: Any] {
        for (key, value) in object { walk(value, path + "/" + key) }
      } else if path == "/errorType", let text = value as? String {
        found.insert("\(path)=\(text)")
      } else {
        found.insert(path)
      }
    }
    let json = try JSONSerialization.jsonObject(with: body)
    walk(json, "")
    return found
  }
}
