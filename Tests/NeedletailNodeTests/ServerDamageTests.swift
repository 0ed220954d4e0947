import Foundation
import Logging
import NeedletailBlocks
import NeedletailEnvironment
import Testing

@testable import NeedletailNode

@Suite("A server beside damaged parts")
struct ServerDamageTests {
  private let now = Int64(Date().timeIntervalSince1970 * 1000)
  private let json = ["Content-Type": "application/json"]

  /// Stores a sample and a log record, each in a part of its own.
  private func makeParts(_ folder: TemporaryFolder) async throws {
    let (now, json) = (now, json)
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      #expect(
        try await server.remoteWrite([TestSeries(labels: [("__name__", "m")], samples: [(now, 1)])]).status == 204)
      for number in 0..<2 as Range<Int64> {
        let log = OTLPBodies.log("line \(number)", service: "s", at: (now - number) * 1_000_000)
        #expect(try await server.request("POST", "/v1/logs", headers: json, body: log).status == 200)
        let flushed = try await server.request("POST", "/needletail/v1/admin/flush")
        #expect(flushed.status == 200 && !flushed.text.contains("warnings"), "\(flushed.text)")
      }
    }
  }

  /// Changes a byte of a file of the first part that has it; returns the part's name.
  private func damage(_ folder: TemporaryFolder, _ name: String, beside other: String, at offset: UInt64) throws
    -> String
  {
    let parts = folder.path + "/data/parts"
    let files = FileManager.default
    for part in try files.contentsOfDirectory(atPath: parts).sorted()
    where files.fileExists(atPath: "\(parts)/\(part)/\(other)") {
      let file = try FileHandle(forUpdating: URL(fileURLWithPath: "\(parts)/\(part)/\(name)"))
      try file.seek(toOffset: offset)
      let byte = try #require(try file.read(upToCount: 1)?.first)
      try file.seek(toOffset: offset)
      try file.write(contentsOf: [byte ^ 4])
      try file.close()
      return part
    }
    Issue.record("there is no part with \(other)")
    return ""
  }

  private func warnings(_ answer: HTTPAnswer) throws -> [String] {
    let json = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
    #expect(json?["status"] as? String == "success", "\(answer.text)")
    return json?["warnings"] as? [String] ?? []
  }

  @Test("serves the logs that can be read, and says that some are missing and where")
  func damagedLogs() async throws {
    let folder = try TemporaryFolder()
    try await makeParts(folder)
    let part = try damage(folder, "data", beside: "directory", at: 60)
    let now = now
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      let times = "start=\(now - 60_000)000000&end=\(now + 60_000)000000"
      let selector = "%7Bservice_name%3D%22s%22%7D"
      let lines = try await server.get("/loki/api/v1/query_range?query=\(selector)&\(times)")
      #expect(lines.status == 200 && lines.text.contains("line 1") && !lines.text.contains("line 0"), "\(lines.text)")
      let count = try await server.get(
        "/api/v1/query?query=sum(count_over_time(logs\(selector)%5B1m%5D))&time=\(now / 1000 + 1)")
      #expect(count.status == 200 && count.text.contains("\"1\"]"), "\(count.text)")
      let levels = try await server.get("/loki/api/v1/label/level/values?\(times)")
      #expect(levels.text.contains("\"error\""), "\(levels.text)")
      for answer in [lines, count, levels] {
        let found = try warnings(answer)
        #expect(found.count == 1 && found[0].contains("incomplete") && found[0].contains(part + "/data"), "\(found)")
      }
    }
  }

  /// What a kill of a server would leave that took in samples and a log record, with a flipped bit in the first of them.
  private func makeDamagedLog(_ folder: TemporaryFolder) async throws {
    let (now, json) = (now, json)
    let original = try TemporaryFolder()
    try await RunningServer.run(folder: original) { server async throws -> Void in
      for name in ["lost", "kept"] {
        #expect(
          try await server.remoteWrite([TestSeries(labels: [("__name__", name)], samples: [(now, 1)])]).status == 204)
      }
      let log = OTLPBodies.log("line", service: "s", at: now * 1_000_000)
      #expect(try await server.request("POST", "/v1/logs", headers: json, body: log).status == 200)
      try FileManager.default.copyItem(atPath: original.path + "/data", toPath: folder.path + "/data")
    }
    let logs = folder.path + "/data/log/"
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: logs).min())
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: logs + name))
    let bytes = try #require(try file.readToEnd())
    let offset = try #require(bytes.range(of: Data("lost".utf8))?.lowerBound)
    try file.seek(toOffset: UInt64(offset))
    try file.write(contentsOf: Data("lOst".utf8))
    try file.close()
  }

  /// Takes note of what the log lost.
  private func repair(_ folder: TemporaryFolder) throws {
    let files = PosixFileSystem()
    let inspector = StorageInspector(
      folder.path + "/data", on: files, isInUse: false,
      openCatalog: { path throws(CatalogError) in try SQLiteCatalog(reading: path) })
    let survey = try inspector.survey()
    let plan = StorageRepairPlan(
      survey, try inspector.verify(survey, check: { _, _ in nil }), freshID: "", removesLeftovers: false)
    #expect(plan.steps.count == 2 && "\(plan.steps)".contains("answers do not say so any more"), "\(plan.steps)")
    try StorageRepair(folder.path + "/data", on: files) { path throws(CatalogError) in
      try SQLiteCatalog(path: path)
    }.run(plan)
  }

  @Test(
    "says in every answer that records of the log are lost, also after a flush and a start, until a repair takes note")
  func damagedLog() async throws {
    let folder = try TemporaryFolder()
    try await makeDamagedLog(folder)
    let now = now
    let ask: @Sendable (RunningServer) async throws -> [(path: String, warnings: [String])] = { server in
      let times = "start=\(now - 60_000)000000&end=\(now + 60_000)000000"
      var found: [(path: String, warnings: [String])] = []
      for path in [
        "/api/v1/query?query=kept&time=\(now / 1000 + 1)",
        "/api/v1/query_range?query=kept&start=\(now / 1000 - 5)&end=\(now / 1000 + 5)&step=5", "/api/v1/labels",
        "/api/v1/label/__name__/values", "/api/v1/series?match[]=kept",
        "/loki/api/v1/query_range?query=%7Bservice_name%3D%22s%22%7D&\(times)", "/loki/api/v1/labels?\(times)",
      ] {
        found.append((path, try warnings(try await server.get(path))))
      }
      return found
    }
    for start in 0..<2 {
      try await RunningServer.run(folder: folder) { server async throws -> Void in
        #expect(try await server.instant("kept", at: now + 1000).count == 1)
        #expect(try await server.instant("lost", at: now + 1000).isEmpty)
        for (path, found) in try await ask(server) {
          // The samples came to a series whose definition is lost, and were refused for that.
          try #require(found.count == 1, "start \(start), \(path): \(found)")
          #expect(
            found[0].contains("record 1 of the log is lost (log/") && found[0].contains("record 2 of"), "\(found)")
        }
        #expect(try await server.request("POST", "/needletail/v1/admin/flush").status == 200)
      }
    }
    try repair(folder)
    try await RunningServer.run(folder: folder) { server async throws -> Void in
      #expect(try await ask(server).allSatisfy(\.warnings.isEmpty))
    }
  }

  @Test("names one that cannot be opened in its log at the start, and in the answers of whoever looks after the data")
  func unreadable() async throws {
    let folder = try TemporaryFolder()
    try await makeParts(folder)
    let part = try damage(folder, "header", beside: "samples", at: 30)
    let lines = Lock<[String]>([])
    let collected = LineCollector(lines: { line in lines.withLock { $0.append(line) } })
    let now = now
    try await RunningServer.run(folder: folder, logger: collected.logger) { server async throws -> Void in
      for (path, says) in [
        ("/needletail/v1/admin/flush", "stays as it is"), ("/api/v1/admin/tsdb/snapshot", "the snapshot has a part"),
        ("/api/v1/admin/tsdb/delete_series?match[]=m", "may hold some of it still"),
        ("/api/v1/admin/tsdb/clean_tombstones", "was not rewritten"),
      ] {
        let answer = try await server.request("POST", path)
        #expect(answer.status == 200, "\(path): \(answer.status)")
        let found = try warnings(answer)
        #expect(found.count == 1 && found[0].contains(says) && found[0].contains(part + "/header"), "\(path): \(found)")
      }
      let before = "/api/v1/admin/tsdb/delete_series?match[]=m&end=\(Double(now) / 1000 - 3600)"
      #expect(try await server.request("POST", before).status == 204, "it is not of the part's time")
    }
    let told = lines.withLock { $0 }.filter { $0.contains("a part cannot be read; answers lack what it holds") }
    #expect(told.count == 1 && told[0].contains("level=error") && told[0].contains(part + "/header"), "\(told)")
  }
}

/// Takes what a server logs, a line each.
private struct LineCollector: Sendable {
  let lines: @Sendable (String) -> Void

  var logger: Logger {
    Logger(
      label: "needletail",
      factory: { label in
        LogfmtHandler(label: label, level: .info, write: { lines(String(decoding: $0, as: UTF8.self)) })
      })
  }
}
