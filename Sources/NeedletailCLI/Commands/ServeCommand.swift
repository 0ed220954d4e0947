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
