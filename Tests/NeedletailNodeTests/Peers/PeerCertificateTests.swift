import NIOSSL
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Certificates that nodes show each other", .timeLimit(.minutes(5)))
struct PeerCertificateTests {
  private static let flags = ["peer-listen": "127.0.0.1:0"]

  /// Asks a node for something over TLS; returns why that failed, or nil.
  private static func ask(_ server: RunningServer, _ tls: PeerTLS, host: String = "127.0.0.1") async throws -> String? {
    let port = try #require(server.addresses.peers).port
    let channel = PeerChannel(ListenAddress(host: host, port: port), tls: tls, connectTimeout: .seconds(60))
    let source = RemoteSeriesSource(channel: channel, timeout: .seconds(60))
    let result = await Result { try await source.labelNames(MetadataScope(tenant: .default), limit: 1).elements }
    await channel.close()
    guard case .failure(let error) = result else { return nil }
    return (error as? QueryError)?.message ?? "\(error)"
  }

  private static func tls(
    _ certificate: NodeCertificate, _ authority: CertificateAuthority, _ complaints: PeerComplaints
  ) throws -> PeerTLS {
    let context = try PeerTLS.context(certificate, authorities: try authority.certificates)
    return PeerTLS(complaints: complaints) { context }
  }

  private static func complaints(_ lines: LogLines) -> PeerComplaints {
    PeerComplaints(clock: SystemClock(), logger: lines.logger())
  }

  /// What a caller says whose refusal came too late for it to be read.
  private static let silent = "its log tells why"

  @Test("a node that has peer-ca takes calls of those whose certificates it vouches for alone, and both sides say why")
  func called() async throws {
    let folder = try TemporaryFolder()
    let ours = try CertificateAuthority(in: folder)
    let theirs = try CertificateAuthority(in: folder, name: "stranger")
    let (called, calling) = (LogLines(), LogLines())
    let flags = try ours.settings("server").merging(Self.flags) { $1 }
    let good = try ours.issue("good")
    let refused: [(name: String, certificate: NodeCertificate, says: String, is: String)] = [
      (
        "foreign", try theirs.issue("foreign"), "does not know the authority of this node's tls-certificate",
        "no authority of this node's peer-ca vouches for its certificate"
      ),
      ("expired", try ours.issue("expired", days: -1), "is not valid at this time", "expired on "),
      ("servers", try ours.issue("servers", uses: "serverAuth"), "good for clients and servers", "or not for clients"),
    ]
    try await RunningServer.run(folder: folder, flags: flags, logger: called.logger()) { server async throws -> Void in
      let complaints = Self.complaints(calling)
      let tls = try Self.tls(good, ours, complaints)
      #expect(try await Self.ask(server, tls) == nil)
      #expect(try await Self.ask(server, tls, host: "localhost") == nil)
      for (name, certificate, says, reason) in refused {
        let tls = try Self.tls(certificate, ours, complaints)
        let text = try #require(try await Self.ask(server, tls), "\(name) was let in")
        #expect(text.contains(says) || text.contains(Self.silent), "\(name): \(text)")
        await called.wait(for: ["a node that called was refused", "address=127.0.0.1", reason, "common_name=\(name)"])
      }
      var bare = TLSConfiguration.makeClientConfiguration()
      bare.trustRoots = .file(ours.file)
      let text = try #require(try await Self.ask(server, try PeerTLS(bare, complaints: complaints)), "none was let in")
      #expect(text.contains("it demands a certificate and was shown none") || text.contains(Self.silent), "\(text)")
      await called.wait(for: ["it showed no certificate", "set tls-certificate and tls-key there"])
      let plain = PeerChannel(try #require(server.addresses.peers), connectTimeout: .seconds(60))
      await #expect(throws: PeerError.self) { try await plain.call(.labelNames, [], within: .seconds(60)) }
      await plain.close()
      await called.wait(for: ["it does not speak TLS"])
    }
  }

  @Test("with peer-client-auth off a node shows its certificate and demands none")
  func off() async throws {
    let folder = try TemporaryFolder()
    let ours = try CertificateAuthority(in: folder)
    var flags = try ours.settings("server").merging(Self.flags) { $1 }
    flags["peer-client-auth"] = "off"
    try await RunningServer.run(folder: folder, flags: flags) { server async throws -> Void in
      var bare = TLSConfiguration.makeClientConfiguration()
      bare.trustRoots = .file(ours.file)
      #expect(try await Self.ask(server, try PeerTLS(bare)) == nil)
    }
  }

  @Test("a node that calls says of the other one's certificate whose it is, and what is wrong with it")
  func calling() async throws {
    let folder = try TemporaryFolder()
    let ours = try CertificateAuthority(in: folder)
    let theirs = try CertificateAuthority(in: folder, name: "stranger")
    let own = try ours.issue("own")
    let cases: [(settings: [String: String], says: [String])] = [
      (try theirs.settings("foreign"), ["no authority of this node's peer-ca vouches", "common_name=foreign"]),
      (try ours.settings("expired", days: -1), ["expired on ", "common_name=expired", "renew it there"]),
      (try ours.settings("elsewhere", hosts: "DNS:elsewhere.example"), ["is for another host", "peer-advertise"]),
    ]
    for (settings, says) in cases {
      let lines = LogLines()
      let complaints = Self.complaints(lines)
      let tls = try Self.tls(own, ours, complaints)
      let flags = settings.merging(Self.flags) { $1 }
      try await RunningServer.run(folder: try TemporaryFolder(), flags: flags, logger: LogLines().logger()) {
        server async throws -> Void in
        let text = try #require(try await Self.ask(server, tls), "\(says) was believed")
        for part in says { #expect(text.contains(part), "\(text)") }
        await lines.wait(for: ["a node could not be called", "address=127.0.0.1:"] + says)
        // Once a minute is enough, however often it is tried.
        _ = try await Self.ask(server, tls)
        #expect(lines.all.count == 1 && complaints.count(.caller) > 1, "\(lines.all)")
      }
    }
  }

  @Test("a peer-ca that cannot be read keeps the server from starting, before it touches its data folder")
  func authorities() async throws {
    let folder = try TemporaryFolder()
    var flags = try CertificateAuthority(in: folder).settings("server").merging(Self.flags) { $1 }
    flags["peer-ca"] = folder.path + "/missing"
    do {
      try await RunningServer.run(folder: folder, flags: flags) { _ in }
      Issue.record("it started")
    } catch {
      #expect("\(error)".contains("peer-ca: no certificate can be read from \(folder.path)/missing"), "\(error)")
    }
    #expect(try PosixFileSystem().status(folder.path + "/data") == nil)
  }
}
