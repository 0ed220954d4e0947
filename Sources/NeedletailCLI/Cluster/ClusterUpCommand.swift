import ArgumentParser
import Foundation
import Logging
import NeedletailBlocks
import ServiceLifecycle

/// `needletail cluster up`.
struct ClusterUpCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up",
    abstract: "Start a cluster on this machine, for trying out.",
    discussion: """
      Each node is a process of its own, `needletail serve --node n1` and so on, on loopback ports: the API at the base, \
      the port for other nodes one above, OTLP over HTTP and gRPC two and three above, and the next node ten above. \
      Ctrl-C stops them all. Without --data their folders are temporary.

      EXAMPLES
        needletail cluster up
        needletail cluster up --nodes 3 --data ./cluster-data
        needletail cluster up --nodes 7 --replication 5 --port-base 20000
        needletail cluster up --tls-certificate c.pem --tls-key k.pem --peer-ca a.pem
      """)

  @Option(help: "How many nodes to start.")
  var nodes = 5

  @Option(help: ArgumentHelp("Where their folders are, and stay. (default: a temporary folder)", valueName: "dir"))
  var data: String?

  @Option(help: ArgumentHelp("The first port.", valueName: "port"))
  var portBase = 17_070

  @Option(help: "How many nodes hold each slot.")
  var replication = 3

  @Option(help: ArgumentHelp("PEM file with a certificate of 127.0.0.1, which all nodes show.", valueName: "file"))
  var tlsCertificate: String?

  @Option(help: ArgumentHelp("PEM file with its private key.", valueName: "file"))
  var tlsKey: String?

  @Option(help: ArgumentHelp("PEM file with the authority that vouches for it.", valueName: "file"))
  var peerCa: String?

  func validate() throws {
    guard [tlsCertificate, tlsKey, peerCa].allSatisfy({ $0 == nil }) || certificates != nil else {
      throw ValidationError("--tls-certificate, --tls-key and --peer-ca belong together; give all three or none")
    }
    guard (1...LocalCluster.nodesMax).contains(nodes) else {
      throw ValidationError("--nodes \(nodes) is not between 1 and \(LocalCluster.nodesMax)")
    }
    guard (1_024...65_000).contains(portBase) else {
      throw ValidationError("--port-base \(portBase) is not between 1024 and 65000")
    }
    guard (1...ClusterSetCommand.replicationMax).contains(replication) else {
      throw ValidationError("--replication \(replication) is not between 1 and \(ClusterSetCommand.replicationMax)")
    }
  }

  private var certificates: LocalCluster.Certificates? {
    guard let tlsCertificate, let tlsKey, let peerCa else { return nil }
    return LocalCluster.Certificates(certificate: tlsCertificate, key: tlsKey, authority: peerCa)
  }

  func run() async throws {
    PrivateFiles.enforce()
    let folder = Self.path(
      of: data.map { URL(filePath: $0) }
        ?? FileManager.default.temporaryDirectory.appending(path: "needletail-cluster-\(UUID().uuidString)"))
    let cluster = LocalCluster(
      nodes: nodes, portBase: portBase, folder: folder, replication: replication, certificates: certificates)
    if let taken = cluster.ports.first(where: { !FreePort.isFree($0) }) {
      throw CommandFailure(message: "port \(taken) is taken: end what listens there, or choose others with --port-base")
    }
    defer { if data == nil { try? FileManager.default.removeItem(atPath: folder) } }
    var logger = Logger(label: "needletail", factory: { _ in SwiftLogNoOpLogHandler() })
    logger.logLevel = .critical
    let service = LocalClusterService(cluster: cluster, isTemporary: data == nil)
    // The end of the service, however it comes, is the end of the command.
    let configuration = ServiceGroupConfiguration(
      services: [.init(service: service, successTerminationBehavior: .gracefullyShutdownGroup)],
      gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    try await ServiceGroup(configuration: configuration).run()
  }

  /// Absolute, without dots in it and without a slash at its end.
  static func path(of url: URL) -> String {
    var path = url.absoluteURL.standardized.path(percentEncoded: false)
    while path.utf8.count > 1, path.last == "/" { path.removeLast() }
    return path
  }
}
