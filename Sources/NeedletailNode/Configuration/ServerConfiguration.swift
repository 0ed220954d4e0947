// The settings of a server, merged from flags, environment, file and defaults, in this order of precedence. Each is
// read from text by one function, whatever its origin, so that all origins accept the same spellings and fail with the
// same words.

import NeedletailBlocks
import NeedletailCollector
import NeedletailCluster
import NeedletailEnvironment

/// Everything that a server needs to know before it starts.
package struct ServerConfiguration: Sendable {
  /// How long data is kept.
  package enum Retention: Hashable, Sendable, CustomStringConvertible {
    case forever
    case span(TimeSpan)

    /// As it is written in settings.
    package var description: String {
      switch self {
      case .forever: "forever"
      case .span(let span): span.description
      }
    }
  }

  /// The data folder's path.
  package var dataFolder = "./needletail-data"
  /// Where the API listens.
  package var listen = ListenAddress(host: "127.0.0.1", port: 7070)
  /// Where OTLP over HTTP listens, nil for nowhere.
  package var otlpHTTP: ListenAddress? = ListenAddress(host: "127.0.0.1", port: 4318)
  /// Where OTLP over gRPC listens, nil for nowhere.
  package var otlpGRPC: ListenAddress? = ListenAddress(host: "127.0.0.1", port: 4317)
  /// The name of this member of a cluster, nil for a node that belongs to none.
  package var nodeName: String?
  /// What the node does in its cluster.
  package var roles = NodeRoles.all
  /// Where other nodes reach this one, nil for nowhere.
  package var peerListen: ListenAddress?
  /// What others are told to reach `peerListen` under; nil: where it listens, with the port that it got.
  package var peerAdvertise: ListenAddress?
  /// Some members of the cluster, each of which may be this node itself.
  package var seeds: [ListenAddress] = []
  /// The etcd that keeps membership and decisions of the cluster, if any.
  package var etcd = EtcdSettings()
  /// What fails together with this node; nil where nobody said.
  package var zone: String?
  /// How much the node holds, relative to others; at least 1.
  package var weight: UInt32 = 1
  /// How many nodes hold each slot, 1 to 16.
  package var replication = 3
  /// How many replicas have a write before it is acknowledged.
  package var writeQuorum = WriteLevel.quorum
  /// How many replicas agree on what a query reads that does not say.
  package var readQuorum = QuorumRead.Consistency.quorum
  /// PEM file of the authorities that certificates of other nodes are checked against; nil for the system's.
  package var peerCA: String?
  /// Whether other nodes have to show certificates.
  package var peerClientAuth = PeerClientAuth.auto
  /// How long data is kept.
  package var retention = Retention.span(TimeSpan(seconds: 30 * 86_400))
  /// How many bytes all parts of metrics may take before the oldest days go, nil for as many as there are.
  package var retentionBytes: Int?
  /// How much older than the newest sample of its tenant a sample of metrics may be, nil for as old as is kept.
  package var outOfOrderWindow: TimeSpan?
  /// When a write is acknowledged.
  package var durability = Durability.fsync
  /// Whether addresses that other machines reach need neither TLS nor a token.
  package var isInsecure = false
  /// PEM file with the certificate chain.
  package var tlsCertificate: String?
  /// PEM file with the private key.
  package var tlsKey: String?
  /// File with the bearer tokens that are accepted, one per line; the first is shown to other nodes.
  package var tokenFile: String?
  /// The largest request body in bytes, before and after decompression.
  package var bodyBytesMax = 64 << 20
  /// How much each tenant may send in a second.
  package var tenantRates = TenantRates()
  /// Whether `tenantRates` hold for all collectors of a cluster together.
  package var sharesTenantRates = true
  /// How many active series each tenant may have, nil for as many as it likes.
  package var tenantSeriesMax: Int?
  /// How long a query may run.
  package var queryTimeout = TimeSpan(seconds: 120)
  /// How many samples a query may read.
  package var querySamplesMax = 50_000_000
  /// How many queries run at once.
  package var queryConcurrency = 4
  /// How many queries may wait for their turn.
  package var queryQueueMax = 64
  /// Whether what drops a metric's name drops it at the end of a query.
  package var queryDelayedNameRemoval = false
  /// Whether queries use what senders told of when a count began.
  package var queryStartTimestamps = true
  /// How often memory is written out as parts.
  package var flushInterval = TimeSpan(seconds: 900)
  /// At how many bytes in memory it is written out earlier.
  package var flushBytes = 256 << 20
  /// How many bytes merges in the background read and write in a second, nil for as many as they can.
  package var mergeBytesPerSecond: Int? = 64 << 20
  /// How much of the time the thread of these merges may be busy, in per cent.
  package var mergeCPUPercent = 100
  /// How often the server stores its own metrics, nil for never.
  package var selfInterval: TimeSpan? = TimeSpan(seconds: 15)
  /// The least level that is logged: `trace` to `critical`.
  package var logLevel = "info"
  /// Whether the program's code is moved to huge pages where the system has them.
  package var triesHugePages = true

  /// Where each setting came from; a setting that is missing here is a default.
  package internal(set) var origins: [Setting: SettingOrigin] = [:]

  /// What is not wrong enough to refuse, each a sentence for the operator.
  package internal(set) var warnings: [String] = []

  /// The defaults.
  package init() {}

  /// Merges `flags` (names without dashes) over `environment` over the YAML file at `file` (or the one named by
  /// `NEEDLETAIL_CONFIG`) over the defaults, and validates the whole.
  ///
  /// Throws with every problem at once.
  package static func load(
    flags: [String: String], environment: [String: String], file: String?
  ) throws(ConfigurationError) -> ServerConfiguration {
    try load(flags: flags, environment: environment, file: file, fileSystem: PosixFileSystem())
  }

  static func load(
    flags: [String: String], environment: [String: String], file: String?, fileSystem: any FileSystem,
    hostProblem: (String) -> String? = HostName.problem
  ) throws(ConfigurationError) -> ServerConfiguration {
    var configuration = ServerConfiguration()
    var problems: [String] = []
    var values: [Setting: (text: String, origin: SettingOrigin)] = [:]
    if let path = file ?? environment["NEEDLETAIL_CONFIG"], !path.isEmpty {
      for entry in try ConfigurationFile.parse(try text(of: path, fileSystem), path: path) {
        values[entry.setting] = (entry.value, .file(path, line: entry.line))
      }
    }
    for setting in Setting.allCases {
      guard let text = environment[setting.environmentName] else { continue }
      values[setting] = (text, .environment(setting.environmentName))
    }
    for (name, text) in flags {
      guard let setting = Setting(rawValue: name) else {
        // Options of other names the command line does not take.
        let hint =
          Setting.nearest(to: name).map { "; did you mean \($0.rawValue)?" } ?? "; --print-config lists them all"
        problems.append("--set \(name): there is no setting of that name\(hint)")
        continue
      }
      values[setting] = (text, .flag(name))
    }
    for setting in Setting.allCases {
      guard let (text, origin) = values[setting] else { continue }
      configuration.origins[setting] = origin
      if let problem = configuration.set(setting, to: text) {
        problems.append("\(setting.rawValue) = \"\(text)\" (\(origin)): \(problem)")
      }
    }
    configuration.warnings = environment.keys.sorted().compactMap(unknownVariable)
    problems += configuration.contradictions(hostProblem)
    guard problems.isEmpty else { throw ConfigurationError(problems.sorted()) }
    return configuration
  }

  /// Variables that are no settings: the file's, and those of the commands that ask a server.
  private static let otherVariables: Set<String> = [
    "NEEDLETAIL_CONFIG", "NEEDLETAIL_SERVER", "NEEDLETAIL_TENANT", "NEEDLETAIL_CLIENT_TOKEN_FILE",
    "NEEDLETAIL_CA_FILE",
  ]

  /// What to say of a variable that looks like a setting's and is none; nil for all others.
  private static func unknownVariable(_ name: String) -> String? {
    guard name.hasPrefix("NEEDLETAIL_"), !otherVariables.contains(name),
      !Setting.allCases.contains(where: { $0.environmentName == name })
    else { return nil }
    let setting = name.dropFirst("NEEDLETAIL_".utf8.count).lowercased().map { $0 == "_" ? "-" : $0 }
    let hint = Setting.nearest(to: String(setting)).map { "; did you mean \($0.environmentName)?" } ?? ""
    return "the environment variable \(name) is no setting and is ignored\(hint)"
  }

  private static func text(of path: String, _ fileSystem: any FileSystem) throws(ConfigurationError) -> String {
    do throws(FileError) {
      return String(decoding: try fileSystem.readAll(path, maxBytes: 1 << 20), as: UTF8.self)
    } catch {
      throw ConfigurationError(["the configuration file cannot be read: \(error)"], isUnreadable: true)
    }
  }

  /// Where a setting came from.
  package func origin(of setting: Setting) -> SettingOrigin { origins[setting] ?? .builtIn }
}
