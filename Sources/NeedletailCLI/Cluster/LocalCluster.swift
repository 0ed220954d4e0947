/// The nodes of a cluster on this machine: their names, ports and folders.
struct LocalCluster: Equatable {
  struct Node: Equatable {
    var name: String
    var folder: String
    /// The ports of the API, for the other nodes, and of OTLP over HTTP and gRPC.
    var api: Int
    var peers: Int
    var otlpHTTP: Int
    var otlpGRPC: Int

    var log: String { folder + "/server.log" }
  }

  /// How far the ports of two nodes are apart.
  static let portStride = 10
  static let nodesMax = 32

  /// Files in PEM form with which the nodes prove to each other and to clients who they are.
  struct Certificates: Equatable {
    /// Of 127.0.0.1, for all of them.
    var certificate: String
    var key: String
    /// The authority that vouches for it.
    var authority: String
  }

  let nodes: [Node]
  let replication: Int
  /// Nil for plain text.
  let certificates: Certificates?

  /// Nodes `n1`, `n2`, ... with folders of their names in `folder`.
  init(nodes count: Int, portBase: Int, folder: String, replication: Int, certificates: Certificates? = nil) {
    self.certificates = certificates
    nodes = (0..<count).map { index in
      let port = portBase + index * Self.portStride
      return Node(
        name: "n\(index + 1)", folder: "\(folder)/n\(index + 1)", api: port, peers: port + 1, otlpHTTP: port + 2,
        otlpGRPC: port + 3)
    }
    self.replication = replication
  }

  /// Where a node's API is.
  func url(of node: Node) -> String { "\(certificates == nil ? "http" : "https")://127.0.0.1:\(node.api)" }

  var ports: [Int] { nodes.flatMap { [$0.api, $0.peers, $0.otlpHTTP, $0.otlpGRPC] } }

  /// What `needletail` is told for a node to run.
  func arguments(of node: Node) -> [String] {
    let secrets = certificates.map {
      ["--tls-certificate", $0.certificate, "--tls-key", $0.key, "--set", "peer-ca=\($0.authority)"]
    }
    return [
      "serve", "--node", node.name, "--data", node.folder + "/data", "--listen", "127.0.0.1:\(node.api)",
      "--peer-listen", "127.0.0.1:\(node.peers)", "--otlp-http", "127.0.0.1:\(node.otlpHTTP)",
      "--otlp-grpc", "127.0.0.1:\(node.otlpGRPC)",
      "--seeds", nodes.map { "127.0.0.1:\($0.peers)" }.joined(separator: ","), "--replication", "\(replication)",
    ] + (secrets ?? [])
  }

  /// The same as a line for a shell.
  func commandLine(of node: Node) -> String {
    (["needletail"] + arguments(of: node)).map(Self.quoted).joined(separator: " ")
  }

  private static func quoted(_ word: String) -> String {
    let plain = word.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "-_./:,+=@%".utf8.contains(byte)
      }
    }
    return plain && !word.isEmpty
      ? word : "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }

  /// Why the nodes are no cluster yet, by what each of them tells (nil: nothing); nil where all agree that they are one.
  func shortcoming(_ states: [ClusterState?]) -> String? {
    let names = Set(nodes.map(\.name))
    for (node, state) in zip(nodes, states) {
      guard let state else { return "\(node.name) does not tell of a cluster" }
      guard let cluster = state.cluster else { return "\(node.name) belongs to no cluster yet" }
      if cluster != states.first??.cluster { return "\(node.name) belongs to another cluster than \(nodes[0].name)" }
      let up = Set(state.nodes.filter(\.isUp).map(\.name))
      if let missing = names.subtracting(up).min() { return "\(node.name) does not see \(missing)" }
      if state.slots == 0 || state.slotsWithoutReadQuorum > 0 || state.slotsWithoutWriteQuorum > 0 {
        return "\(node.name) sees slots that cannot be read or written"
      }
    }
    return nil
  }
}
