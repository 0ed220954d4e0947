import Foundation
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("A server is brought to rest")
struct ServerSettlingTests {
  private let now = Int64(Date().timeIntervalSince1970 * 1000)
  private let path = "/needletail/v1/admin/flush"

  /// What the flush says that it did.
  private func flush(_ server: RunningServer) async throws -> [String: Any] {
    let answer = try await server.request("POST", path)
    #expect(answer.status == 200, "\(answer.text)")
    let json = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
    #expect(json?["status"] as? String == "success")
    return json?["data"] as? [String: Any] ?? [:]
  }

  @Test("by a request that answers when all is in parts and nothing is left to merge")
  func settles() async throws {
    let now = now
    let json = ["Content-Type": "application/json"]
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      for number in 0..<9 as Range<Int64> {
        let body = OTLPBodies.log("line \(number)", service: "s", at: (now - number) * 1_000_000)
        #expect(try await server.request("POST", "/v1/logs", headers: json, body: body).status == 200)
        let series = TestSeries(labels: [("__name__", "m")], samples: [(now - number, 1)])
        #expect(try await server.remoteWrite([series]).status == 204)
        let done = try await flush(server)
        #expect(done["partsWritten"] as? Int == 2, "\(done)")
      }
      // Eight parts of one size are merged; the ninth waits for others.
      let metrics = try await server.get("/metrics").text
      #expect(metrics.contains(#"needletail_merged_parts_total{signal="logs"} 8"#), "\(metrics)")
      #expect(
        metrics.contains("needletail_merge_bytes_total ") && !metrics.contains("needletail_merge_bytes_total 0\n"))
      #expect(metrics.contains("needletail_merge_paused_seconds_total "))
      let idle = try await flush(server)
      #expect(idle["partsWritten"] as? Int == 0 && idle["partsMergedAway"] as? Int == 0, "\(idle)")
      #expect(try await server.instant("count_over_time(m[1m])", at: now) == ["": "9"])
    }
  }

  @Test("only by a POST with a token, where tokens are asked for")
  func isGuarded() async throws {
    let folder = try TemporaryFolder()
    try Data("0123456789abcdef\n".utf8).write(to: URL(filePath: folder.path + "/tokens"))
    try await RunningServer.run(folder: folder, flags: ["token-file": folder.path + "/tokens"]) {
      server async throws -> Void in
      #expect(try await server.get(path).status == 405)
      #expect(try await server.request("POST", path).status == 401)
      let token = ["Authorization": "Bearer 0123456789abcdef"]
      #expect(try await server.request("POST", path, headers: token).status == 200)
      let otlp = try #require(server.addresses.otlpHTTP).port
      #expect(try await server.request("POST", path, port: otlp, headers: token).status == 404)
    }
  }

  @Test("one caller at a time merges a signal, and the other is told so instead of waiting")
  func turns() throws {
    let merger = SignalMerger("logs") { 3 }
    #expect(try merger.merge() == 3)
    let outer = Held()
    outer.held.withLock { held in
      held = SignalMerger("logs") { () throws -> Int in
        let other = try outer.get?.merge()
        #expect(other == nil)
        return 1
      }
    }
    #expect(try outer.get?.merge() == 1)
    #expect(try outer.get?.merge() == 1)
  }

  @Test("without waiting for the pauses of a merge that is under way in the background")
  func hurries() async throws {
    let folder = try TemporaryFolder()
    // A clock that stands still: a pause that has begun ends only where the merge is hurried.
    let clock = ManualClock(wall: now * 1_000_000)
    let configuration = try ServerConfiguration.load(
      flags: ["data": folder.path + "/data", "merge-bytes-per-second": "1MiB"], environment: [:], file: nil)
    let storage = try NodeStorage(
      configuration, fileSystem: PosixFileSystem(), clock: clock, random: SystemRandomSource())
    defer { storage.close() }
    for number in 0..<8 as Range<Int64> {
      var builder = EventBatchBuilder(kind: .logs, tenant: .default)
      let stream = builder.stream(EventStream(resource: []))
      for row in 0..<50 as Range<Int64> {
        builder.append(
          LogRecord(timeNanoseconds: now * 1_000_000 - number * 50 - row, body: .string("line \(row)")), stream: stream)
      }
      let batch = builder.build(batchID: Hash128(high: 0, low: UInt64(number)))
      _ = try await storage.logs.append(try #require(batch))
      _ = try storage.flush()
    }
    let background = try #require(OwnThread { for merger in storage.mergers { _ = try? merger.merge() } })
    while storage.mergePace.statistics.bytes == 0 {}
    let executor = ThreadExecutor(threads: 1)
    let settling = SettlingService(
      storage: storage, executor: executor, clock: clock, counters: MaintenanceCounters())
    #expect(try await settling.flush().status == .ok)
    background.join()
    #expect(storage.logs.statistics.parts == 1 && storage.logs.statistics.mergedParts == 8)
    await executor.shutDown()
  }

  /// Lets a merger's body ask for the merger that runs it.
  private final class Held: Sendable {
    let held = Lock<SignalMerger?>(nil)
    var get: SignalMerger? { held.withLock { $0 } }
  }
}
