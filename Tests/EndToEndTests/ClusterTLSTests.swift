import Foundation
import NeedletailProcesses
import Testing

@Suite("A cluster that speaks TLS", .serialized, .enabled(if: OutsideProgram.isExpected("openssl")))
struct ClusterTLSTests {
  /// An authority, and certificates of this machine that it vouches for.
  private struct Authority {
    let folder: URL
    let name: String

    init(in folder: URL, name: String) throws {
      (self.folder, self.name) = (folder, name)
      try openssl(
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=\(name)"]
          + ["-keyout", path("key"), "-out", path("pem")])
    }

    func path(_ ending: String, of name: String? = nil) -> String {
      folder.appending(path: "\(name ?? self.name).\(ending)").path
    }

    func issue(_ name: String) throws {
      try "subjectAltName=DNS:localhost,IP:127.0.0.1".write(
        toFile: path("extensions", of: name), atomically: true, encoding: .utf8)
      try openssl(
        ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=\(name)", "-keyout", path("key", of: name)]
          + ["-out", path("csr", of: name)])
      try openssl(
        ["x509", "-req", "-in", path("csr", of: name), "-CA", path("pem"), "-CAkey", path("key"), "-CAcreateserial"]
          + ["-days", "2", "-extfile", path("extensions", of: name), "-out", path("pem", of: name)])
    }

    private func openssl(_ arguments: [String]) throws {
      let made = try RunningProcess.run("openssl", arguments)
      try #require(made.status == 0, "\(made.output)")
    }
  }

  @Test(
    "cluster up forms one of members that show each other certificates; a stranger is kept out and named",
    .timeLimit(.minutes(20)))
  func members() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "needletail-mtls-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let ours = try Authority(in: folder, name: "ours")
    let theirs = try Authority(in: folder, name: "theirs")
    try ours.issue("member")
    try theirs.issue("stranger")
    let base = try FreePorts.base(span: 30)
    let cluster = try RunningProcess(
      OutsideProgram.needletail,
      [
        "cluster", "up", "--nodes", "2", "--replication", "2", "--port-base", "\(base)", "--data",
        folder.path + "/data",
      ]
        + ["--tls-certificate", ours.path("pem", of: "member"), "--tls-key", ours.path("key", of: "member")]
        + ["--peer-ca", ours.path("pem")])
    try await eventually(seconds: 90, "the cluster is up: \(cluster.output)") {
      guard cluster.isRunning else { throw TestFailure("cluster up ended: \(cluster.output)") }
      return cluster.output.contains("a cluster of 2 nodes is up")
    }
    let server = ["--server", "https://127.0.0.1:\(base)", "--ca-file", ours.path("pem")]
    let status = try RunningProcess.run(OutsideProgram.needletail, ["cluster", "status"] + server)
    #expect(status.status == 0 && status.output.contains("2 of 2 up"), "\(status.output)")
    try operate(server)
    // A member's certificate of another authority, which itself trusts both.
    let both = folder.appending(path: "both.pem")
    try (try Data(contentsOf: URL(filePath: ours.path("pem"))) + Data(contentsOf: URL(filePath: theirs.path("pem"))))
      .write(to: both)
    let stranger = try RunningProcess(
      OutsideProgram.needletail,
      ["serve", "--node", "n3", "--data", folder.path + "/stranger", "--listen", "127.0.0.1:\(base + 20)"]
        + ["--peer-listen", "127.0.0.1:\(base + 21)", "--otlp-http", "off", "--otlp-grpc", "off"]
        + ["--seeds", "127.0.0.1:\(base + 1)", "--set", "peer-ca=\(both.path)"]
        + ["--tls-certificate", theirs.path("pem", of: "stranger"), "--tls-key", theirs.path("key", of: "stranger")])
    try await eventually(seconds: 60, "the member that was called says why: \(stranger.output)") {
      guard stranger.isRunning else { throw TestFailure("serve ended: \(stranger.output)") }
      let log = try String(contentsOfFile: folder.path + "/data/n1/server.log", encoding: .utf8)
      return log.contains("a node that called was refused") && log.contains("common_name=stranger")
        && log.contains("no authority of this node's peer-ca vouches for its certificate")
    }
    let nodes = try RunningProcess.run(OutsideProgram.needletail, ["cluster", "nodes"] + server)
    #expect(nodes.status == 0 && !nodes.output.contains("n3"), "\(nodes.output)")
    stranger.end(SIGKILL)
    #expect(cluster.end() == 0, "\(cluster.output)")
  }

  /// What an operator does with two nodes that write their own metrics all the while.
  private func operate(_ server: [String]) throws {
    func cluster(_ words: String...) throws -> (status: Int32, output: String) {
      try RunningProcess.run(OutsideProgram.needletail, ["cluster"] + words + server)
    }
    let nodes = try cluster("nodes")
    let version = try RunningProcess.run(OutsideProgram.needletail, ["version"]).output.firstMatch(of: /\d+\.\d+\.\d+/)
    let number = try #require(version?.output)
    #expect(nodes.output.split(separator: "\n").count { $0.contains(number) } == 2, "\(nodes.output)")
    let removal = try cluster("remove", "n2", "--dry-run")
    #expect(removal.status == 1 && removal.output.contains("n2 is there"), "\(removal.output)")
    let forced = try cluster("remove", "n2", "--dry-run", "--force")
    #expect(forced.status == 0 && forced.output.contains("would"), "\(forced.output)")
    let many = try cluster("set", "--replication", "9", "--dry-run")
    #expect(many.status == 1 && many.output.contains("up to 2 can be set now"), "\(many.output)")
    let verified = try cluster("verify")
    #expect(verified.status == 0 && verified.output.contains("no difference"), "\(verified.output)")
  }
}
