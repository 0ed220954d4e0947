import ArgumentParser
import Foundation
import NeedletailTestSupport
import Testing

@testable import NeedletailCLI

@Suite("Commands on a cluster")
struct ClusterCommandTests {
  private static let wrong: [([String], String)] = [
    (["cluster", "add"], "<node>"), (["cluster", "drain"], "<node>"), (["cluster", "remove", "a", "b"], "b"),
    (["cluster", "status", "--watch", "--output", "json"], "--watch"),
    (["cluster", "add", "n1", "--watch", "--dry-run"], "--dry-run changes nothing"),
    (["cluster", "drain", "n1", "--watch", "--output", "json"], "--watch"),
    (["cluster", "nodes", "--output", "csv"], "table"),
    (["cluster", "verify", "--within", "soon"], "--within 'soon' is not a duration above zero"),
    (["cluster", "verify", "--rounds", "0"], "--rounds 0 is not between 1 and 100"),
    (["cluster", "ring", "--server", "ftp://x"], "http://127.0.0.1:7070"),
    (["cluster", "set"], "nothing to set"), (["cluster", "set", "n1"], "nothing to set"),
    (["cluster", "set", "--weight", "2"], "name it"), (["cluster", "set", "n1", "--replication", "3"], "name none"),
    (["cluster", "set", "n1", "--weight", "0"], "--weight 0 is no whole number from 1 to"),
    (["cluster", "set", "n1", "--weight", "heavy"], "--weight heavy is no whole number from 1 to"),
    (["cluster", "set", "n1", "--weight", "2.5"], "--weight 2.5 is no whole number"),
    (["cluster", "set", "n1", "--zone", ""], "--no-zone takes it away"),
    (["cluster", "set", "n1", "--zone", "a", "--no-zone"], "--no-zone takes the zone away"),
    (["cluster", "set", "n1", "--zone", "a", "--replication", "3"], "one at a time"),
    (["cluster", "set", "--replication", "16"], "--replication 16 is not between 1 and 15"),
    (["cluster", "set", "--write-quorum", "most"], "--write-quorum most is none of"),
    (["cluster", "set", "--replication", "3", "--write-quorum", "4"], "--write-quorum 4 is none of"),
    (["cluster", "up", "--nodes", "33"], "--nodes 33 is not between 1 and 32"),
    (["cluster", "up", "--port-base", "80"], "--port-base 80 is not between 1024 and 65000"),
    (["cluster", "up", "--replication", "16"], "--replication 16 is not between 1 and 15"),
    (["cluster", "up", "--tls-key", "k", "--peer-ca", "a"], "belong together; give all three or none"),
  ]

