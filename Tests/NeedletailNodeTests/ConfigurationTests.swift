import NeedletailEnvironment
import Testing

@testable import NeedletailNode

@Suite("Configuration")
struct ConfigurationTests {
  private func load(
    flags: [String: String] = [:], environment: [String: String] = [:], yaml: String? = nil
  ) throws -> ServerConfiguration {
    let folder = try TemporaryFolder()
    var path: String?
    if let yaml {
      path = folder.path + "/needletail.yaml"
      try PosixFileSystem().write(path ?? "", Array(yaml.utf8))
    }
    return try ServerConfiguration.load(flags: flags, environment: environment, file: path)
  }

  private func problems(
    flags: [String: String] = [:], environment: [String: String] = [:], yaml: String? = nil
  ) throws -> String {
    do {
      _ = try load(flags: flags, environment: environment, yaml: yaml)
      return ""
    } catch let error as ConfigurationError {
      return error.description
    }
  }

  @Test("flags win over the environment, that over the file, that over the defaults, and each setting knows its origin")
  func precedence() throws {
    let configuration = try load(
      flags: ["listen": "127.0.0.1:1"],
      environment: ["NEEDLETAIL_LISTEN": "127.0.0.1:2", "NEEDLETAIL_RETENTION": "7d"],
      yaml: "# comment\nlisten: 127.0.0.1:3\nretention: 8d\notlp-grpc: off\n")
    #expect(configuration.listen.port == 1)
    #expect(configuration.retention == .span(TimeSpan(seconds: 7 * 86_400)))
    #expect(configuration.otlpGRPC == nil)
    #expect(configuration.otlpHTTP == ListenAddress(host: "127.0.0.1", port: 4318))
    #expect(configuration.origin(of: .listen) == .flag("listen"))
    #expect(configuration.origin(of: .retention) == .environment("NEEDLETAIL_RETENTION"))
    #expect(configuration.origin(of: .otlpHTTP) == .builtIn)
    guard case .file(_, let line) = configuration.origin(of: .otlpGRPC) else {
      Issue.record("otlp-grpc does not come from the file")
      return
    }
    #expect(line == 4)
  }

  @Test("an unknown key of the file is refused with its line and the nearest setting")
  func unknownKey() throws {
    let text = try problems(yaml: "data: /tmp/x\nretenton: 3d\n")
    #expect(text.contains("line 2") && text.contains("\"retenton\"") && text.contains("\"retention\""), "\(text)")
  }

  @Test("a file that cannot be read is told apart from one with something wrong in it")
  func unreadable() throws {
    func isUnreadable(_ file: String?, _ flags: [String: String]) -> Bool? {
      do throws(ConfigurationError) {
        _ = try ServerConfiguration.load(flags: flags, environment: [:], file: file)
        return nil
      } catch { return error.isUnreadable }
    }
    let folder = try TemporaryFolder()
    #expect(isUnreadable(folder.path + "/nope.yaml", [:]) == true)
    #expect(isUnreadable(nil, ["retention": "soon"]) == false)
  }

  @Test("a file that is no mapping, no YAML or holds lists is refused")
  func malformedFiles() throws {
    #expect(try problems(yaml: "- a\n- b\n").contains("mapping"))
    #expect(try problems(yaml: "data: [1, 2\n").contains("YAML"))
    #expect(try problems(yaml: "data: [1, 2]\n").contains("single value"))
    #expect(try problems(yaml: "") == "")
  }

  @Test("a bad value tells the setting, the value, its origin and what to write")
  func badValues() throws {
    let text = try problems(
      flags: ["listen": "7070"], environment: ["NEEDLETAIL_RETENTION": "soon", "NEEDLETAIL_DURABILITY": "maybe"])
    #expect(text.contains("listen = \"7070\" (flag --listen): write HOST:PORT"), "\(text)")
    #expect(text.contains("retention = \"soon\" (environment NEEDLETAIL_RETENTION)"), "\(text)")
    #expect(text.contains("durability = \"maybe\""), "\(text)")
    for value in ["0", "59s", "none", "-1h"] {
      let text = try problems(flags: ["out-of-order-window": value])
      #expect(text.contains("write a duration of 1m or more, such as 1h, or off"), "\(text)")
    }
    for value in ["fast", "0", "1023KiB", "-1"] {
      let text = try problems(flags: ["merge-bytes-per-second": value])
      #expect(text.contains("write a size of 1MiB or more, such as 64MiB, or off"), "\(text)")
    }
    for value in ["0", "101", "50%"] {
      #expect(try problems(flags: ["merge-cpu-percent": value]).contains("write a number from 1 to 100"))
    }
    let unknown = try problems(flags: ["lisen": "x", "something-else": "x"])
    #expect(unknown.contains("--set lisen: there is no setting of that name; did you mean listen?"), "\(unknown)")
    #expect(unknown.contains("--set something-else: there is no setting of that name; --print-config"), "\(unknown)")
    #expect(try problems(flags: ["flush-bytes": "x"]).contains("flush-bytes = \"x\" (--set flush-bytes): write"))
  }

