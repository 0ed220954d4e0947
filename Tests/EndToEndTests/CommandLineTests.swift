import Foundation
import NeedletailProcesses
import Testing

@Suite("The command line against a real server", .serialized, .enabled(if: OutsideProgram.isExpected("openssl")))
struct CommandLineTests {
  /// Runs the command line, away from the settings of whoever runs the tests.
  private func needletail(
    _ arguments: [String], environment: [String: String] = [:]
  ) throws -> (status: Int32, output: String) {
    try RunningProcess.run(OutsideProgram.needletail, arguments, environment: environment)
  }

  @Test("trusts the certificates of --ca-file or NEEDLETAIL_CA_FILE over TLS, and without them refuses a server's own")
  func certificateFile() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "needletail-tls-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (certificate, key) = (folder.path + "/certificate.pem", folder.path + "/key.pem")
    let made = try RunningProcess.run(
      "openssl",
      ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate])
    try #require(made.status == 0, "\(made.output)")
    let port = try FreePorts.take(1)[0]
    let server = try RunningProcess(
      OutsideProgram.needletail,
      ["serve", "--data", folder.path + "/data", "--listen", "127.0.0.1:\(port)", "--otlp-http", "off"]
        + ["--otlp-grpc", "off", "--tls-certificate", certificate, "--tls-key", key])
    let url = "https://localhost:\(port)"
    try await eventually(seconds: 60, "the server answers over TLS: \(server.output)") {
      guard server.isRunning else { throw TestFailure("serve ended: \(server.output)") }
      return try needletail(["query", "1+1", "--server", url, "--ca-file", certificate]).status == 0
    }
    let commands = [
      ["query", "1+1"], ["logs"], ["traces"], ["labels"], ["series", "up"], ["dash", "--once"],
    ]
    for command in commands {
      let asked = try needletail(command + ["--server", url, "--ca-file", certificate])
      #expect(asked.status == 0, "\(command): \(asked.output)")
      let byEnvironment = try needletail(
        command, environment: ["NEEDLETAIL_SERVER": url, "NEEDLETAIL_CA_FILE": certificate])
      #expect(byEnvironment.status == 0, "\(command): \(byEnvironment.output)")
      let distrusting = try needletail(command + ["--server", url])
      #expect(distrusting.status == 1 && distrusting.output.contains("--ca-file"), "\(command): \(distrusting.output)")
    }
    #expect(server.end() == 0)
  }

  @Test("ends with 64 for a wrong command line and with 1 for what the server refuses, and prints no usage")
  func statuses() async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let address = ["--server", "http://127.0.0.1:\(server.port)"]
    let cases: [(arguments: [String], status: Int32, says: String)] = [
      (["query"] + address, 64, "needletail query --help"),
      (["query", "up", "--output", "svg"] + address, 64, "graph"),
      (["query", "up", "--explain", "--output", "graph"] + address, 64, "plan"),
      (["query", "sum by (job) (up)", "--since", "1h", "--explain"] + address, 0, "read 1: {__name__=\"up\"}"),
      (["query", "sum((", "--explain"] + address, 1, "400"),
      (["query", "up", "--since", "soon"] + address, 64, "needletail query --help"),
      (["query", "up", "--time", "soon"] + address, 64, "needletail query --help"), (["nonsense"], 64, "--help"),
      (["serve", "--retention", "soon"], 64, "retention"), (["serve", "--config", "/nope"], 1, "cannot be read"),
      (["query", "sum(("] + address, 1, "400"), (["query", "sum(("] + address, 1, "\n  sum((\n       ^"),
      (["query", "0 * -1"] + address, 0, "-0"),
      (["query", "up", "--server", "http://127.0.0.1:1"], 1, "cannot reach"),
      (["trace", "abcd"] + address, 1, "no trace"), (["query", "1"] + address, 0, "1"),
      (["cluster", "status"] + address, 1, "start it with --node NAME"),
      (["cluster", "drain", "n1", "--dry-run"] + address, 1, "this node belongs to no cluster"),
      (["cluster", "up", "--nodes", "2", "--port-base", "\(server.port)"], 1, "port \(server.port) is taken"),
    ]
    for (arguments, status, says) in cases {
      let (ended, output) = try needletail(arguments)
      #expect(ended == status, "\(arguments): \(output)")
      #expect(output.contains(says), "\(arguments): \(output)")
      if status != 0 { #expect(!output.lowercased().contains("usage:"), "\(arguments): \(output)") }
      if status == 64 { #expect(output.split(separator: "\n").count == 1, "\(arguments): \(output)") }
    }
    #expect(server.stop() == 0)
  }

  @Test("shows the lines that a selector of logs selects, though Prometheus' API has no form for them")
  func lines() async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let now = Int(Date().timeIntervalSince1970 * 1000)
    let body = """
      {"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]},"scopeLogs":[{\
      "logRecords":[{"timeUnixNano":"\(now)000000","body":{"stringValue":"seen by all"}}]}]}]}
      """
    let stored = try await server.client.post("/v1/logs", Array(body.utf8), type: "application/json")
    #expect(stored.status == 200)
    let since = ["--since", "5m"]
    for extra in [[], since, since + ["--output", "csv"], since + ["--output", "json"]] {
      let (status, output) = try needletail(
        ["query", #"logs{service_name="s"}"#, "--server", "http://127.0.0.1:\(server.port)"] + extra)
      #expect(status == 0 && output.contains("seen by all"), "\(output)")
    }
    #expect(server.stop() == 0)
  }

  @Test("warns of parts that cannot be read: of what it lists, and of a snapshot")
  func damage() async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let body = Array(NumberedTelemetry.metrics(0, base: Int(Date().timeIntervalSince1970 * 1000)).utf8)
    #expect(try await server.client.post("/v1/metrics", body, type: "application/json").status == 200)
    #expect(server.stop() == 0)
    let parts = server.folder.path + "/parts"
    for part in try FileManager.default.contentsOfDirectory(atPath: parts) {
      let file = try FileHandle(forWritingTo: URL(filePath: "\(parts)/\(part)/header"))
      try file.truncate(atOffset: 30)
      try file.close()
    }
    try await server.start()
    let address = ["--server", "http://127.0.0.1:\(server.port)"]
    for command in [
      ["labels"], ["labels", "job"], ["series", "kill_sample"], ["query", "kill_sample"], ["storage", "snapshot"],
    ] {
      let (status, output) = try needletail(command + address)
      #expect(status == 0 && output.contains("warning: ") && output.contains("/header"), "\(command): \(output)")
    }
    #expect(server.stop() == 0)
  }

  @Test("inspects, verifies and repairs a data folder, also reads one that is in use, and has snapshots made")
  func storage() async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let address = ["--server", "http://127.0.0.1:\(server.port)"]
    let body = Array(NumberedTelemetry.metrics(0, base: Int(Date().timeIntervalSince1970 * 1000)).utf8)
    #expect(try await server.client.post("/v1/metrics", body, type: "application/json").status == 200)
    let made = try needletail(["storage", "snapshot"] + address)
    #expect(made.status == 0, "\(made.output)")
    let name = made.output.split(separator: "\n").first.map(String.init) ?? ""
    let snapshot = server.folder.path + "/snapshots/" + name
    for folder in [server.folder.path, snapshot] {
      let found = try needletail(["storage", "inspect", folder])
      #expect(found.status == 0 && found.output.contains("metrics"), "\(found.output)")
      #expect(found.output.contains("open") == (folder != snapshot), "\(found.output)")
      let verified = try needletail(["storage", "verify", folder])
      #expect(verified.status == 0 && verified.output.contains("every checksum holds"), "\(verified.output)")
    }
    let busy = try needletail(["storage", "repair", server.folder.path])
    #expect(busy.status == 1 && busy.output.contains("needletail serve"), "\(busy.output)")
    #expect(server.stop() == 0)
    try FileManager.default.removeItem(atPath: server.folder.path + "/catalog.sqlite")
    #expect(try needletail(["storage", "verify", server.folder.path]).status == 1)
    let planned = try needletail(["storage", "repair", server.folder.path, "--dry-run", "--output", "json"])
    #expect(planned.status == 0 && planned.output.contains("catalog.sqlite"), "\(planned.output)")
    #expect(try needletail(["storage", "verify", server.folder.path]).status == 1)
    #expect(try needletail(["storage", "repair", server.folder.path]).status == 0)
    let verified = try needletail(["storage", "verify", server.folder.path])
    #expect(verified.status == 0, "\(verified.output)")
    try await server.start()
    #expect(server.stop() == 0)
    #expect(try needletail(["storage", "verify", "/tmp"]).status == 2)
    let nothing = try needletail(["storage", "inspect", "/tmp"])
    #expect(nothing.status == 1 && nothing.output.contains("no data folder"), "\(nothing.output)")
  }
}
