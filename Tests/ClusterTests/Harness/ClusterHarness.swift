import Foundation
import NeedletailEnvironment
import NeedletailProcesses

/// A cluster of real processes on loopback ports, with a fault proxy between the nodes.
actor ClusterHarness {
  let proxy: FaultProxy
  private let register = NodeRegister()
  private let folder: URL
  private let extraArguments: [String]
  private var nodes: [ClusterNode] = []
  private var seeds: [String] = []
  /// Names of nodes that were drained, and are members no more.
  private var drained: Set<String> = []
  private let addresses = Lock<[ServerClient]>([])

  init(_ extraArguments: [String] = []) throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "needletail-cluster-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    self.extraArguments = extraArguments
    let register = register
    proxy = FaultProxy { port, target in register.owner(port: port, target: target) }
  }

  /// The members, by name.
  var names: [String] { nodes.map(\.name).filter { !drained.contains($0) } }

  func client(_ name: String) throws -> ServerClient { try node(name).client }

  /// The members, be they there or not, as clients know them. They are asked for from everywhere, also while the harness
  /// waits for something.
  nonisolated var clients: [ServerClient] { addresses.withLock { $0 } }

  /// Starts so many nodes at once and waits until each sees all of them.
  func form(_ count: Int) async throws {
    for index in 1...count { try await make("n\(index)") }
    seeds = nodes.map(\.advertised)
    for node in nodes { try launch(node.name) }
    try await settle(seconds: 90)
  }

  /// Starts a node that is new to the cluster and waits until the others see it. It holds no slots before `change`.
  func join(_ name: String) async throws {
    try await make(name)
    try await start(name)
    try await eventually(seconds: 30, "\(name) is seen by all") {
      for other in names where other != name {
        let seen = try? await status(other).member(name)?.status
        guard seen == "alive" else { return false }
      }
      return true
    }
  }

  private func make(_ name: String) async throws {
    let node = try ClusterNode(name, in: folder)
    try await proxy.open(name, port: node.advertisedPort, target: node.peerPort)
    nodes.append(node)
    noteAddresses()
  }

  private func noteAddresses() {
    let clients = nodes.filter { !drained.contains($0.name) }.map(\.client)
    addresses.withLock { $0 = clients }
  }

  /// Starts a node's process again and waits until it is ready.
  func start(_ name: String) async throws {
    try launch(name)
    try await eventually(seconds: 60, "\(name) is ready: \(lastLines(of: name))") {
      guard try node(name).isRunning else { throw TestFailure("\(name) ended: \(lastLines(of: name))") }
      return (try? await client(name).get("/-/ready"))?.status == 200
    }
  }

  private func launch(_ name: String) throws {
    let index = try index(name)
    let process = try RunningProcess(
      OutsideProgram.needletail, nodes[index].arguments(seeds: seeds, extra: extraArguments))
    register.note(process.identifier, name)
    nodes[index].process = process
    nodes[index].isStopped = false
  }

  /// Ends a node's process with a signal: SIGKILL, or SIGTERM to stop it in order. Returns how it ended.
  @discardableResult
  func end(_ name: String, _ signal: Int32) async throws -> Int32 {
    let index = try index(name)
    guard let process = nodes[index].process else { return 0 }
    if nodes[index].isStopped && signal != SIGKILL { kill(process.identifier, SIGCONT) }
    kill(process.identifier, signal)
    // Nobody is held up meanwhile: what is asked of a node that is about to end is part of the test.
    try await eventually(seconds: 60, "\(name) ends: \(lastLines(of: name))") { !process.isRunning }
    let status = process.wait()
    register.forget(process.identifier)
    nodes[index].earlier.append(process)
    nodes[index].process = nil
    return status
  }

  /// Lets a node's process stand still, or go on.
  func stop(_ name: String, _ isStopped: Bool) throws {
    let index = try index(name)
    guard let process = nodes[index].process else { throw TestFailure("\(name) does not run") }
    nodes[index].isStopped = isStopped
    kill(process.identifier, isStopped ? SIGSTOP : SIGCONT)
  }

  /// Removes all that a node has on disk; its process must have ended.
  func deleteData(_ name: String) throws {
    let node = try node(name)
    guard node.process == nil else { throw TestFailure("\(name) runs") }
    if node.isMounted {
      for file in try FileManager.default.contentsOfDirectory(at: node.folder, includingPropertiesForKeys: nil) {
        try FileManager.default.removeItem(at: file)
      }
    } else {
      try FileManager.default.removeItem(at: node.folder)
    }
  }

  /// Moves a node's data folder to a small disk of its own; its process must have ended.
  func moveToSmallDisk(_ name: String, mebibytes: Int) throws {
    let index = try index(name)
    guard nodes[index].process == nil else { throw TestFailure("\(name) runs") }
    let path = nodes[index].folder.path
    let aside = path + "-aside"
    try FileManager.default.moveItem(atPath: path, toPath: aside)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let mounted = try RunningProcess.run(
      "mount", ["-t", "tmpfs", "-o", "size=\(mebibytes)m,mode=0700", "needletail-test", path])
    guard mounted.status == 0 else { throw TestFailure("mount: \(mounted.output)") }
    nodes[index].isMounted = true
    let copied = try RunningProcess.run("sh", ["-c", "cp -a '\(aside)'/. '\(path)'/ && rm -r '\(aside)'"])
    guard copied.status == 0 else { throw TestFailure("cp: \(copied.output)") }
  }

  /// Takes all that is free on a node's small disk, or gives it back.
  func fillDisk(_ name: String, _ isFull: Bool) throws {
    let node = try node(name)
    guard node.isMounted else { throw TestFailure("\(name) has no disk of its own") }
    let ballast = node.folder.deletingLastPathComponent().path + "/\(name)/ballast"
    // `dd` fails when nothing is left: that is what it is for.
    let command = isFull ? "dd if=/dev/zero of='\(ballast)' bs=4k 2>/dev/null || true; sync" : "rm '\(ballast)'"
    let done = try RunningProcess.run("sh", ["-c", command])
    guard done.status == 0 else { throw TestFailure("\(command): \(done.output)") }
  }

  func status(_ name: String) async throws -> NodeStatus {
    let answer = try await client(name).ask("/needletail/v1/cluster/status", seconds: 5)
    guard answer.status == 200 else {
      throw TestFailure("status of \(name): \(answer.status) \(String(decoding: answer.body, as: UTF8.self))")
    }
    return try NodeStatus(answer.body)
  }

  /// Asks a node for a change of members, or for a repair; returns its answer.
  @discardableResult
  func ask(_ name: String, for change: String, node: String? = nil) async throws -> String {
    let path = "/needletail/v1/cluster/\(change)" + (node.map { "?node=\($0)" } ?? "")
    var answer = try await client(name).ask(path, isPost: true, seconds: 30)
    for _ in 0..<30 where answer.status == 503 {
      try await Task.sleep(for: .seconds(1))
      answer = try await client(name).ask(path, isPost: true, seconds: 30)
    }
    let text = String(decoding: answer.body, as: UTF8.self)
    guard answer.status / 100 == 2 else { throw TestFailure("\(path) answered \(answer.status): \(text)") }
    if change == "drain", let node { drained.insert(node) }
    noteAddresses()
    return text
  }

  /// Waits until every member runs, sees all others, is whole, and holds no hints.
  func settle(seconds: Int) async throws {
    var last = "nothing"
    try await eventually(seconds: seconds, "the cluster is settled: \(last)") {
      for name in names {
        guard try node(name).isRunning else { throw TestFailure("\(name) does not run: \(lastLines(of: name))") }
        do {
          let status = try await status(name)
          last = "\(name): \(status)"
          guard status.isSettled(names) else { return false }
        } catch {
          last = "\(name): \(error)"
          return false
        }
      }
      return true
    }
  }

  /// Has all replicas compared, as an operator would, until a round finds no difference.
  func verify(seconds: Int) async throws {
    guard let name = names.first else { return }
    let verification = try RunningProcess(
      OutsideProgram.needletail,
      ["cluster", "verify", "--server", "http://127.0.0.1:\(try node(name).apiPort)"]
        + ["--within", "\(seconds)s", "--rounds", "5"])
    try await eventually(seconds: seconds + 10, "all replicas agree: \(verification.output)") {
      !verification.isRunning
    }
    guard verification.wait() == 0 else { throw TestFailure("cluster verify: \(verification.output)") }
  }

  /// Ends every process in order and serves each folder by itself, without the others, to `body`.
  func alone(_ body: (_ name: String, _ client: ServerClient) async throws -> Void) async throws {
    for node in nodes where node.process != nil {
      let status = try await end(node.name, SIGTERM)
      guard status == 0 else { throw TestFailure("\(node.name) ended with \(status): \(lastLines(of: node.name))") }
    }
    for node in nodes where FileManager.default.fileExists(atPath: node.folder.path) {
      let server = try RunningProcess(
        OutsideProgram.needletail,
        [
          "serve", "--data", node.folder.path, "--listen", "127.0.0.1:\(node.apiPort)", "--otlp-http", "off",
          "--otlp-grpc", "off", "--set", "self-interval=off",
        ])
      try await eventually(seconds: 60, "\(node.name) is ready alone: \(server.output)") {
        guard server.isRunning else { throw TestFailure("\(node.name) ended alone: \(server.output)") }
        return (try? await node.client.get("/-/ready"))?.status == 200
      }
      try await body(node.name, node.client)
      server.end()
    }
  }

  /// Ends all and removes what it has on disk. `NEEDLETAIL_CLUSTER_KEEP` leaves the folders.
  func end() async throws {
    for node in nodes { try await end(node.name, SIGKILL) }
    let isKept = ProcessInfo.processInfo.environment["NEEDLETAIL_CLUSTER_KEEP"] != nil
    for node in nodes where node.isMounted { _ = try RunningProcess.run("umount", ["-l", node.folder.path]) }
    if !isKept { try FileManager.default.removeItem(at: folder) }
    try await proxy.close()
  }

  /// What every node wrote last.
  func lastLines(_ count: Int = 40) -> String { nodes.map { $0.lastLines(count) }.joined(separator: "\n") }

  private func lastLines(of name: String) -> String { (try? node(name).lastLines(20)) ?? "" }

  private func index(_ name: String) throws -> Int {
    guard let index = nodes.firstIndex(where: { $0.name == name }) else { throw TestFailure("no node \(name)") }
    return index
  }

  private func node(_ name: String) throws -> ClusterNode { nodes[try index(name)] }
}
