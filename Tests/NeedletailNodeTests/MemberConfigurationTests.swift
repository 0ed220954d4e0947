import NeedletailCluster
import NeedletailEnvironment
import NeedletailTestSupport
import Testing

@testable import NeedletailNode

@Suite("Configuration of a member")
struct MemberConfigurationTests {
  private static let member = ["node": "n1", "peer-listen": "127.0.0.1:7071"]

  private func load(_ flags: [String: String], environment: [String: String] = [:]) throws -> ServerConfiguration {
    try ServerConfiguration.load(flags: flags, environment: environment, file: nil)
  }

  private func problems(_ flags: [String: String]) -> [String] {
    do throws(ConfigurationError) {
      _ = try ServerConfiguration.load(flags: flags, environment: [:], file: nil)
      return []
    } catch {
      return error.problems
    }
  }

  private func problems(member flags: [String: String]) -> [String] {
    problems(Self.member.merging(flags) { $1 })
  }

  @Test("without a name a node belongs to no cluster; with one it has all roles, three replicas and quorums")
  func defaults() throws {
    let single = try load([:])
    #expect(single.nodeName == nil && single.peerListen == nil && single.seeds.isEmpty)
    let member = try load(Self.member)
    #expect(member.nodeName == "n1" && member.roles == .all && member.zone == nil && member.weight == 1)
    #expect(member.replication == 3 && member.writeQuorum == .quorum && member.readQuorum == .quorum)
    #expect(member.peerAdvertise == nil && member.peerCA == nil && member.peerClientAuth == .auto)
  }

  @Test("every setting of a member is read, from flags and from the environment")
  func values() throws {
    let configuration = try load(
      [
        "node": "n1", "role": "storage,query", "peer-listen": "127.0.0.1:0", "peer-advertise": "n1.example:7071",
        "seeds": "n1.example:7071, n2.example:7071,n1.example:7071", "zone": "west", "weight": "4294967295",
        "tls-certificate": "c", "tls-key": "k",
      ],
      environment: [
        "NEEDLETAIL_REPLICATION": "5", "NEEDLETAIL_WRITE_QUORUM": "all", "NEEDLETAIL_READ_QUORUM": "one",
        "NEEDLETAIL_PEER_CA": "ca.pem", "NEEDLETAIL_NODE": "other",
      ])
    #expect(configuration.nodeName == "n1" && configuration.roles == [.storage, .query])
    #expect(configuration.peerAdvertise == ListenAddress(host: "n1.example", port: 7071))
    #expect(configuration.seeds.map(\.host) == ["n1.example", "n2.example"])
    #expect(configuration.zone == "west" && configuration.weight == .max && configuration.replication == 5)
    #expect(configuration.writeQuorum == .all && configuration.readQuorum == .one)
    #expect(configuration.peerCA == "ca.pem")
    #expect(configuration.warnings.isEmpty)
    #expect(configuration.origin(of: .role).description == "flag --role")
  }

  @Test("the empty text is no name, no zone, no seeds and no address of its own")
  func empty() throws {
    let configuration = try load(["node": "", "seeds": "", "zone": "", "peer-advertise": "", "peer-ca": ""])
    #expect(configuration.nodeName == nil && configuration.seeds.isEmpty && configuration.zone == nil)
    #expect(configuration.peerAdvertise == nil && configuration.peerCA == nil)
  }

  @Test("a bad value of a member's setting tells what to write")
  func badValues() {
    let cases: [(setting: String, value: String, advice: String)] = [
      ("node", "two words", "the name of a node is 1 to 128 printable ASCII characters without spaces"),
      ("node", String(repeating: "n", count: 129), "1 to 128"),
      ("node", "k\u{f6}ln", "printable ASCII"),
      ("zone", "a\nb", "the zone of a node is 1 to 128 printable ASCII characters without spaces"),
      ("role", "storage,", "write collector, storage or query"),
      ("role", "", "write collector, storage or query"),
      ("role", "Storage", "write collector, storage or query"),
      ("peer-advertise", "0.0.0.0:7071", "as others reach this node"),
      ("peer-advertise", "[::]:7071", "as others reach this node"),
      ("peer-advertise", "n1:0", "as others reach this node"),
      ("peer-advertise", "n1:70000", "the port is larger than 65535"),
      ("peer-advertise", String(repeating: "n", count: 255) + ":1", "as others reach this node"),
      ("seeds", "a:1,,b:2", "\"\" is none; write HOST:PORT of members"),
      ("seeds", "a:1;b:2", "\"a:1;b:2\" is none"),
      ("seeds", "a:1,b:0", "\"b:0\" is none"),
      ("seeds", "a:1,b:99999", "the port is larger than 65535; \"b:99999\" is none"),
      ("seeds", (1...65).map { "a:\($0)" }.joined(separator: ","), "write 64 addresses at most"),
      ("weight", "0", "write a whole number from 1"), ("weight", "4294967296", "write a whole number from 1"),
      ("weight", "1.5", "write a whole number from 1"),
      ("replication", "0", "write a number from 1 to 15"), ("replication", "16", "write a number from 1 to 15"),
      ("write-quorum", "most", "write one, quorum or all"), ("write-quorum", "2", "write one, quorum or all"),
      ("read-quorum", "QUORUM", "write one, quorum or all"), ("read-quorum", "", "write one, quorum or all"),
      ("peer-client-auth", "yes", "write require, off or auto"),
    ]
    for (setting, value, advice) in cases {
      let found = problems(member: [setting: value])
      #expect(found.contains { $0.hasPrefix("\(setting) = ") && $0.contains(advice) }, "\(setting)=\(value): \(found)")
    }
  }

