import Foundation
import NeedletailProcesses
import Testing

@Suite("The prompt for queries, on a real terminal", .serialized)
struct PromptTests {
  private typealias Step = (what: String, text: String)

  /// Plays keys to a prompt; returns all that was shown.
  private func play(_ server: ServerUnderTest, home: URL, _ steps: [Step]) throws -> String {
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/terminal.py").path
    let json = try JSONSerialization.data(withJSONObject: steps.map { [$0.what, $0.text] })
    let (status, output) = try RunningProcess.run(
      "python3",
      [script, "60", String(decoding: json, as: UTF8.self), OutsideProgram.needletail, "query"]
        + ["--server", "http://127.0.0.1:\(server.port)"],
      environment: ["XDG_STATE_HOME": home.path])
    #expect(status == 0, "\(output)")
    return output
  }

  @Test("completes words, metrics, labels and values, answers, shows where an error is, and remembers queries")
  func prompt() async throws {
    let home = FileManager.default.temporaryDirectory.appending(path: "needletail-prompt-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: home) }
    let server = try ServerUnderTest()
    try await server.start()
    let base = Int(Date().timeIntervalSince1970) * 1000 - 60_000
    let sent = try await server.client.post(
      "/v1/metrics", Array(NumberedTelemetry.metrics(0, base: base).utf8), type: "application/json",
      port: server.otlpHTTPPort)
    try #require(sent.status == 200)
    var steps: [Step] = [("see", "needletail> "), ("type", "1 + 41\r"), ("see", "42"), ("see", "needletail> ")]
    steps += [("type", "sum(kill_s"), ("see", "kill_sample"), ("type", "\t"), ("see", "kill_sample")]
    steps += [
      ("type", "{ser"), ("see", "label"), ("type", "\t=\"s"), ("see", "value"), ("type", "4\t}) by ("),
      ("see", "label"),
    ]
    steps += [("type", "series)\r"), ("see", "s4"), ("see", "needletail> ")]
    steps += [("type", "rate(up\r"), ("see", "^"), ("see", "parse error"), ("see", "needletail> ")]
    steps += [
      ("type", "\u{1B}[A\u{1B}[A\u{1B}[A\r"), ("see", "42"), ("see", "needletail> "), ("type", "\u{4}"), ("end", "0"),
    ]
    _ = try play(server, home: home, steps)
    let file = home.appending(path: "needletail/queries")
    let queries = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    #expect(queries.first == "1 + 41" && queries.contains("rate(up"))
    let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    _ = try play(
      server, home: home,
      [
        ("see", "needletail> "), ("type", "\u{10}"), ("see", "41"), ("type", "\u{3}"), ("see", "needletail> "),
        ("type", "quit\r"), ("end", "0"),
      ])
  }

  @Test("Ctrl-D while a query runs ends nothing, and Ctrl-C ends the query alone")
  func keysWhileRunning() throws {
    let port = try FreePorts.take(1)[0]
    let silent = "import socket, time; s = socket.create_server(('127.0.0.1', \(port))); time.sleep(300)"
    let server = try RunningProcess("python3", ["-c", silent])
    defer { server.end(SIGKILL) }
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/terminal.py").path
    let steps: [Step] = [
      ("see", "needletail> "), ("type", "up\r"), ("see", "\u{1B}[?2004l"), ("type", "\u{4}"), ("type", "\u{3}"),
      ("see", "given up"), ("see", "needletail> "), ("type", "\u{4}"), ("end", "0"),
    ]
    let json = try JSONSerialization.data(withJSONObject: steps.map { [$0.what, $0.text] })
    let (status, output) = try RunningProcess.run(
      "python3",
      [script, "30", String(decoding: json, as: UTF8.self), OutsideProgram.needletail, "query"]
        + ["--server", "http://127.0.0.1:\(port)"])
    #expect(status == 0, "\(output)")
  }

  @Test("Ctrl-Z gives the terminal back to the shell, and goes on where it was")
  func suspending() throws {
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/terminal.py").path
    let steps: [Step] = [
      ("type", "PS1='rea''dy$ '\r"), ("see", "ready$ "),
      ("type", "\(OutsideProgram.needletail) query --server http://127.0.0.1:1\r"),
      ("see", "needletail> "), ("type", "ab"), ("see", "ab"), ("type", "\u{1A}"), ("see", "Stopped"),
      ("see", "ready$ "),
      ("type", "fg\r"), ("see", "needletail> "), ("see", "ab"), ("type", "\u{3}\u{4}"), ("see", "ready$ "),
      ("type", "exit\r"), ("end", "0"),
    ]
    let json = try JSONSerialization.data(withJSONObject: steps.map { [$0.what, $0.text] })
    let (status, output) = try RunningProcess.run(
      "python3", [script, "30", String(decoding: json, as: UTF8.self), "bash", "--norc", "--noprofile", "-i"])
    #expect(status == 0, "\(output)")
  }
}
