import ArgumentParser

/// `needletail serve`.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Run the server: one process, one data folder.",
    discussion: """
      Every option can also be set in the environment (NEEDLETAIL_DATA, NEEDLETAIL_OTLP_HTTP, ...) and in a YAML file \
      (data: ..., otlp-http: ...). A flag wins over the environment, the environment over the file. --print-config \
      shows what holds and where it comes from.

      Addresses that other machines can reach are refused without TLS and a token, unless --insecure is given.

      EXAMPLES
        needletail serve
        needletail serve --data /var/lib/needletail --retention 90d
        needletail serve --listen 127.0.0.1:9000 --otlp-grpc off
        needletail serve --config needletail.yaml --print-config
        needletail serve --listen 0.0.0.0:7070 \\
          --tls-certificate cert.pem --tls-key key.pem --token-file tokens
        needletail serve --node n1 --peer-listen 10.0.0.1:7071 \\
          --seeds 10.0.0.1:7071,10.0.0.2:7071,10.0.0.3:7071
      """)

  @Option(help: ArgumentHelp("The data folder, made if it is missing. (default: ./needletail-data)", valueName: "dir"))
  var data: String?

  @Option(help: ArgumentHelp("Where the API listens. (default: 127.0.0.1:7070)", valueName: "host:port"))
  var listen: String?

  @Option(
    help: ArgumentHelp("Where OTLP over HTTP listens, or off. (default: 127.0.0.1:4318)", valueName: "host:port|off"))
  var otlpHttp: String?

  @Option(
    help: ArgumentHelp("Where OTLP over gRPC listens, or off. (default: 127.0.0.1:4317)", valueName: "host:port|off"))
  var otlpGrpc: String?

  @Option(
    help: ArgumentHelp(
      "The name of this member of a cluster, the same for its whole life. (default: none, no cluster)",
      valueName: "name"))
  var node: String?

  @Option(
    help: ArgumentHelp(
      "What the member does: collector, storage, query, separated by commas, or all. (default: all)",
      valueName: "roles"))
  var role: String?

  @Option(
    help: ArgumentHelp("Where other members reach this one, or off. (default: off)", valueName: "host:port|off"))
  var peerListen: String?

  @Option(
    help: ArgumentHelp("Some members of the cluster, separated by commas.", valueName: "host:port,..."))
  var seeds: String?

  @Option(
    help: ArgumentHelp(
      "URLs of an etcd that keeps who is a member and decides who holds what, separated by commas. (default: none)",
      valueName: "url,..."))
  var etcd: String?

  @Option(
    help: ArgumentHelp("What fails together with this member; replicas lie in different zones.", valueName: "name"))
  var zone: String?

  @Option(help: ArgumentHelp("How many members hold each slot. (default: 3)", valueName: "number"))
  var replication: String?

  @Option(
    help: ArgumentHelp(
      "How many replicas have a write before it is acknowledged. (default: quorum)", valueName: "one|quorum|all"))
  var writeQuorum: String?

  @Option(
    help: ArgumentHelp(
      "How many replicas agree on what a query reads that does not say. (default: quorum)",
      valueName: "one|quorum|all"))
  var readQuorum: String?

  @Option(help: ArgumentHelp("How long data is kept, such as 30d or forever. (default: 30d)", valueName: "duration"))
  var retention: String?

  @Option(
    help: ArgumentHelp("When a write is acknowledged: fsync or interval. (default: fsync)", valueName: "fsync|interval")
  )
  var durability: String?

  @Option(help: ArgumentHelp("A YAML file with settings.", valueName: "file"))
  var config: String?

  @Option(help: ArgumentHelp("PEM file with the certificate chain.", valueName: "file"))
  var tlsCertificate: String?

  @Option(help: ArgumentHelp("PEM file with the private key.", valueName: "file"))
  var tlsKey: String?

  @Option(
    help: ArgumentHelp(
      "File with the accepted bearer tokens, one a line, 16 characters or more each.", valueName: "file"))
  var tokenFile: String?

  @Option(
    help: ArgumentHelp(
      "Any setting by its name, such as query-timeout=30s; --print-config lists them all. May be repeated.",
      valueName: "name=value"))
  var set: [String] = []

  @Flag(help: "Let other machines in without TLS and a token.")
  var insecure = false

  @Flag(help: "Print the settings that hold and where each comes from, and end.")
  var printConfig = false

  func validate() throws {
    if let wrong = set.first(where: { !$0.contains("=") }) {
      throw ValidationError("--set '\(wrong)' has no value; write it as query-timeout=30s")
    }
  }

  /// What was given on the command line, by the settings' names.
  var flags: [String: String] {
    var flags: [String: String] = [:]
    for text in set {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { flags[String(parts[0])] = String(parts[1]) }
    }
    flags["data"] = data
    flags["listen"] = listen
    flags["otlp-http"] = otlpHttp
    flags["otlp-grpc"] = otlpGrpc
    flags["node"] = node
    flags["role"] = role
    flags["peer-listen"] = peerListen
    flags["seeds"] = seeds
    flags["etcd"] = etcd
    flags["zone"] = zone
    flags["replication"] = replication
    flags["write-quorum"] = writeQuorum
    flags["read-quorum"] = readQuorum
    flags["retention"] = retention
    flags["durability"] = durability
    flags["tls-certificate"] = tlsCertificate
    flags["tls-key"] = tlsKey
    flags["token-file"] = tokenFile
    if insecure { flags["insecure"] = "true" }
    return flags
  }

  func run() async throws {
    try await ServerEntry.run(flags: flags, environment: Console.environment, file: config, printOnly: printConfig)
  }
}
