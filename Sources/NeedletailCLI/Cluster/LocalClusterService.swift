import Foundation
import NeedletailBlocks
import NeedletailTerminal
import ServiceLifecycle

/// Runs the nodes of a cluster on this machine until it is told to stop.
struct LocalClusterService: Service {
  /// How long the nodes may take to be ready, and then to be a cluster.
  private static let patience = Duration.seconds(60)
  private static let period = Duration.milliseconds(250)

  let cluster: LocalCluster
  /// Whether the folders go away with the cluster.
  let isTemporary: Bool

  func run() async throws {
    var processes: [SupervisedProcess] = []
    defer {
      for process in processes { process.release() }
      for process in processes { process.end() }
    }
    for node in cluster.nodes {
      do {
        try FileManager.default.createDirectory(
          atPath: node.folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      } catch {
        throw CommandFailure(message: "cannot make the folder \(node.folder): \(error.localizedDescription)")
      }
      processes.append(
        try SupervisedProcess(node.name, ExecutablePath.own, cluster.arguments(of: node), log: node.log))
    }
    let running = processes
    try await cancelWhenGracefulShutdown {
      do {
        let trust = try cluster.certificates.map { try TrustedCertificates(file: $0.authority) }
        let clients = try cluster.nodes.map { node in
          APIClient(
            server: try ServerURL(cluster.url(of: node)), tenant: nil, token: nil, trust: trust,
            timeoutNanoseconds: 10_000_000_000)
        }
        try await waitUntilReady(clients, running)
        try await waitUntilFormed(clients, running)
        Console.print(welcome())
        try await watch(running)
      } catch is CancellationError {
        Console.complain("stopping", prefix: "")
      }
    }
  }

  // MARK: Starting

  private func waitUntilReady(_ clients: [APIClient], _ processes: [SupervisedProcess]) async throws {
    let deadline = ContinuousClock.now + Self.patience
    for (index, client) in clients.enumerated() {
      while (try? await client.get("/-/ready")) == nil {
        try Task.checkCancellation()
        try Self.check(processes)
        guard ContinuousClock.now < deadline else {
          throw CommandFailure(
            message: "\(processes[index].name) is not ready after \(Self.patience): \(processes[index].lastWords)")
        }
        try await Task.sleep(for: Self.period)
      }
    }
  }

  private func waitUntilFormed(_ clients: [APIClient], _ processes: [SupervisedProcess]) async throws {
    let deadline = ContinuousClock.now + Self.patience
    while true {
      try Self.check(processes)
      var states: [ClusterState?] = []
      for client in clients {
        do {
          states.append(try await ClusterCommand.state(client))
        } catch let failure as APIFailure {
          // A node that knows of no cluster at all will not come to know of one.
          if case .refused(404, _, _) = failure { throw failure }
          states.append(nil)
        }
      }
      guard let shortcoming = cluster.shortcoming(states) else { return }
      guard ContinuousClock.now < deadline else {
        throw CommandFailure(
          message: "the nodes are no cluster after \(Self.patience): \(shortcoming); what they said is in "
            + cluster.nodes.map(\.log).joined(separator: ", "))
      }
      try await Task.sleep(for: Self.period)
    }
  }

  /// Throws where a process has ended.
  private static func check(_ processes: [SupervisedProcess]) throws {
    for process in processes where !process.isRunning {
      throw CommandFailure(message: "\(process.name) ended early: \(process.lastWords)")
    }
  }

  // MARK: Running

  /// Tells of each process that ends; throws when there is none left, or when the task is cancelled.
  private func watch(_ processes: [SupervisedProcess]) async throws {
    var ended: Set<Int> = []
    while ended.count < processes.count {
      try await Task.sleep(for: Self.period)
      let news = processes.indices.filter { !ended.contains($0) && !processes[$0].isRunning }
      guard !news.isEmpty else { continue }
      // A Ctrl-C may have reached them before it is noticed here.
      try await Task.sleep(for: Self.period)
      for index in news {
        let (process, node) = (processes[index], cluster.nodes[index])
        Console.complain(
          "\(process.name) has ended (status \(process.status)); the others go on. Its last words:\n\(process.lastWords)\n"
            + "start it again with: \(cluster.commandLine(of: node))")
        ended.insert(index)
      }
    }
    throw CommandFailure(message: "all nodes have ended")
  }

  /// Where the nodes are, and what to try.
  func welcome() -> [StyledText] {
    let first = cluster.nodes[0]
    let scheme = cluster.certificates == nil ? "http" : "https"
    let trust = cluster.certificates.map { ["  export NEEDLETAIL_CA_FILE=\($0.authority)"] } ?? []
    let rows = cluster.nodes.map { node in
      [
        node.name, cluster.url(of: node), "\(scheme)://127.0.0.1:\(node.otlpHTTP)",
        "\(scheme)://127.0.0.1:\(node.otlpGRPC)", node.folder,
      ].map { StyledText(TerminalText($0)) }
    }
    let titles: [Table.Column] = [
      .init("NODE"), .init("API"), .init("OTLP/HTTP"), .init("OTLP/GRPC"), .init("FOLDER", flexible: true),
    ]
    let replicas = Counted.text(min(cluster.replication, cluster.nodes.count), "replica")
    let title = "a cluster of \(Counted.text(cluster.nodes.count, "node")) is up, with \(replicas) of each slot"
    let hints =
      [
        "", "Try in another terminal:", "  export NEEDLETAIL_SERVER=\(cluster.url(of: first))",
      ] + trust + [
        "  needletail cluster nodes",
        "  needletail cluster status",
        "  needletail query 'count by (job) ({__name__!=\"\"})'",
        "  pkill -9 -f '^[^ ]*needletail serve --node \(cluster.nodes.last?.name ?? "") '   # the others go on",
        "", "Ctrl-C stops all nodes" + (isTemporary ? " and deletes their folders." : "; their folders stay."),
      ]
    return [StyledText(TerminalText(title), .bold), ""]
      + Table(columns: titles, rows: rows).lines(within: Console.tableColumns)
      + hints.map { StyledText(TerminalText($0)) }
  }
}