  @Test("a wrong command line is refused with a reason, and with whose help tells more", arguments: wrong)
  func refused(arguments: [String], reason: String) {
    #expect {
      _ = try Needletail.parseAsRoot(arguments)
    } throws: { error in
      let text = Needletail.usageComplaint(error, arguments: arguments)
      return Needletail.exitCode(for: error) == .validationFailure
        && (text.contains(reason) || Needletail.fullMessage(for: error).contains(reason))
        && text.hasSuffix("see 'needletail cluster \(arguments[1]) --help'")
    }
  }

  @Test("every command has examples that stand in one line, and those that change something name the dry run")
  func help() {
    let commands = ClusterCommand.configuration.subcommands
    #expect(commands.count == 11)
    for type in commands {
      let lines = type.configuration.discussion.split(separator: "\n", omittingEmptySubsequences: false)
      let help = Needletail.helpMessage(for: type, columns: 80).split(separator: "\n")
      let examples = lines.drop { $0 != "EXAMPLES" }.dropFirst()
      #expect(!examples.isEmpty, "\(type)")
      for line in examples where !line.isEmpty { #expect(help.contains { $0.hasSuffix(line) }, "\(type): \(line)") }
      for example in examples {
        let words = example.split(separator: " ").map(String.init)
        #expect(throws: Never.self, "\(example)") { try Needletail.parseAsRoot(Array(words.dropFirst())) }
      }
    }
    for name in ["add", "drain", "remove", "set", "cancel"] {
      let type = commands.first { $0._commandName == name }
      #expect(type.map { $0.configuration.discussion.contains("Try --dry-run before") } == true, "\(name)")
    }
  }

  @Test("what is to be set reaches the server as parameters")
  func settings() throws {
    for (words, parameters) in [
      (["n1", "--weight", "3", "--zone", "a"], ["node=n1", "weight=3", "zone=a"]),
      (["n1", "--no-zone"], ["node=n1", "zone="]),
      (["--replication", "5", "--write-quorum", "all"], ["replication=5", "write_quorum=all"]),
      (["--write-quorum", "2"], ["write_quorum=2"]),
    ] {
      let command = try #require(try Needletail.parseAsRoot(["cluster", "set"] + words) as? ClusterSetCommand)
      #expect(command.parameters.map { "\($0.0)=\($0.1)" } == parameters)
    }
  }

  @Test("shells complete the commands and their options", arguments: [CompletionShell.bash, .zsh, .fish])
  func completion(shell: CompletionShell) {
    let script = Needletail.completionScript(for: shell)
    for word in ["cluster", "drain", "dry-run", "watch", "replication", "port-base", "write-quorum", "peer-listen"] {
      #expect(script.contains(word), "\(word)")
    }
  }

  @Test("the settings of a member reach the server from their flags")
  func memberFlags() throws {
    let flags = [
      "node": "n1", "role": "storage,query", "peer-listen": "127.0.0.1:1", "seeds": "a:1,b:2", "zone": "z",
      "replication": "2", "write-quorum": "one", "read-quorum": "all",
    ]
    let words = flags.sorted { $0.key < $1.key }.flatMap { ["--\($0.key)", $0.value] }
    let command = try #require(try Needletail.parseAsRoot(["serve"] + words) as? ServeCommand)
    #expect(command.flags == flags)
  }
}

@Suite("Verifying a cluster")
struct ClusterVerificationTests {
  /// A cluster of two nodes that hold slots, with these comparisons waiting, finished, failed and different on each.
  private func state(
    _ exchanges: [(Int, Int, Int, Int)?], unready: [Int?] = [0, 0], status: String = "alive", change: String = "",
    slots: Int = 64
  ) throws -> ClusterState {
    let nodes = exchanges.enumerated().map { index, counts in
      let told = counts.map {
        #","exchanges":{"waiting":\#($0.0),"finished":\#($0.1),"failed":\#($0.2),"different":\#($0.3)}"#
      }
      let rest = (unready[index].map { ",\"unready\":\($0)" } ?? "") + (told ?? "")
      return #"{"name":"n\#(index + 1)","status":"\#(index == 0 ? "alive" : status)","weight":1,"slots":\#(slots),"#
        + #""arriving":0,"leaving":0,"hints":0,"hintBytes":0\#(rest)}"#
    }
    return try ClusterState(
      Array(
        (#"{"data":{"cluster":"c","node":"n1","epoch":1,"slots":64,"replication":2,"writeQuorum":2,"readQuorum":1,"#
          + #""slotsWithoutReadQuorum":0,"slotsWithoutWriteQuorum":0,"nodes":[\#(nodes.joined(separator: ","))]"#
          + change + "}}").utf8), path: "/x")
  }

  @Test("a round is done when as many comparisons are as were asked for, none waits, and all slots are whole")
  func done() throws {
    let verification = ClusterVerification(asked: 10, before: try state([(0, 100, 4, 7), (0, 50, 0, 0)]))
    func standing(_ state: ClusterState) -> ClusterVerification.Standing { verification.standing(state) }
    #expect(standing(try state([(2, 100, 4, 7), (0, 50, 0, 0)])) == .waiting("2 comparisons wait on n1"))
    #expect(standing(try state([(0, 104, 4, 7), (0, 55, 0, 0)])) == .waiting("9 of 10 comparisons are done"))
    #expect(standing(try state([(0, 105, 4, 7), (0, 55, 0, 0)])) == .done(.init()))
    #expect(standing(try state([(0, 104, 6, 8), (0, 55, 0, 1)])) == .done(.init(different: 2, failed: 2)))
    #expect(
      standing(try state([(0, 105, 4, 7), (0, 55, 0, 0)], unready: [0, 3]))
        == .waiting("3 slots are not whole on n2 yet"))
    #expect(
      standing(
        try state([(0, 105, 4, 7), (0, 55, 0, 0)], change: #","change":{"what":"adding n2","slots":4,"filled":1}"#))
        == .waiting("adding n2, 25.0 %, 1 of 4 replicas"))
  }