  @Test("a port that is too large is told as such")
  func largePort() throws {
    for text in [":99999", "127.0.0.1:65536", "[::1]:4294967296000000000000"] {
      #expect(
        try problems(flags: ["listen": text]).contains("the port is larger than 65535; write HOST:PORT"), "\(text)")
      #expect(try problems(flags: ["otlp-grpc": text]).contains("the port is larger than 65535"), "\(text)")
    }
    for text in ["99999", "localhost:x", "localhost:", "", ":"] {
      #expect(try !problems(flags: ["listen": text]).contains("larger"), "\(text)")
    }
  }

  @Test("a variable that looks like a setting's and is none is warned of, with the nearest; those of clients are not")
  func unknownVariables() throws {
    let configuration = try load(environment: [
      "NEEDLETAIL_RETENTOIN": "7d", "NEEDLETAIL_SOMETHING": "1", "NEEDLETAIL_SERVER": "http://a", "PATH": "/bin",
      "NEEDLETAIL_DATA": "/tmp/x", "NEEDLETAIL_CA_FILE": "c",
    ])
    #expect(
      configuration.warnings == [
        "the environment variable NEEDLETAIL_RETENTOIN is no setting and is ignored; did you mean NEEDLETAIL_RETENTION?",
        "the environment variable NEEDLETAIL_SOMETHING is no setting and is ignored",
      ])
  }

  @Test("an address that others reach needs TLS and a token, or --insecure")
  func exposure() throws {
    #expect(try problems(flags: ["listen": "0.0.0.0:7070"]).contains("--insecure"))
    #expect(try problems(flags: ["otlp-http": ":4318"]).contains("otlp-http"))
    #expect(try problems(flags: ["listen": "0.0.0.0:7070", "insecure": "true"]) == "")
    #expect(try problems(flags: ["listen": "[::1]:7070"]) == "")
    #expect(
      try problems(flags: [
        "listen": "0.0.0.0:7070", "tls-certificate": "c.pem", "tls-key": "k.pem", "token-file": "t",
      ]) == "")
    #expect(try problems(flags: ["tls-certificate": "c.pem"]).contains("tls-key"))
  }

  @Test("an address whose host has none is told as such, not as one that others reach")
  func unknownHost() throws {
    func problems(_ listen: String, insecure: Bool = false) throws -> String {
      do throws(ConfigurationError) {
        _ = try ServerConfiguration.load(
          flags: ["listen": listen, "insecure": "\(insecure)"], environment: [:], file: nil,
          fileSystem: PosixFileSystem(),
          hostProblem: { $0 == "nohost" ? "no such name" : nil })
        return ""
      } catch {
        return error.description
      }
    }
    let text = try problems("nohost:1")
    #expect(text.contains("listen = nohost:1 (flag --listen): the host nohost is not known: no such name"), "\(text)")
    #expect(!text.contains("other machines"))
    #expect(try problems("somehost:1").contains("other machines"))
    #expect(
      HostName.problem("127.0.0.1") == nil && HostName.problem("::1") == nil && HostName.problem("0.0.0.0") == nil)
  }

  @Test("what is printed is read back as the same configuration")
  func roundTrip() throws {
    let configuration = try load(
      flags: [
        "data": "/tmp/a \"quoted\" \\ folder # not a comment", "retention": "forever", "retention-bytes": "500GiB",
        "durability": "interval:5s",
        "body-bytes-max": "32MiB", "merge-bytes-per-second": "off", "merge-cpu-percent": "50",
        "out-of-order-window": "90m", "otlp-http": "off",
        "flush-interval": "90s", "self-interval": "off", "query-delayed-name-removal": "true",
        "query-start-timestamps": "off", "tenant-bytes-per-second": "10MiB", "tenant-samples-per-second": "100000",
        "tenant-log-records-per-second": "1", "tenant-spans-per-second": "2000",
        "tenant-new-series-per-second": "50", "tenant-rate-strategy": "local",
      ])
    try expectRoundTrip(configuration)
    try expectRoundTrip(
      try load(flags: [
        "node": "n\"1\"", "role": "query, collector", "peer-listen": "0.0.0.0:7071", "insecure": "true",
        "peer-advertise": "[fd00::1]:7071", "seeds": "a.example:1, [fd00::2]:2,a.example:1", "zone": "west-1",
        "weight": "4000", "replication": "15", "write-quorum": "all", "read-quorum": "one",
        "tls-certificate": "c.pem", "tls-key": "k.pem", "peer-ca": "ca.pem",
      ]))
  }

  private func expectRoundTrip(_ configuration: ServerConfiguration) throws {
    let printed = configuration.rendered()
    let again = try load(yaml: printed)
    for setting in Setting.allCases {
      #expect(again.text(of: setting) == configuration.text(of: setting), "\(setting)")
    }
    #expect(
      printed.contains("# flag --retention") || printed.contains("# flag --node"), "\(printed)")
    #expect(printed.contains("# default"), "\(printed)")
  }

  @Test("the defaults are what an empty configuration holds")
  func defaults() throws {
    let configuration = try load()
    for setting in Setting.allCases {
      var other = ServerConfiguration()
      #expect(other.set(setting, to: setting.defaultValue) == nil, "\(setting)")
      #expect(other.text(of: setting) == configuration.text(of: setting), "\(setting)")
    }
  }

  @Test(
    "durations are read in full or not at all",
    arguments: [
      ("30d", 2_592_000_000), ("1h30m", 5_400_000), ("1w", 604_800_000), ("250ms", 250), ("0", 0), ("1m1h", nil),
      ("", nil), ("5", nil), ("1.5h", nil), ("99999999999999999y", nil), ("-1d", nil),
    ] as [(String, Int64?)])
  func durations(text: String, milliseconds: Int64?) {
    #expect(TimeSpan(text)?.milliseconds == milliseconds)
  }
}

extension PosixFileSystem {
  /// Writes a whole new file.
  fileprivate func write(_ path: String, _ bytes: [UInt8]) throws {
    let file = try open(path, .create)
    try file.write(bytes, at: 0)
    file.close()
  }
}
