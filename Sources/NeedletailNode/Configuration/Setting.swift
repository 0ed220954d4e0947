/// Everything that can be set, by the one name that it has as a flag (`--NAME`), in the YAML file (`NAME: value`) and
/// in the environment (`NEEDLETAIL_NAME`, in capitals, `_` for `-`).
package enum Setting: String, CaseIterable, Sendable {
  case data
  case listen
  case otlpHTTP = "otlp-http"
  case otlpGRPC = "otlp-grpc"
  case node
  case role
  case peerListen = "peer-listen"
  case peerAdvertise = "peer-advertise"
  case seeds
  case etcd
  case etcdPrefix = "etcd-prefix"
  case etcdCA = "etcd-ca"
  case etcdCertificate = "etcd-certificate"
  case etcdKey = "etcd-key"
  case etcdUser = "etcd-user"
  case etcdPasswordFile = "etcd-password-file"
  case zone
  case weight
  case replication
  case writeQuorum = "write-quorum"
  case readQuorum = "read-quorum"
  case retention
  case retentionBytes = "retention-bytes"
  case outOfOrderWindow = "out-of-order-window"
  case durability
  case insecure
  case tlsCertificate = "tls-certificate"
  case tlsKey = "tls-key"
  case peerCA = "peer-ca"
  case peerClientAuth = "peer-client-auth"
  case tokenFile = "token-file"
  case bodyBytesMax = "body-bytes-max"
  case tenantBytes = "tenant-bytes-per-second"
  case tenantSamples = "tenant-samples-per-second"
  case tenantLogRecords = "tenant-log-records-per-second"
  case tenantSpans = "tenant-spans-per-second"
  case tenantNewSeries = "tenant-new-series-per-second"
  case tenantRateStrategy = "tenant-rate-strategy"
  case tenantSeries = "tenant-series-max"
  case queryTimeout = "query-timeout"
  case querySamplesMax = "query-samples-max"
  case queryConcurrency = "query-concurrency"
  case queryQueueMax = "query-queue-max"
  case queryDelayedNameRemoval = "query-delayed-name-removal"
  case queryStartTimestamps = "query-start-timestamps"
  case flushInterval = "flush-interval"
  case flushBytes = "flush-bytes"
  case mergeBytesPerSecond = "merge-bytes-per-second"
  case mergeCPUPercent = "merge-cpu-percent"
  case selfInterval = "self-interval"
  case hugePages = "huge-pages"
  case logLevel = "log-level"

  /// The name of the setting's environment variable.
  package var environmentName: String {
    "NEEDLETAIL_" + rawValue.uppercased().split(separator: "-").joined(separator: "_")
  }

  /// Whether the command line has an option of this name; the others are given to `--set`.
  var hasFlag: Bool {
    switch self {
    case .data, .listen, .otlpHTTP, .otlpGRPC, .retention, .durability, .insecure, .tlsCertificate, .tlsKey, .tokenFile,
      .node, .role, .peerListen, .seeds, .etcd, .zone, .replication, .writeQuorum, .readQuorum:
      true
    default: false
    }
  }

  /// What holds where nothing else is said; the empty text for "none".
  package var defaultValue: String {
    switch self {
    case .data: "./needletail-data"
    case .listen: "127.0.0.1:7070"
    case .otlpHTTP: "127.0.0.1:4318"
    case .otlpGRPC: "127.0.0.1:4317"
    case .node, .peerAdvertise, .seeds, .zone: ""
    case .etcd, .etcdCA, .etcdCertificate, .etcdKey, .etcdUser, .etcdPasswordFile: ""
    case .etcdPrefix: "/needletail/"
    case .role: "all"
    case .peerClientAuth: "auto"
    case .peerListen: "off"
    case .weight: "1"
    case .replication: "3"
    case .writeQuorum, .readQuorum: "quorum"
    case .retention: "30d"
    case .retentionBytes: "off"
    case .outOfOrderWindow: "off"
    case .durability: "fsync"
    case .insecure: "false"
    case .tlsCertificate, .tlsKey, .peerCA, .tokenFile: ""
    case .bodyBytesMax: "64MiB"
    case .tenantBytes, .tenantSamples, .tenantLogRecords, .tenantSpans, .tenantNewSeries, .tenantSeries: "off"
    case .tenantRateStrategy: "global"
    case .queryTimeout: "2m"
    case .querySamplesMax: "50000000"
    case .queryConcurrency: "4"
    case .queryQueueMax: "64"
    case .queryDelayedNameRemoval: "false"
    case .queryStartTimestamps: "true"
    case .flushInterval: "15m"
    case .flushBytes: "256MiB"
    case .mergeBytesPerSecond: "64MiB"
    case .mergeCPUPercent: "100"
    case .selfInterval: "15s"
    case .hugePages: "try"
    case .logLevel: "info"
    }
  }

  /// What the setting is, for `--help` and error messages.
  package var summary: String {
    switch self {
    case .data: "the data folder; made if it is missing"
    case .listen: "HOST:PORT of the API"
    case .otlpHTTP: "HOST:PORT of OTLP over HTTP, or off"
    case .otlpGRPC: "HOST:PORT of OTLP over gRPC, or off"
    case .node: "the name of this member of a cluster, the same for its whole life; empty: no cluster"
    case .role: "what the node does in its cluster: collector, storage, query, separated by commas, or all"
    case .peerListen: "HOST:PORT where other nodes of a cluster reach this one, or off"
    case .peerAdvertise: "HOST:PORT under which others reach peer-listen; empty: the same"
    case .seeds: "HOST:PORT of some members of the cluster, separated by commas; names may have several addresses"
    case .etcd:
      "URLs of an etcd that keeps who is a member and decides who holds what, separated by commas; empty: none"
    case .etcdPrefix: "what stands before all keys of this cluster in etcd"
    case .etcdCA: "PEM file of the authorities that etcd's certificate is checked against; empty: the system's"
    case .etcdCertificate: "PEM file of the certificate that is shown to etcd"
    case .etcdKey: "PEM file of the private key of etcd-certificate"
    case .etcdUser: "the user of etcd that this node is"
    case .etcdPasswordFile: "file with the password of etcd-user"
    case .zone: "what fails together with this node, such as a rack; replicas lie in different zones"
    case .weight: "how much the node holds, relative to others, such as the terabytes of its disk"
    case .replication: "how many nodes hold each slot"
    case .writeQuorum: "how many replicas have a write before it is acknowledged: one, quorum or all"
    case .readQuorum: "how many replicas agree on what a query reads where it does not say: one, quorum or all"
    case .retention: "how long data is kept: a duration such as 30d, or forever"
    case .retentionBytes: "how large all parts of metrics may be together before the oldest days go, or off"
    case .outOfOrderWindow: "how much older than its tenant's newest a sample may be, or off: as old as is kept"
    case .durability: "when a write is acknowledged: fsync, interval or interval:SECONDSs"
    case .insecure: "true allows addresses that other machines reach without TLS and a token"
    case .tlsCertificate: "PEM file with the certificate chain"
    case .tlsKey: "PEM file with the private key"
    case .peerCA: "PEM file of the authorities that other nodes' certificates are checked against; empty: the system's"
    case .peerClientAuth:
      "whether other nodes have to show certificates that peer-ca vouches for: require, off, or "
        + "auto"
    case .tokenFile: "file with the bearer tokens that are accepted, one per line; nodes show each other the first"
    case .bodyBytesMax: "the largest request body, before and after decompression; remote write: 32MiB at most"
    case .tenantBytes: "how many bytes of bodies each tenant may send in a second, as they are sent, or off"
    case .tenantSamples: "how many samples of metrics each tenant may send in a second, or off"
    case .tenantLogRecords: "how many log records each tenant may send in a second, or off"
    case .tenantSpans: "how many spans each tenant may send in a second, or off"
    case .tenantNewSeries: "how many series of metrics each tenant may begin in a second, or off"
    case .tenantRateStrategy:
      "whether what a tenant may send in a second holds for the cluster, each collector taking an equal share, or for "
        + "each node by itself: global or local"
    case .tenantSeries: "how many active series of metrics each tenant may have on this node, or off"
    case .queryTimeout: "how long a query may run"
    case .querySamplesMax: "how many samples a query may read"
    case .queryConcurrency: "how many queries run at once"
    case .queryQueueMax: "how many queries may wait for their turn"
    case .queryDelayedNameRemoval: "true: what drops a metric's name drops it at the end of a query, not at once"
    case .queryStartTimestamps: "whether rate and its kin use what senders told of when a count began"
    case .flushInterval: "how often memory is written out as parts"
    case .flushBytes: "at how many bytes in memory it is written out earlier"
    case .mergeBytesPerSecond: "how much merges in the background read and write in a second, together, or off"
    case .mergeCPUPercent: "how much of one core merges in the background take at most, in per cent"
    case .selfInterval: "how often the server stores its own metrics, or off"
    case .hugePages: "whether the program's code lies on huge pages where the system has them: try or off"
    case .logLevel: "trace, debug, info, notice, warning, error or critical"
    }
  }

  /// The setting's name that is nearest to `name` by edit distance, if any is near.
  package static func nearest(to name: String) -> Setting? {
    let ranked = allCases.map { ($0, distance(Array(name.utf8.prefix(64)), Array($0.rawValue.utf8))) }
    guard let best = ranked.min(by: { $0.1 < $1.1 }), best.1 <= max(2, best.0.rawValue.utf8.count / 3) else {
      return nil
    }
    return best.0
  }

  /// Levenshtein's edit distance.
  ///
  /// O(n * m).
  private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, b) in right.enumerated() {
        let substitution = diagonal + (a == b ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substitution, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[right.count]
  }
}

/// Where a setting's value came from, in falling order of precedence.
package enum SettingOrigin: Hashable, Sendable, CustomStringConvertible {
  case flag(String)
  case environment(String)
  case file(String, line: Int)
  case builtIn

  /// As shown beside the value.
  package var description: String {
    switch self {
    case .flag(let name): Setting(rawValue: name)?.hasFlag == false ? "--set \(name)" : "flag --\(name)"
    case .environment(let name): "environment \(name)"
    case .file(let path, let line): "\(path) line \(line)"
    case .builtIn: "default"
    }
  }
}
