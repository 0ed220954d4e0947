import Foundation
import NeedletailProcesses
import NeedletailSimulation
import Testing

@testable import NeedletailNode

/// Nodes in this process with a real etcd (.ci/peers).
@Suite("A cluster that has a real etcd decide", .serialized, .enabled(if: OutsideProgram.isExpected("etcd")))
struct EtcdClusterTests {
  private static let prefix = "/test/needletail/"

  private static func flags(_ name: String, _ etcd: EtcdPeer?, _ more: [String: String] = [:]) -> [String: String] {
    var flags = ["node": name, "peer-listen": "127.0.0.1:0"]
    if let etcd { flags.merge(["etcd": etcd.url, "etcd-prefix": prefix]) { $1 } }
    return flags.merging(more) { $1 }
  }

  /// Runs so many members of a cluster, each with a folder and flags, and hands them over in their order.
  private static func run(
    _ members: [(TemporaryFolder, [String: String])], started: [RunningServer] = [],
    _ body: @escaping @Sendable ([RunningServer]) async throws -> Void
  ) async throws {
    guard let first = members.first else { return try await body(started) }
    let rest = Array(members.dropFirst())
    try await RunningServer.run(folder: first.0, flags: first.1) { server in
      try await run(rest, started: started + [server], body)
    }
  }

  private static func status(_ server: RunningServer) async throws -> [String: Any] {
    try await server.json("/needletail/v1/cluster/status")["data"] as? [String: Any] ?? [:]
  }

  private static func warnings(_ server: RunningServer) async throws -> [String] {
    try await server.json("/needletail/v1/cluster/status")["warnings"] as? [String] ?? []
  }

  private static func epoch(_ server: RunningServer) async throws -> Int {
    (try await status(server)["epoch"] as? NSNumber)?.intValue ?? 0
  }

  /// Waits until all know the same cluster, with so many that hold slots and no change under way; returns its epoch.
  @discardableResult
  private static func settled(_ servers: [RunningServer], holders: Int) async throws -> Int {
    let last = LastSeen()
    try await eventually(seconds: 600, "\(holders) nodes hold slots: \(last.text)") {
      var epochs: Set<Int> = []
      for server in servers {
        let status = try await status(server)
        last.text = "\(status)"
        let nodes = (status["nodes"] as? [[String: Any]] ?? []).filter { ($0["slots"] as? NSNumber)?.intValue ?? 0 > 0 }
        guard nodes.count == holders, !(status["change"] is [String: Any]) else { return false }
        epochs.insert((status["epoch"] as? NSNumber)?.intValue ?? 0)
      }
      return epochs.count == 1 && epochs != [0]
    }
    return try await epoch(servers[0])
  }

  private final class LastSeen { var text = "" }

  private static func change(_ server: RunningServer, _ what: String) async throws -> (status: Int, text: String) {
    let answer = try await server.request("POST", "/needletail/v1/cluster/" + what, body: [])
    return (answer.status, answer.text)
  }

  private static func write(_ server: RunningServer, _ value: Double) async throws -> Int {
    let series = TestSeries(labels: [("__name__", "m")], samples: [(time, value)])
    return try await server.remoteWrite([series]).status
  }

  private static let time = SystemTime.milliseconds

  @Test(
    "members without seeds found a cluster in etcd; of two changes at once one is made; etcd may go away and come back")
  func life() async throws {
    let etcd = try await EtcdPeer()
    defer { etcd.end() }
    // What others left there.
    try await etcd.put(Self.prefix + "members/x", "{\"node\":\"y\"}")
    let folders = try (0..<4).map { _ in try TemporaryFolder() }
    let members = ["n1", "n2", "n3"].enumerated().map { (folders[$0.offset], Self.flags($0.element, etcd)) }
    try await Self.run(members) { servers in
      try await Self.settled(servers, holders: 3)
      #expect(try await etcd.keys(Self.prefix + "topology/") == ["0000000000000001"])
      // A member that had no time to renew its lease is gone until it has.
      try await eventually(seconds: 60, "all members are registered, and nobody else's key is touched") {
        try await etcd.keys(Self.prefix + "members/") == ["n1", "n2", "n3", "x"]
      }
      #expect(try await Self.write(servers[0], 1) < 300)
      try await Self.run([(folders[3], Self.flags("n4", etcd))], started: servers) { all in
        try await Self.changeBothWays(all)
        try await Self.loseEtcd(all, etcd)
      }
    }
  }