  @Test("a node that was started anew counts from nothing")
  func restarted() throws {
    let verification = ClusterVerification(asked: 10, before: try state([(0, 100, 4, 7), (0, 50, 0, 0)]))
    #expect(verification.standing(try state([(0, 6, 0, 1), (0, 54, 0, 0)])) == .done(.init(different: 1)))
  }

  @Test("what differs in the hours that are being written, or in descriptions that find no room, is told and no more")
  func settledAlone() throws {
    typealias Found = ClusterVerification.Found
    let text = ClusterAnswer.status.replacing(#""adding n4""#, with: #""x""#)
    let state = try ClusterState(Array(text.utf8), path: "/x")
    let exchanges = try #require(state.nodes[0].exchanges)
    #expect(exchanges.differentDescriptions == 4 && exchanges.differentRecent == 6)
    #expect(state.nodes[0].descriptionsRefused == 5)
    for (found, isVerified, words) in [
      (Found(), true, "no difference: every replica of 64 slots is whole and agrees"),
      (
        Found(recent: 3), true,
        "no difference: every replica of 64 slots is whole and agrees; 3 differed only in the hours that are being "
          + "written, and what was missing there was brought"
      ), (Found(different: 1, recent: 3), false, "1 difference settled, 0 comparisons given up; 3 differed only"),
      (Found(descriptions: 2), false, "2 differences settled, 0 comparisons given up"),
      (
        Found(descriptions: 2, full: ["n2"]), true,
        "no difference: every replica of 64 slots is whole and agrees; 2 differ in descriptions of metrics, for which "
          + "n2 has no room left"
      ), (Found(failed: 1, full: ["n2"]), false, "0 differences settled, 1 comparison given up"),
    ] {
      #expect(found.isVerified == isVerified, "\(found)")
      #expect(found.words(slots: 64).hasPrefix(words), "\(found.words(slots: 64))")
    }
  }

  @Test("where it cannot be told, it is not told: a node that is away, is silent, or nothing to compare")
  func impossible() throws {
    let before = try state([(0, 1, 0, 0), (0, 1, 0, 0)])
    let after = try state([(0, 9, 0, 0), (0, 9, 0, 0)])
    let verification = ClusterVerification(asked: 10, before: before)
    func reason(_ state: ClusterState, asked: Int = 10) -> String? {
      guard case .impossible(let reason) = ClusterVerification(asked: asked, before: before).standing(state) else {
        return nil
      }
      return reason
    }
    #expect(reason(after) == nil && verification.standing(after) == .done(.init()))
    #expect(reason(after, asked: 0) == "the cluster asked for no comparison")
    #expect(
      reason(try state([(0, 9, 0, 0), (0, 9, 0, 0)], status: "dead"))
        == "n2 is dead: what it holds cannot be compared")
    // Nobody is asked to compare with one that is not there: who it is says more.
    #expect(
      reason(try state([(0, 9, 0, 0), (0, 9, 0, 0)], status: "suspect"), asked: 0)
        == "n2 is suspect: what it holds cannot be compared")
    #expect(reason(try state([(0, 9, 0, 0), nil])) == "n2 does not say how far its comparisons are")
    #expect(
      reason(try state([(0, 9, 0, 0), (0, 9, 0, 0)], unready: [0, nil]))
        == "n2 does not say whether its slots are whole")
    #expect(reason(try state([(0, 9, 0, 0), (0, 9, 0, 0)], slots: 0)) == "no node holds a slot")
    #expect(reason(try ClusterState(Array(ClusterAnswer.unformed.utf8), path: "/x")) == "the cluster is not formed yet")
  }
}

@Suite("A cluster on this machine")
struct LocalClusterTests {
  private let cluster = LocalCluster(nodes: 3, portBase: 20_000, folder: "/tmp/it's here", replication: 2)

