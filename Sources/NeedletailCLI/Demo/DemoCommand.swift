import ArgumentParser
import Foundation
import NeedletailDashboard
import NeedletailTerminal

/// `needletail demo`.
struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Start a server and a small shop of services, and watch them.",
    discussion: """
      The server gets a fresh data folder that is deleted in the end. On a terminal the dashboard opens; elsewhere \
      the demonstration runs for --seconds, prints a table of metrics, a graph, a failed trace and its logs, and ends.

      EXAMPLES
        needletail demo
        needletail demo --port-base 17070
        needletail demo --seconds 20 | cat
      """)

  @Option(help: "How long to run when there is no terminal.")
  var seconds = 20

  @Option(
    help: ArgumentHelp(
      "The API's port; OTLP takes the next two, the shop four from ten above. (default: the usual ports)",
      valueName: "port"))
  var portBase: Int?

  private struct Ports {
    var api = 7070
    var otlpHTTP = 4318
    var otlpGRPC = 4317
    var shop = 7081

    init(base: Int?) {
      guard let base else { return }
      (api, otlpHTTP, otlpGRPC, shop) = (base, base + 1, base + 2, base + 10)
    }

    var all: [Int] { [api, otlpHTTP, otlpGRPC] + (0..<4).map { shop + $0 } }
  }

  func validate() throws {
    if !(1...3_600).contains(seconds) { throw ValidationError("--seconds \(seconds) is not between 1 and 3600") }
    if let portBase, !(1_024...65_000).contains(portBase) {
      throw ValidationError("--port-base \(portBase) is not between 1024 and 65000")
    }
  }

  func run() async throws {
    PrivateFiles.enforce()
    guard let shop = ExecutablePath.beside("needletail-shop") else {
      throw CommandFailure(
        message:
          "needletail-shop is not beside \(ExecutablePath.own): build it with `swift build --product needletail-shop`")
    }
    let ports = Ports(base: portBase)
    if let taken = ports.all.first(where: { !FreePort.isFree($0) }) {
      throw CommandFailure(
        message: "port \(taken) is taken: end what listens there, or choose others with `needletail demo --port-base "
          + "17070` or `make demo PORT_BASE=17070`")
    }
    let folder = FileManager.default.temporaryDirectory.appending(path: "needletail-demo-\(UUID().uuidString)").path()
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    // Whatever ends this process also closes the pipes on which the children's lives hang.
    let server: SupervisedProcess
    do {
      server = try SupervisedProcess(
        "the server", ExecutablePath.own, serveArguments(ports, folder), log: folder + "/server.log", removing: folder)
    } catch {
      try? FileManager.default.removeItem(atPath: folder)
      throw error
    }
    defer { server.end() }
    let client = APIClient(
      server: try ServerURL("http://127.0.0.1:\(ports.api)"), tenant: nil, token: nil,
      timeoutNanoseconds: 10_000_000_000)
    try await waitUntilReady(client, server)
    let services = try SupervisedProcess(
      "the shop", shop,
      ["all", "--endpoint", "http://127.0.0.1:\(ports.otlpHTTP)", "--port-base", "\(ports.shop)"],
      log: folder + "/shop.log")
    defer { services.end() }
    if Console.isTerminal {
      try await DashCommand.dashboard(client, since: "5m").run()
    } else {
      try await report(client, [server, services])
    }
  }

  private func serveArguments(_ ports: Ports, _ folder: String) -> [String] {
    [
      "serve", "--data", folder + "/data", "--listen", "127.0.0.1:\(ports.api)",
      "--otlp-http", "127.0.0.1:\(ports.otlpHTTP)", "--otlp-grpc", "127.0.0.1:\(ports.otlpGRPC)",
    ]
  }

  private func waitUntilReady(_ client: APIClient, _ server: SupervisedProcess) async throws {
    for _ in 0..<300 {
      if (try? await client.get("/-/ready")) != nil { return }
      guard server.isRunning else { break }
      try await Task.sleep(for: .milliseconds(100))
    }
    throw CommandFailure(message: "the server did not become ready: \(server.lastWords)")
  }

  /// Runs for the asked time, then prints; what is empty then gets as long again before that is a failure.
  private func report(_ client: APIClient, _ children: [SupervisedProcess]) async throws {
    Console.complain("running for \(seconds) s ...", prefix: "")
    let begin = ContinuousClock.now
    while ContinuousClock.now - begin < .seconds(seconds) {
      try Self.check(children)
      try await Task.sleep(for: .milliseconds(250))
    }
    var report = await DemoReport.load(client)
    while !report.missing.isEmpty, ContinuousClock.now - begin < .seconds(2 * seconds) {
      try Self.check(children)
      try await Task.sleep(for: .seconds(1))
      report = await DemoReport.load(client)
    }
    Console.write(Array(report.text(columns: Console.columns).utf8), to: 1)
    if !report.missing.isEmpty {
      let reasons = report.overview.problems.joined(separator: "; ")
      throw CommandFailure(
        message:
          "the demonstration lacks \(report.missing.joined(separator: ", "))\(reasons.isEmpty ? "" : ": " + reasons)")
    }
  }

  private static func check(_ children: [SupervisedProcess]) throws {
    for child in children where !child.isRunning {
      throw CommandFailure(message: "\(child.name) ended early: \(child.lastWords)")
    }
  }
}
