import Foundation
import NeedletailProcesses

/// One node of a cluster under test: its ports, its data folder, and its process where it runs.
struct ClusterNode {
  let name: String
  let apiPort: Int
  let peerPort: Int
  /// The proxy's, by which the others reach it.
  let advertisedPort: Int
  let folder: URL
  var process: RunningProcess?
  var isStopped = false
  /// The processes that it was before: their output is part of what a failure tells.
  var earlier: [RunningProcess] = []
  /// Whether the data folder is a file system of its own.
  var isMounted = false

  init(_ name: String, in folder: URL) throws {
    let ports = try FreePorts.take(3)
    (apiPort, peerPort, advertisedPort) = (ports[0], ports[1], ports[2])
    (self.name, self.folder) = (name, folder.appending(path: name))
  }

  var client: ServerClient { ServerClient(port: apiPort, otlpHTTPPort: apiPort) }
  var advertised: String { "127.0.0.1:\(advertisedPort)" }
  var isRunning: Bool { process?.isRunning == true }

  func arguments(seeds: [String], extra: [String]) -> [String] {
    [
      "serve", "--node", name, "--data", folder.path, "--listen", "127.0.0.1:\(apiPort)", "--otlp-http", "off",
      "--otlp-grpc", "off", "--peer-listen", "127.0.0.1:\(peerPort)", "--set", "peer-advertise=\(advertised)",
    ] + (seeds.isEmpty ? [] : ["--seeds", seeds.joined(separator: ",")]) + extra
  }

  /// The last lines of what its processes wrote.
  func lastLines(_ count: Int) -> String {
    let text = (earlier + (process.map { [$0] } ?? [])).map(\.output).joined(separator: "--- started anew\n")
    let lines = text.split(separator: "\n", omittingEmptySubsequences: true)
    return "=== \(name), \(lines.count) lines\n" + lines.suffix(count).joined(separator: "\n")
  }
}