  @Test("its nodes have ports and folders of their own, and all of them as seeds")
  func arguments() {
    #expect(Set(cluster.ports).count == 12 && cluster.ports.min() == 20_000 && cluster.ports.max() == 20_023)
    #expect(
      cluster.arguments(of: cluster.nodes[1]) == [
        "serve", "--node", "n2", "--data", "/tmp/it's here/n2/data", "--listen", "127.0.0.1:20010", "--peer-listen",
        "127.0.0.1:20011", "--otlp-http", "127.0.0.1:20012", "--otlp-grpc", "127.0.0.1:20013", "--seeds",
        "127.0.0.1:20001,127.0.0.1:20011,127.0.0.1:20021", "--replication", "2",
      ])
    #expect(cluster.commandLine(of: cluster.nodes[0]).contains(#"--data '/tmp/it'\''s here/n1/data' --listen"#))
    #expect(throws: Never.self) { try Needletail.parseAsRoot(cluster.arguments(of: cluster.nodes[2])) }
  }

  @Test("with certificates its nodes speak TLS with each other and with clients")
  func certificates() throws {
    let files = LocalCluster.Certificates(certificate: "c.pem", key: "k.pem", authority: "a.pem")
    let secure = LocalCluster(nodes: 2, portBase: 20_000, folder: "/x", replication: 2, certificates: files)
    let arguments = secure.arguments(of: secure.nodes[0])
    #expect(
      arguments.suffix(6) == ["--tls-certificate", "c.pem", "--tls-key", "k.pem", "--set", "peer-ca=a.pem"])
    #expect(secure.url(of: secure.nodes[1]) == "https://127.0.0.1:20010")
    #expect(cluster.url(of: cluster.nodes[1]) == "http://127.0.0.1:20010")
    #expect(throws: Never.self) { try Needletail.parseAsRoot(arguments) }
  }

  @Test("the largest that is let in has ports that there are")
  func largest() {
    let most = LocalCluster.nodesMax
    #expect(throws: Never.self) {
      try Needletail.parseAsRoot(["cluster", "up", "--nodes", "\(most)", "--port-base", "65000"])
    }
    let cluster = LocalCluster(nodes: most, portBase: 65_000, folder: "/x", replication: 3)
    #expect(cluster.ports.allSatisfy { (1...65_535).contains($0) } && Set(cluster.ports).count == 4 * most)
  }

  @Test("its folder is absolute, whatever was given")
  func folder() {
    let here = FileManager.default.currentDirectoryPath
    for given in ["a", "./a", "a/", "b/../a", here + "/a//"] {
      #expect(ClusterUpCommand.path(of: URL(filePath: given)) == here + "/a", "\(given)")
    }
  }

  /// What a node tells where all see the nodes of these names up.
  private func state(_ names: [String], cluster: String = "c", slots: Int = 64, unread: Int = 0) throws -> ClusterState
  {
    let nodes = names.map {
      #"{"name":"\#($0)","status":"alive","weight":1,"slots":9,"arriving":0,"leaving":0,"hints":0,"hintBytes":0}"#
    }
    return try ClusterState(
      Array(
        (#"{"data":{"cluster":"\#(cluster)","node":"n1","epoch":1,"slots":\#(slots),"replication":2,"writeQuorum":2,"#
          + #""readQuorum":1,"slotsWithoutReadQuorum":\#(unread),"slotsWithoutWriteQuorum":0,"#
          + #""nodes":[\#(nodes.joined(separator: ","))]}}"#).utf8), path: "/x")
  }

  @Test("it is formed when all its nodes agree on one cluster, see each other, and every slot can be read and written")
  func formed() throws {
    let all = try state(["n1", "n2", "n3"])
    #expect(cluster.shortcoming([all, all, all]) == nil)
    #expect(cluster.shortcoming([all, nil, all]) == "n2 does not tell of a cluster")
    #expect(cluster.shortcoming([all, all, try state(["n1", "n3"])]) == "n3 does not see n2")
    #expect(
      cluster.shortcoming([all, try state(["n1", "n2", "n3"], cluster: "d"), all])
        == "n2 belongs to another cluster than n1")
    #expect(
      cluster.shortcoming([try ClusterState(Array(ClusterAnswer.unformed.utf8), path: "/x"), all, all])
        == "n1 belongs to no cluster yet")
    for bad in [try state(["n1", "n2", "n3"], slots: 0), try state(["n1", "n2", "n3"], unread: 1)] {
      #expect(cluster.shortcoming([all, all, bad]) == "n3 sees slots that cannot be read or written")
    }
  }
}
