import Foundation
import NeedletailProcesses
import Testing

/// The doctor, asked of real processes: what happens to them has to be in what it finds, and nothing else.
@Suite("The doctor of a cluster", .serialized, .timeLimit(.minutes(5)))
struct DoctorScenarioTests {
  /// What the doctor says through a node.
  private struct Answer {
    var status: Int32
    var output: String
    var healthy: Bool?
    var findings: [(code: String, node: String, what: String)] = []
    var items: [String: [String: Int]] = [:]

    func has(_ code: String, _ node: String = "") -> Bool {
      findings.contains { $0.code == code && (node.isEmpty || $0.node == node) }
    }
  }

  private func doctor(_ client: ServerClient) throws -> Answer {
    let (status, output) = try RunningProcess.run(
      OutsideProgram.needletail, ["doctor", "--url", "http://127.0.0.1:\(client.port)", "--format", "json"])
    var answer = Answer(status: status, output: output)
    guard let json = try? JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any] else { return answer }
    answer.healthy = json["healthy"] as? Bool
    for finding in json["findings"] as? [[String: Any]] ?? [] {
      answer.findings.append(
        (
          finding["code"] as? String ?? "", finding["node"] as? String ?? "", finding["what"] as? String ?? ""
        ))
    }
    for total in json["items"] as? [[String: Any]] ?? [] {
      guard let signal = total["signal"] as? String else { continue }
      answer.items[signal] = total.compactMapValues { $0 as? Int }
    }
    return answer
  }

  private func write(_ count: Int, to client: ServerClient, at time: Int64) async throws -> Int {
    var body = RemoteWriteBody()
    for number in 0..<count { body.add(["__name__": "written", "number": "\(number)"], [(time, 1)]) }
    return try await client.post(
      "/api/v1/write", body.bytes, type: "application/x-protobuf", headers: ["content-encoding": "snappy"]
    ).status
  }

  @Test("is healthy as long as nothing happens; a node that is killed, hints for it and what is refused are all named")
  func life() async throws {
    let harness = try ClusterHarness(["--set", "self-interval=off"])
    do {
      try await harness.form(3)
      let first = try await harness.client("n1")
      let now = Int64(Date().timeIntervalSince1970 * 1_000)
      #expect(try await write(40, to: first, at: now) == 204)
      var answer = try doctor(first)
      #expect(answer.status == 0 && answer.healthy == true, "\(answer.output)")
      #expect(answer.items["metrics"]?["received"] == 40 && answer.items["metrics"]?["acknowledged"] == 40)

      try await harness.end("n3", SIGKILL)
      try await eventually(seconds: 60, "n3 is named as away: \(answer.output)") {
        answer = try doctor(first)
        return answer.has("node_away", "n3") && answer.findings.contains { $0.what.contains("it is dead") }
      }
      #expect(answer.status == 1 && answer.healthy == false, "\(answer.output)")
      #expect(try await write(10, to: first, at: now + 1) == 204)
      try await eventually(seconds: 60, "its hints are named: \(answer.output)") {
        answer = try doctor(first)
        return answer.has("hints_waiting", "n1")
      }
      // Whoever is asked, the books are those of all who are there.
      let second = try doctor(try await harness.client("n2"))
      #expect(second.items["metrics"]?["received"] == 50 && second.has("hints_waiting", "n1"), "\(second.output)")

      try await harness.start("n3")
      try await eventually(seconds: 90, "all is well again: \(answer.output)") {
        answer = try doctor(first)
        return answer.status == 0 && !answer.has("hints_waiting")
      }

      #expect(try await write(5, to: first, at: 1_000) == 400)
      answer = try doctor(first)
      #expect(answer.status == 1 && answer.has("refused", "n1"), "\(answer.output)")
      #expect(answer.findings.contains { $0.what.contains("refused for good: out_of_retention") }, "\(answer.output)")
      let metrics = answer.items["metrics"] ?? [:]
      #expect(
        metrics["received"]
          == ["acknowledged", "refused", "failed", "underWay"].reduce(0) { $0 + (metrics[$1] ?? 0) }, "\(metrics)")
      #expect(!answer.has("books_do_not_balance"), "\(answer.output)")
    } catch {
      print(await harness.lastLines())
      try await harness.end()
      throw error
    }
    try await harness.end()
  }

  @Test("of a node alone asks that one; of nobody it ends with 2, and says who could not be asked")
  func alone() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "needletail-doctor-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let port = try FreePorts.take(1)[0]
    let client = ServerClient(port: port, otlpHTTPPort: port)
    var answer = try doctor(client)
    #expect(answer.status == 2 && answer.output.contains("127.0.0.1:\(port)"), "\(answer.output)")
    let server = try RunningProcess(
      OutsideProgram.needletail,
      ["serve", "--data", folder.path, "--listen", "127.0.0.1:\(port)", "--otlp-http", "off", "--otlp-grpc", "off"]
        + ["--set", "self-interval=off", "--set", "tenant-samples-per-second=1"])
    try await eventually(seconds: 240, "the server is ready: \(server.output)") {
      guard server.isRunning else { throw TestFailure("serve ended: \(server.output)") }
      return (try? await client.get("/-/ready"))?.status == 200
    }
    let now = Int64(Date().timeIntervalSince1970 * 1_000)
    #expect(try await write(1_000, to: client, at: now) == 204)
    answer = try doctor(client)
    #expect(answer.status == 0 && answer.healthy == true, "\(answer.output)")
    #expect(try await write(7, to: client, at: now + 1) == 503)
    answer = try doctor(client)
    #expect(answer.status == 1 && answer.has("limited"), "\(answer.output)")
    #expect(answer.findings.contains { $0.what.hasPrefix("7 of 1007 samples of tenant default") }, "\(answer.output)")
    let text = try RunningProcess.run(OutsideProgram.needletail, ["doctor", "--server", "http://127.0.0.1:\(port)"])
    #expect(text.status == 1 && text.output.contains("tenant-samples-per-second"), "\(text.output)")
    // What is put aside in the folder is found too.
    try FileManager.default.createDirectory(
      at: folder.appending(path: "quarantine/something"), withIntermediateDirectories: true)
    #expect(try doctor(client).has("quarantine_not_empty"))
    #expect(server.end() == 0)
  }
}