  @Test("a name without an address for the others is told what to give")
  func nameWithoutAddress() {
    #expect(
      problems(["node": "n1"]) == [
        "node is set (flag --node) but peer-listen is not; the other members reach this one there: "
          + "give --peer-listen HOST:PORT"
      ])
  }

  @Test("an address that names no machine wants one that does; a port that is yet to be found does not")
  func unreachableAddress() {
    for text in ["0.0.0.0:7071", ":7071", "[::]:7071"] {
      let found = problems(["node": "n1", "peer-listen": text, "insecure": "true"])
      #expect(found.count == 1 && found[0].contains("set peer-advertise to the HOST:PORT that they can"), "\(found)")
      #expect(problems(["node": "n1", "peer-listen": text, "insecure": "true", "peer-advertise": "n1:7071"]).isEmpty)
    }
    #expect(problems(member: ["peer-listen": "127.0.0.1:0"]).isEmpty)
  }

  @Test("a member's settings without a name are refused, unless they say what holds anyway")
  func strays() {
    let flags = [
      "role": "query", "peer-advertise": "a:1", "seeds": "a:1", "zone": "z", "weight": "2", "replication": "2",
      "write-quorum": "one", "read-quorum": "all",
    ]
    for (setting, value) in flags.sorted(by: { $0.key < $1.key }) {
      let found = problems([setting: value])
      #expect(found.count == 1 && found[0].contains("give --node NAME, or leave \(setting) out"), "\(found)")
    }
    #expect(problems(["role": "all", "replication": "3", "write-quorum": "quorum", "weight": "1"]).isEmpty)
    #expect(problems(["peer-listen": "127.0.0.1:7071"]).isEmpty)
  }

  @Test("what would have replicas hold different data is refused in a cluster, and nowhere else")
  func differingReplicas() {
    for (setting, value) in [("out-of-order-window", "1h"), ("retention-bytes", "1GiB")] {
      let found = problems(member: [setting: value])
      #expect(found.count == 1 && found[0].contains("replicas of a cluster would come to hold"), "\(found)")
      #expect(problems([setting: value]).isEmpty)
      #expect(problems(member: [setting: "off"]).isEmpty)
    }
  }

  @Test("a retention of which nothing could be read for a part of each hour is refused in a cluster, and nowhere else")
  func shortRetention() {
    for (value, isRefused) in [("1h", true), ("119m", true), ("2h", false), ("30d", false), ("forever", false)] {
      let found = problems(member: ["retention": value])
      #expect(found.count == (isRefused ? 1 : 0), "\(value): \(found)")
      if isRefused { #expect(found[0].contains("set it to 2h or more"), "\(found)") }
      #expect(problems(["retention": value]).isEmpty, "\(value)")
    }
  }

  @Test("authorities for the certificates of others want a certificate of one's own")
  func authoritiesWithoutCertificate() {
    let found = problems(member: ["peer-ca": "ca.pem"])
    #expect(found.count == 1 && found[0].contains("set tls-certificate and tls-key, or leave peer-ca out"), "\(found)")
  }

  @Test("certificates of others can be demanded only where it is said whose count")
  func demandedCertificates() {
    let found = problems(member: ["peer-client-auth": "require", "tls-certificate": "c", "tls-key": "k"])
    #expect(found.count == 1 && found[0].contains("name the authorities that other nodes' certificates have to be by"))
    for value in ["off", "auto"] {
      #expect(problems(member: ["peer-client-auth": value, "tls-certificate": "c", "tls-key": "k"]).isEmpty)
    }
    let whole = ["peer-client-auth": "require", "peer-ca": "ca", "tls-certificate": "c", "tls-key": "k"]
    #expect(problems(member: whole).isEmpty)
  }

  @Test("the first token of the file is the one that nodes show each other")
  func firstToken() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/tokens"
    let system = PosixFileSystem()
    let file = try system.open(path, .create)
    try file.write(Array("# old and new\n\n  first-token-of-the-file \nsecond-token-of-the-file\n".utf8), at: 0)
    file.close()
    #expect(
      try TokenCheck.tokens(file: path, fileSystem: system) == ["first-token-of-the-file", "second-token-of-the-file"])
    let check = try TokenCheck(file: path, fileSystem: system, random: SystemRandomSource())
    #expect(check.accepts("Bearer first-token-of-the-file") && check.accepts("bearer second-token-of-the-file"))
    #expect(!check.accepts("Bearer # old and new"))
  }
}
