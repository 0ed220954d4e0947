import Foundation
import NeedletailEnvironment
import NeedletailProcesses
import Testing

@Suite("The checker", .timeLimit(.minutes(3)))
struct VerdictTests {
  private func entry(_ number: Int, value: Double? = nil) -> Entry {
    Entry(signal: .sample, series: number % 3, time: Int64(number), value: value ?? Double(number))
  }

  @Test("finds what is lost, invented or there twice, and nothing else")
  func planted() {
    let sent = (0..<30).map { entry($0) }
    let acknowledged = Set(sent.prefix(20))
    func verdict(_ read: [Entry]) -> Verdict { Verdict(read, acknowledged: acknowledged, attempted: Set(sent)) }
    #expect(verdict(sent).isClean)
    // What was sent and not acknowledged may be there or not.
    #expect(verdict(Array(sent.prefix(20)).reversed()).isClean)
    #expect(verdict(Array(sent.dropFirst())).lost == [sent[0]])
    #expect(verdict(sent + [sent[4]]).duplicated == [sent[4]])
    let other = entry(5, value: 5.5)
    #expect(verdict(sent + [other]).invented == [other])
    let changed = verdict(sent.map { $0 == sent[5] ? other : $0 })
    #expect(changed.lost == [sent[5]] && changed.invented == [other] && !changed.isClean)
  }

  @Test("passes a real node that did all right, and finds what was planted in it")
  func realNode() async throws {
    let ports = try FreePorts.take(1)
    let folder = FileManager.default.temporaryDirectory.appending(path: "needletail-checker-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let server = try RunningProcess(
      OutsideProgram.needletail,
      [
        "serve", "--data", folder.path, "--listen", "127.0.0.1:\(ports[0])", "--otlp-http", "off", "--otlp-grpc", "off",
      ])
    let client = ServerClient(port: ports[0], otlpHTTPPort: ports[0])
    try await eventually(seconds: 240, "the server is ready: \(server.output)") {
      (try? await client.get("/-/ready"))?.status == 200
    }
    let telemetry = RunTelemetry(run: "checker", base: Int64(Date().timeIntervalSince1970 * 1000) - 600_000)
    let ledger = Ledger()
    for (number, signal) in [Entry.Signal.sample, .line, .span].enumerated() {
      let writer = LoadWriter(
        number: number, signal: signal, telemetry: telemetry, ledger: ledger, nodes: { [client] }, pause: 1)
      let task = Task { await writer.run() }
      try await eventually(seconds: 30, "some were acknowledged") { ledger.acknowledged(signal).count >= 60 }
      task.cancel()
      await task.value
    }
    let books = ledger.books
    #expect(books.refusals.isEmpty)
    let reader = ReadBack(client: client, telemetry: telemetry)

    func judge(_ signal: Entry.Signal, _ acknowledged: Set<Entry>, _ attempted: Set<Entry>) async throws -> Verdict {
      var read: [Entry] = []
      switch signal {
      case .sample: read = try await reader.samples().entries
      case .line: read = try await reader.lines().entries
      case .span:
        for trace in Set(attempted.filter { $0.signal == .span }.map(\.series)) {
          read += try await reader.spans(of: trace).entries
        }
      }
      return Verdict(
        read, acknowledged: acknowledged.filter { $0.signal == signal },
        attempted: attempted.filter { $0.signal == signal })
    }
    for signal in [Entry.Signal.sample, .line, .span] {
      let verdict = try await judge(signal, books.acknowledged, books.attempted)
      #expect(verdict.isClean, "\(verdict)")
      // What was acknowledged and never arrived, and what arrived and was never sent.
      let never = Entry(signal: signal, series: 0, time: telemetry.base + 999_999, value: 1)
      #expect(
        try await judge(signal, books.acknowledged.union([never]), books.attempted.union([never])).lost == [never])
      let one = try #require(books.acknowledged.filter { $0.signal == signal }.min())
      let forgotten = try await judge(signal, books.acknowledged.subtracting([one]), books.attempted.subtracting([one]))
      if signal != .span { #expect(forgotten.invented == [one]) }
    }
    let count = try await reader.sampleCount().count
    #expect(count == (try await reader.samples().entries.count) && count >= 60)
    try await plantCopies(client, telemetry, books, judge)
    #expect(server.end() == 0)
  }

  /// Stores a line and a span once more that differ from ours in what the checker does not look at: there are two then.
  private func plantCopies(
    _ client: ServerClient, _ telemetry: RunTelemetry, _ books: Ledger.Books,
    _ judge: (Entry.Signal, Set<Entry>, Set<Entry>) async throws -> Verdict
  ) async throws {
    for (signal, request) in [
      (Entry.Signal.line, telemetry.lines(writer: 1, number: 0)), (.span, telemetry.spans(writer: 2, number: 0)),
    ] {
      let text = String(decoding: request.body, as: UTF8.self)
      let changed = text.replacing(#""severityNumber":9"#, with: #""severityNumber":10"#)
        .replacing(#""kind":1"#, with: #""kind":2"#)
      #expect(changed != text)
      let answer = try await client.post(request.path, Array(changed.utf8), type: request.type)
      #expect(answer.status == 200)
      let verdict = try await judge(signal, books.acknowledged, books.attempted)
      #expect(verdict.duplicated.sorted() == request.entries.sorted(), "\(verdict)")
    }
  }
}