  private static func changeBothWays(_ all: [RunningServer]) async throws {
    try await eventually(seconds: 60, "n4 is known everywhere") {
      for server in all {
        guard try await (status(server)["nodes"] as? [Any])?.count == 4 else { return false }
      }
      return try await epoch(all[3]) == 1
    }
    // As long as its name is new the others do not take it.
    try await eventually(seconds: 60, "n4 may be added") {
      try await change(all[0], "add?node=n4&dry_run=true").status == 200
    }
    async let one = change(all[0], "add?node=n4")
    async let other = change(all[1], "set?node=n2&weight=2")
    let answers = try await [one, other]
    #expect(answers.count { $0.status == 200 } == 1, "\(answers)")
    if answers[0].status == 200 {
      try await settled(all, holders: 4)
    } else {
      try await settled(all, holders: 3)
      #expect(try await change(all[0], "add?node=n4").status == 200)
      try await settled(all, holders: 4)
    }
  }

  private static func loseEtcd(_ all: [RunningServer], _ etcd: EtcdPeer) async throws {
    etcd.kill()
    let before = try await epoch(all[0])
    let refused = try await change(all[0], "drain?node=n4")
    #expect(refused.status == 503 && refused.text.contains("etcd, where changes of this cluster are decided, does not"))
    for server in all {
      #expect(try await write(server, 1) < 300)
      #expect(try await server.instant("m", at: time) == ["": "1"])
    }
    try await eventually(seconds: 60, "it is told that etcd is away") {
      let warnings = try await warnings(all[0])
      return warnings.contains { $0.hasPrefix("etcd does not answer (http://127.0.0.1") }
    }
    #expect(try await all[0].get("/metrics").text.contains("\nneedletail_cluster_etcd_up 0\n"))
    #expect(try await epoch(all[0]) == before)
    try await etcd.start()
    try await eventually(seconds: 120, "a change is made again") {
      try await change(all[1], "drain?node=n4").status == 200
    }
    #expect(try await settled(all, holders: 3) > before)
    for server in all.prefix(3) { #expect(try await server.instant("m", at: time) == ["": "1"]) }
    try await eventually(seconds: 60, "it is told that etcd is back") {
      try await !warnings(all[0]).contains { $0.hasPrefix("etcd does not answer") }
    }
    #expect(try await all[0].get("/metrics").text.contains("\nneedletail_cluster_etcd_up 1\n"))
    #expect(try await etcd.keys(prefix + "topology/").count <= 8)
  }

  // MARK: What is refused

  private static func startupProblem(_ folder: TemporaryFolder, _ flags: [String: String]) async -> String {
    do {
      try await RunningServer.run(folder: folder, flags: flags) { _ in try await Task.sleep(for: .seconds(30)) }
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test(
    "a member without etcd of a cluster that etcd decides for does not start, nor one with it of a cluster that votes")
  func mismatch() async throws {
    let etcd = try await EtcdPeer()
    defer { etcd.end() }
    let (decided, voting) = (try TemporaryFolder(), try TemporaryFolder())
    let one = ["replication": "1"]
    try await Self.run([(decided, Self.flags("n1", etcd, one)), (voting, Self.flags("v1", nil, one))]) { servers in
      for server in servers { try await Self.settled([server], holders: 1) }
      // One that hears of a cluster that decides otherwise ends as well.
      let nodes = try await Self.status(servers[1])["nodes"] as? [[String: Any]]
      let seed = nodes?.first?["address"] as? String ?? ""
      let other = Self.flags("n9", etcd, ["seeds": seed, "etcd-prefix": "/empty/"])
      let heard = await Self.startupProblem(try TemporaryFolder(), other)
      #expect(heard.contains("hears of its cluster from v1") && heard.contains("without --etcd"), "\(heard)")
    }
    let without = await Self.startupProblem(decided, Self.flags("n1", nil, one))
    #expect(without.contains("is decided in etcd") && without.contains("the same --etcd and etcd-prefix"), "\(without)")
    let with = await Self.startupProblem(voting, Self.flags("v1", etcd, one))
    #expect(with.contains("members of this node's cluster vote") && with.contains("without --etcd"), "\(with)")
  }

  @Test("a prefix that is another cluster's, or empty, decides nothing for a cluster; its member goes on without")
  func foreign() async throws {
    let etcd = try await EtcdPeer()
    defer { etcd.end() }
    let (first, second) = (try TemporaryFolder(), try TemporaryFolder())
    let one = ["replication": "1"]
    let members = [
      (first, Self.flags("n1", etcd, one)),
      (second, Self.flags("o1", etcd, one.merging(["etcd-prefix": "/other/"]) { $1 })),
    ]
    try await Self.run(members) { servers in for server in servers { try await Self.settled([server], holders: 1) } }
    for (prefix, problem) in [("/other/", "belong to the cluster "), ("/nowhere/", "etcd has no decision")] {
      let flags = Self.flags("n1", etcd, one.merging(["etcd-prefix": prefix]) { $1 })
      try await Self.run([(first, flags)]) { servers in
        try await eventually(seconds: 60, "it is told: \(problem)") {
          try await Self.warnings(servers[0]).contains { $0.contains(problem) }
        }
        let refused = try await Self.change(servers[0], "set?node=n1&weight=2")
        #expect(refused.status == 503 && refused.text.contains("etcd-prefix"), "\(refused)")
        #expect(try await Self.write(servers[0], 1) < 300)
      }
      try await etcd.delete(prefix + "members/n1")
    }
  }

  @Test("a user and a password are shown to an etcd that asks for them, also when its token is over")
  func user() async throws {
    let etcd = try await EtcdPeer()
    defer { etcd.end() }
    let (folder, secrets) = (try TemporaryFolder(), try TemporaryFolder())
    try await etcd.ask("/v3/auth/user/add", ["name": "root", "password": "secret"])
    try await etcd.ask("/v3/auth/role/add", ["name": "root"])
    try await etcd.ask("/v3/auth/user/grant", ["user": "root", "role": "root"])
    try await etcd.ask("/v3/auth/enable", [:])
    try "secret\n".write(toFile: secrets.path + "/good", atomically: true, encoding: .utf8)
    try "wrong\n".write(toFile: secrets.path + "/bad", atomically: true, encoding: .utf8)
    let flags = Self.flags("n1", etcd, ["replication": "1", "etcd-user": "root"])
    let (good, bad) = (secrets.path + "/good", secrets.path + "/bad")
    try await Self.run([(try TemporaryFolder(), flags.merging(["etcd-password-file": bad]) { $1 })]) { servers in
      try await eventually(seconds: 60, "the wrong password is told of") {
        try await Self.warnings(servers[0]).contains {
          $0.contains("does not let root in")
        }
      }
    }
    try await Self.run([(folder, flags.merging(["etcd-password-file": good]) { $1 })]) { servers in
      try await Self.settled(servers, holders: 1)
      // A new run of etcd does not know the tokens of the one before.
      etcd.kill()
      try await etcd.start()
      try await eventually(seconds: 60, "a change is made") {
        try await Self.change(servers[0], "set?node=n1&weight=2").status == 200
      }
      try await Self.settled(servers, holders: 1)
    }
    let missing = await Self.startupProblem(folder, flags.merging(["etcd-password-file": "/nowhere"]) { $1 })
    #expect(missing.contains("etcd-password-file cannot be read"), "\(missing)")
  }
}
