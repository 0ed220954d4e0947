import Foundation
import HummingbirdCore
import Logging
import NeedletailEnvironment
import NeedletailSimulation
import Testing

@testable import NeedletailNode

@Suite("Certificates that are renewed while a node runs", .timeLimit(.minutes(5)))
struct NodeCredentialsTests {
  private let folder: TemporaryFolder
  private let ours: CertificateAuthority
  private let theirs: CertificateAuthority

  init() throws {
    folder = try TemporaryFolder()
    ours = try CertificateAuthority(in: folder)
    theirs = try CertificateAuthority(in: folder, name: "stranger")
  }

  /// What a node has that was started with these settings.
  private func credentials(_ settings: [String: String]) throws -> NodeCredentials {
    let flags = settings.merging(["data": folder.path + "/data", "node": "n1", "peer-listen": "127.0.0.1:0"]) { $1 }
    let configuration = try ServerConfiguration.load(flags: flags, environment: [:], file: nil)
    return try #require(try NodeCredentials(configuration, fileSystem: PosixFileSystem()))
  }

  /// Settings with files of their own, to be written over.
  private func place(_ name: String) throws -> [String: String] {
    var place = try ours.settings(name)
    place["peer-ca"] = "\(folder.path)/\(name)-ca.pem"
    try copy(["peer-ca": ours.file], to: place, ["peer-ca"])
    return place
  }

  /// Puts the files of one certificate in the place of another's.
  private func copy(_ settings: [String: String], to place: [String: String], _ keys: [String] = all) throws {
    for key in keys {
      let (from, to) = (try #require(settings[key]), try #require(place[key]))
      try Data(contentsOf: URL(fileURLWithPath: from)).write(to: URL(fileURLWithPath: to))
    }
  }

  private static let all = ["tls-certificate", "tls-key", "peer-ca"]

  /// Whether a node has an answer from an address, over a connection of its own.
  private static func talks(_ calling: NodeCredentials, to address: ListenAddress) async -> Bool {
    let tls = PeerTLS(complaints: nil) { calling.calls ?? calling.clients }
    let channel = PeerChannel(address, tls: tls, connectTimeout: .seconds(60))
    let answer = try? await channel.call(.ledger, [], within: .seconds(60))
    await channel.close()
    return answer == [7]
  }

  /// Runs a port for other nodes.
  private static func run(_ credentials: NodeCredentials, _ body: (ListenAddress) async throws -> Void) async throws {
    let (addresses, listening) = AsyncStream.makeStream(of: ListenAddress.self)
    let listener = HTTPListener(
      address: ListenAddress(host: "127.0.0.1", port: 0), tls: { credentials.peers }, clock: ManualClock(),
      respond: { _, _ in
        Response(
          status: .ok, headers: [.contentType: "application/grpc"],
          body: ResponseBody { writer in _ = try await PeerAnswer.message([7]).write(to: writer) })
      },
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), isForPeers: true,
      onListening: {
        listening.yield($0)
        listening.finish()
      })
    let server = Task { try await listener.run() }
    for await address in addresses {
      let result = await Result { try await body(address) }
      server.cancel()
      _ = await server.result
      try result.get()
    }
  }

  @Test("new connections go by what is in the files then, on both sides, and the expiry is the new one's")
  func renewed() async throws {
    let (place, calling) = (try self.place("server"), try self.place("caller"))
    let (called, caller) = (try credentials(place), try credentials(calling))
    let expiry = try #require(called.expiry)
    try await Self.run(called) { address in
      #expect(await Self.talks(caller, to: address))
      #expect(try called.refresh() == false && caller.refresh() == false)
      try copy(try theirs.settings("renewed", days: 9), to: place)
      // It is not read before it is looked for.
      #expect(await Self.talks(caller, to: address))
      #expect(try called.refresh())
      #expect(try called.refresh() == false)
      #expect(try #require(called.expiry) > expiry)
      #expect(await Self.talks(caller, to: address) == false)
      try copy(try theirs.settings("renewed-caller"), to: calling)
      #expect(try caller.refresh())
      #expect(await Self.talks(caller, to: address))
    }
  }

  @Test("files that do not fit together, or cannot be read, are told of once, and what was there before goes on")
  func broken() async throws {
    let place = try self.place("server")
    let (called, caller) = (try credentials(place), try credentials(try self.place("caller")))
    let (renewed, old) = (try ours.settings("renewed"), try self.place("old"))
    try copy(place, to: old)
    let certificate = try #require(place["tls-certificate"])
    try await Self.run(called) { address in
      // As a program leaves them that writes one file after the other.
      try copy(renewed, to: place, ["tls-certificate"])
      #expect(throws: StartupError.self) { try called.refresh() }
      #expect(try called.refresh() == false)
      #expect(await Self.talks(caller, to: address))
      try copy(renewed, to: place, ["tls-key"])
      #expect(try called.refresh())
      #expect(await Self.talks(caller, to: address))
      try FileManager.default.removeItem(atPath: certificate)
      #expect(throws: StartupError.self) { try called.refresh() }
      #expect(try called.refresh() == false)
      try Data("no certificate".utf8).write(to: URL(fileURLWithPath: certificate))
      #expect(throws: StartupError.self) { try called.refresh() }
      try copy(renewed, to: place, ["tls-certificate"])
      // What is there is what is used.
      #expect(try called.refresh() == false)
      try FileManager.default.removeItem(atPath: certificate)
      #expect(throws: StartupError.self) { try called.refresh() }
      try copy(old, to: place)
      #expect(try called.refresh())
      #expect(await Self.talks(caller, to: address))
    }
  }

  @Test("the watch takes what is new by itself, and tells of what it cannot use")
  func watch() async throws {
    let place = try self.place("server")
    let credentials = try credentials(place)
    let lines = LogLines()
    let executor = ThreadExecutor(threads: 1)
    let watch = Task { await credentials.watch(every: .milliseconds(10), on: executor, lines.logger(.info)) }
    try copy(try ours.settings("renewed"), to: place, ["tls-certificate"])
    await lines.wait(for: ["the certificate that is there now cannot be used", "tls-key"])
    try copy(try ours.settings("again"), to: place, ["tls-certificate", "tls-key"])
    await lines.wait(for: ["the certificate was read anew"])
    watch.cancel()
    await watch.value
    await executor.shutDown()
  }
}
