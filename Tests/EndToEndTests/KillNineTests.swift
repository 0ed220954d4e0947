import Foundation
import NeedletailProcesses
import Synchronization
import Testing

@Suite("kill -9", .serialized)
struct KillNineTests {
  /// Numbers of the batches that were acknowledged, and the next to send, by signal.
  private final class Ledger: Sendable {
    struct Signal {
      var acknowledged: Set<Int> = []
      /// Sent without an answer: the client sends them again, as a real one does.
      var pending: [Int] = []
      var next = 0
    }
    let signals = Mutex<[String: Signal]>([:])

    func take(_ path: String) -> Int {
      signals.withLock { signals in
        if let number = signals[path, default: Signal()].pending.popLast() { return number }
        defer { signals[path, default: Signal()].next += 1 }
        return signals[path, default: Signal()].next
      }
    }

    func settle(_ path: String, _ number: Int, acknowledged: Bool) {
      signals.withLock { signals in
        if acknowledged {
          signals[path, default: Signal()].acknowledged.insert(number)
        } else {
          signals[path, default: Signal()].pending.append(number)
        }
      }
    }

    func acknowledged(_ path: String) -> Set<Int> { signals.withLock { $0[path]?.acknowledged ?? [] } }
    func sent(_ path: String) -> Int { signals.withLock { $0[path]?.next ?? 0 } }
  }

  private static let rounds = 20

  @Test(
    "After 20 rounds of kill -9 during ingest, every acknowledged sample, span and log record is there exactly once",
    .timeLimit(.minutes(20)))
  func nothingAcknowledgedIsLost() async throws {
    let seed = UInt64.random(in: 0..<UInt64.max)
    print("kill -9 seed \(seed)")
    var random = Xorshift(seed)
    // Heads are flushed to parts all the time, so that kills also fall into flushes.
    let server = try ServerUnderTest(["--set", "flush-interval=1s"])
    let ledger = Ledger()
    let base = Int(Date().timeIntervalSince1970 * 1000) - 600_000
    for _ in 0..<Self.rounds {
      try await server.start()
      let client = server.client
      let producers = ["/v1/metrics", "/v1/logs", "/v1/traces"].flatMap { path in
        (0..<2).map { _ in Task { await Self.produce(path, to: client, ledger, base: base) } }
      }
      try await Task.sleep(for: .milliseconds(Int(random.next() % 700) + 50))
      server.stop(SIGKILL)
      for producer in producers { await producer.value }
    }
    try await server.start()
    for path in ["/v1/metrics", "/v1/logs", "/v1/traces"] {
      #expect(ledger.acknowledged(path).count > 20, "too little got through to prove anything: \(path)")
    }
    try await checkSamples(server, ledger, base: base)
    try await checkLogs(server, ledger)
    try await checkTraces(server, ledger)
    #expect(server.stop(SIGTERM) == 0)
  }

  private static func produce(_ path: String, to client: ServerClient, _ ledger: Ledger, base: Int) async {
    while true {
      let number = ledger.take(path)
      let body =
        switch path {
        case "/v1/metrics": NumberedTelemetry.metrics(number, base: base)
        case "/v1/logs": NumberedTelemetry.logs(number, base: base)
        default: NumberedTelemetry.spans(number, base: base)
        }
      let answer = try? await client.post(
        path, Array(body.utf8), type: "application/json", port: client.otlpHTTPPort)
      ledger.settle(path, number, acknowledged: answer?.status == 200)
      if answer == nil { return }
    }
  }

  private func checkSamples(_ server: ServerUnderTest, _ ledger: Ledger, base: Int) async throws {
    let data = try await server.prometheus("/api/v1/query", ["query": "kill_sample[1h]"])
    let result = try #require((data as? [String: Any])?["result"] as? [[String: Any]])
    var values: [Int: Double] = [:]
    for series in result {
      let name = (series["metric"] as? [String: String])?["series"]
      for pair in try #require(series["values"] as? [[Any]]) {
        let milliseconds = ((pair[0] as? NSNumber)?.doubleValue ?? 0) * 1000
        let sample = Int(milliseconds.rounded()) - base
        #expect(name == "s\(sample % 7)")
        #expect(values[sample] == nil, "sample \(sample) is there twice")
        values[sample] = Double(pair[1] as? String ?? "")
      }
    }
    let sent = ledger.sent("/v1/metrics") * NumberedTelemetry.samplesPerBatch
    #expect(values.keys.allSatisfy { (0..<sent).contains($0) }, "a sample that was never sent")
    for number in ledger.acknowledged("/v1/metrics") {
      for index in 0..<NumberedTelemetry.samplesPerBatch {
        let sample = number * NumberedTelemetry.samplesPerBatch + index
        #expect(values[sample] == NumberedTelemetry.value(ofSample: sample), "sample \(sample) of batch \(number)")
      }
    }
  }

  private func checkLogs(_ server: ServerUnderTest, _ ledger: Ledger) async throws {
    let query = ServerClient.percentEncoded("{service_name=\"kill\"}")
    let (status, body) = try await server.get("/loki/api/v1/query_range?query=\(query)&limit=50000&since=1h")
    try #require(status == 200, "\(String(decoding: body.prefix(300), as: UTF8.self))")
    let answer = try JSONSerialization.jsonObject(with: body) as? [String: Any]
    let streams = try #require((answer?["data"] as? [String: Any])?["result"] as? [[String: Any]])
    var counts: [String: Int] = [:]
    for stream in streams {
      for entry in stream["values"] as? [[Any]] ?? [] { counts[entry[1] as? String ?? "", default: 0] += 1 }
    }
    #expect(counts.count < 50_000, "more lines than one answer holds: the check would miss some")
    #expect(counts.values.allSatisfy { $0 == 1 }, "a log record is there twice")
    let sent = ledger.sent("/v1/logs") * NumberedTelemetry.linesPerBatch
    #expect(counts.count <= sent)
    for number in ledger.acknowledged("/v1/logs") {
      for index in 0..<NumberedTelemetry.linesPerBatch {
        let line = "line \(number * NumberedTelemetry.linesPerBatch + index)"
        #expect(counts[line] == 1, "\(line) of batch \(number)")
      }
    }
  }

  private func checkTraces(_ server: ServerUnderTest, _ ledger: Ledger) async throws {
    for number in ledger.acknowledged("/v1/traces") {
      let (status, body) = try await server.get("/tempo/api/traces/\(NumberedTelemetry.traceID(number))")
      let text = String(decoding: body, as: UTF8.self)
      #expect(status == 200, "trace \(number)")
      for index in 1...2 {
        let count = text.split(separator: "\"span \(number)-\(index)\"", omittingEmptySubsequences: false).count - 1
        #expect(count == 1, "span \(number)-\(index) is there \(count) times")
      }
    }
  }
}

/// A small seeded generator, so that a failing run can be replayed.
private struct Xorshift {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed | 1 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}
