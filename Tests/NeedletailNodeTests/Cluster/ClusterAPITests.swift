import HTTPTypes
import HummingbirdCore
import NIOCore
import NeedletailEnvironment
import NeedletailTestSupport
import Testing

@testable import NeedletailNode

@Suite("The cluster's API")
struct ClusterAPITests {
  /// Notes what it is asked for, and answers what a test wants.
  private final class Control: ClusterControl {
    private let state = Lock(State())

    struct State {
      var changes: [(change: ClusterChange, isDryRun: Bool)] = []
      var repairs: [String?] = []
      var error: ClusterControlError?
      var status = Control.fixed
    }

    var changes: [(change: ClusterChange, isDryRun: Bool)] { state.withLock { $0.changes } }
    var repairs: [String?] { state.withLock { $0.repairs } }

    func fail(_ error: ClusterControlError?) { state.withLock { $0.error = error } }
    func tell(_ status: ClusterStatus) { state.withLock { $0.status = status } }

    func status() async -> ClusterStatus { state.withLock { $0.status } }

    func ring() async -> [(replicas: [String], next: [String]?)] {
      [(["n1", "n2"], nil), (["n2", "n1"], nil), (["n2", "n3"], ["n2", "n4"]), ([], nil)]
    }

    func change(_ change: ClusterChange, isDryRun: Bool) async throws -> ClusterPlan {
      try state.withLock { state in
        state.changes.append((change, isDryRun))
        if let error = state.error { throw error }
      }
      return ClusterPlan(
        epoch: 8,
        moves: [
          .init(from: "n1", to: "n4", slots: 256), .init(from: "n2", to: "n4", slots: 1),
          .init(from: nil, to: "n4", slots: 10), .init(from: "n3", to: nil, slots: 4),
        ], compared: 12, warnings: ["n3 is dead: what it holds alone is not moved"])
    }

    func repair(node: String?) async throws -> Int {
      try state.withLock { state in
        state.repairs.append(node)
        if let error = state.error { throw error }
      }
      return 42
    }

    static let fixed: ClusterStatus = {
      func node(
        _ number: Int, _ name: String, _ address: String, _ status: String, _ roles: [String], _ zone: String?,
        weight: UInt32, version: String = "0.1.0", slots: Int, arriving: Int = 0, leaving: Int = 0,
        unready: Int? = nil, hints: Int = 0, exchanges: ClusterStatus.Exchanges? = nil
      ) -> ClusterStatus.Node {
        .init(
          name: name, identity: "\(number)\(number)", address: address, status: status, roles: roles, zone: zone,
          weight: weight, version: version, slots: slots, arriving: arriving, leaving: leaving, unready: unready,
          hints: hints, hintBytes: hints > 0 ? 3 << 20 : 0, descriptionsRefused: exchanges == nil ? nil : 5,
          exchanges: exchanges)
      }
      let all = ["collector", "storage", "query"]
      return ClusterStatus(
        cluster: "00c0ffee00c0ffee00c0ffee00c0ffee", node: "n1", epoch: 7, slots: 1024, replication: 3, writeQuorum: 2,
        readQuorum: 2,
        nodes: [
          node(
            1, "n1", "127.0.0.1:17071", "alive", all, "west", weight: 4, slots: 1024, leaving: 256, unready: 0,
            exchanges: .init(
              waiting: 3, finished: 90, failed: 1, different: 2, differentDescriptions: 4, differentRecent: 6)),
          node(2, "n2", "127.0.0.1:17081", "alive", all, "east", weight: 4, slots: 1024, leaving: 256, unready: 12),
          node(3, "n3", "127.0.0.1:17091", "dead", ["storage"], nil, weight: 4, slots: 1024, leaving: 188, hints: 120),
          node(
            4, "n4", "[fd00::4]:17101", "alive", ["storage"], "east", weight: 2, version: "0.2.0", slots: 0,
            arriving: 700, unready: 476),
          node(5, "q1", "127.0.0.1:17111", "left", ["query"], nil, weight: 1, slots: 0),
        ], change: .init(what: "adding n4", slots: 700, filled: 224), slotsWithoutReadQuorum: 0,
        slotsWithoutWriteQuorum: 12, warnings: ["n3 was not heard of for 2 m: its slots have one replica less"])
    }()
  }

  private final class Collecting: ResponseBodyWriter {
    let bytes = Lock<[UInt8]>([])

    func write(_ buffer: ByteBuffer) async throws { bytes.withLock { $0 += buffer.readableBytesView } }
    func finish(_ trailingHeaders: HTTPFields?) async throws {}
  }

  /// What is answered to a request for a path below `/needletail/v1/cluster/`.
  private func ask(
    _ path: String, _ control: Control?, form: String = ""
  ) async throws -> (status: Int, text: String, retryAfter: String?) {
    let whole = "/needletail/v1/cluster/" + path
    guard case .needletail(.cluster(let route))? = Route(path: whole.prefix { $0 != "?" }) else {
      return (404, "", nil)
    }
    let head = HTTPRequest(
      method: route.methods == ["POST"] ? .post : .get, scheme: nil, authority: nil, path: whole,
      headerFields: form.isEmpty ? [:] : [.contentType: "application/x-www-form-urlencoded"])
    let request = Request(head: head, body: RequestBody(buffer: ByteBuffer(string: form)))
    let response = try await ClusterAPI(cluster: control).respond(to: route, request)
    let writer = Collecting()
    try await response.body.write(writer)
    let retryAfter = response.headers.first { $0.name.canonicalName == "retry-after" }?.value
    return (response.status.code, String(decoding: writer.bytes.withLock { $0 }, as: UTF8.self), retryAfter)
  }

  @Test("a status is told in full, and so is that of a node which belongs to no cluster yet")
  func status() async throws {
    let control = Control()
    #expect(try await ask("status", control).text == ClusterAnswer.status)
    control.tell(
      ClusterStatus(
        cluster: nil, node: "n1", epoch: 0, slots: 0, replication: 3, writeQuorum: 2, readQuorum: 2, nodes: [],
        change: nil, slotsWithoutReadQuorum: 0, slotsWithoutWriteQuorum: 0, warnings: []))
    #expect(try await ask("status", control).text == ClusterAnswer.unformed)
  }

  @Test("the ring tells of every slot who holds it and who will")
  func ring() async throws {
    #expect(try await ask("ring", Control()).text == ClusterAnswer.ring)
  }

  @Test("a change reaches the cluster by its name, also from a form, and tells what it moves")
  func changes() async throws {
    let control = Control()
    #expect(try await ask("add?node=n4&dry_run=true", control).text == ClusterAnswer.plan)
    #expect(try await ask("drain?node=n1", control).text.contains(#""dryRun":false"#))
    #expect(try await ask("remove", control, form: "node=n3&dry_run=false").status == 200)
    #expect(try await ask("cancel?dry_run=1", control).status == 200)
    #expect(try await ask("remove?node=n3&force=true", control).status == 200)
    #expect(
      control.changes.map(\.change) == [
        .add("n4"), .drain("n1"), .remove("n3", isForced: false), .cancel, .remove("n3", isForced: true),
      ])
    #expect(control.changes.map(\.isDryRun) == [true, false, false, true, false])
  }

  @Test("a weight and a zone are set of one node, and how many hold and write of all")
  func settings() async throws {
    let control = Control()
    #expect(try await ask("set?node=n1&weight=4&dry_run=true", control).text == ClusterAnswer.plan)
    #expect(try await ask("set", control, form: "node=n2&zone=east&weight=1").status == 200)
    #expect(try await ask("set?node=n2&zone=", control).status == 200)
    #expect(try await ask("set?replication=5&write_quorum=quorum", control).status == 200)
    #expect(try await ask("set?write_quorum=2", control).status == 200)
    #expect(try await ask("set?replication=1", control).status == 200)
    #expect(
      control.changes.map(\.change) == [
        .place("n1", weight: 4, zone: nil), .place("n2", weight: 1, zone: .named("east")),
        .place("n2", weight: nil, zone: ClusterChange.NewZone.none),
        .replicate(count: 5, quorum: .level(.quorum)), .replicate(count: nil, quorum: .count(2)),
        .replicate(count: 1, quorum: nil),
      ])
    #expect(control.changes.map(\.isDryRun) == [true, false, false, false, false, false])
  }

  @Test("what sets nothing, or what cannot be, is refused with what may be")
  func wrongSettings() async throws {
    let control = Control()
    let long = String(repeating: "z", count: 129)
    for (path, reason) in [
      ("set", "nothing to set"), ("set?node=n1", "nothing to set for the node"), ("set?weight=2", "say which"),
      ("set?zone=a", "say which"), ("set?replication=3&zone=a", "say which"),
      ("set?node=n1&replication=3", "leave node out"), ("set?node=n1&weight=2&write_quorum=one", "leave node out"),
      ("set?node=n1&weight=0", "from 1 to 4294967295"), ("set?node=n1&weight=4294967296", "from 1 to 4294967295"),
      ("set?node=n1&weight=two", "from 1 to 4294967295"), ("set?node=n1&zone=a%20b", "printable ASCII"),
      ("set?node=n1&zone=\(long)", "printable ASCII"), ("set?replication=0", "from 1 to 15"),
      ("set?replication=16", "from 1 to 15"), ("set?write_quorum=most", "one, quorum, all or a number"),
      ("set?write_quorum=0", "one, quorum, all or a number"), ("set?write_quorum=16", "one, quorum, all or a number"),
    ] {
      let answer = try await ask(path, control)
      #expect(answer.status == 400 && answer.text.contains(#""errorType":"bad_data""#), "\(path): \(answer.text)")
      #expect(answer.text.contains(reason), "\(path): \(answer.text)")
    }
    #expect(try await ask("set?node=n9&weight=2", control).status == 404)
    #expect(control.changes.isEmpty)
  }

  @Test("a repair is of all nodes or of one, and tells how many exchanges were asked for")
  func repairs() async throws {
    let control = Control()
    #expect(try await ask("repair", control).text == ClusterAnswer.repair)
    #expect(try await ask("repair?node=n2", control).text == ClusterAnswer.repair)
    #expect(control.repairs == [nil, "n2"])
  }

  @Test("a node that nobody has heard of, none and one that no node may be are refused before anything is done")
  func unknownNodes() async throws {
    let control = Control()
    for path in ["add?node=n9", "drain?node=n9", "remove?node=N1", "repair?node=n9"] {
      let answer = try await ask(path, control)
      #expect(answer.status == 404 && answer.text.contains(#""errorType":"not_found""#), "\(path): \(answer.text)")
      #expect(answer.text.contains("those of the cluster are n1, n2, n3, n4, q1"), "\(path): \(answer.text)")
    }
    let long = String(repeating: "n", count: 129)
    for path in [
      "add", "drain?node=", "remove?dry_run=true", "add?node=a%20b", "repair?node=%C3%B6", "drain?node=\(long)",
      "add?node=n4&dry_run=maybe",
    ] {
      let answer = try await ask(path, control)
      #expect(answer.status == 400 && answer.text.contains(#""errorType":"bad_data""#), "\(path): \(answer.text)")
    }
    #expect(control.changes.isEmpty && control.repairs.isEmpty)
  }

  @Test("what the cluster refuses is a conflict, and what it cannot do now is told to be asked again")
  func refusals() async throws {
    let control = Control()
    for path in ["add?node=n4", "cancel", "repair"] {
      control.fail(ClusterControlError(description: "another change is under way: wait, or cancel it"))
      let refused = try await ask(path, control)
      #expect(refused.status == 409 && refused.retryAfter == nil)
      #expect(
        refused.text
          == #"{"status":"error","errorType":"conflict","error":"another change is under way: wait, or cancel it"}"#)
      control.fail(ClusterControlError(description: "no node answers", isTemporary: true))
      let later = try await ask(path, control)
      #expect(later.status == 503 && later.retryAfter == "5")
      #expect(later.text == #"{"status":"error","errorType":"unavailable","error":"no node answers"}"#)
    }
  }

  @Test("a node that belongs to no cluster says so, and how it would")
  func noCluster() async throws {
    for path in ["status", "ring", "add?node=a", "cancel", "repair"] {
      let answer = try await ask(path, nil)
      #expect(answer.status == 404 && answer.text.contains("start it with --node NAME"), "\(path): \(answer.text)")
    }
  }

  @Test("status and ring are asked for, the others are posted, and there is nothing else")
  func methods() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let base = "/needletail/v1/cluster/"
      for path in ["status", "ring"] {
        #expect(try await server.get(base + path).text.contains("belongs to no cluster"))
        let posted = try await server.request("POST", base + path, body: [])
        #expect(posted.status == 405 && posted.headers["allow"] == "GET")
      }
      for path in ["add?node=a", "drain?node=a", "remove?node=a", "set?node=a", "cancel", "repair"] {
        #expect(try await server.get(base + path).status == 405)
        #expect(try await server.request("POST", base + path, body: []).text.contains("belongs to no cluster"))
      }
      for path in ["", "Status", "nodes", "add/a"] { #expect(try await server.get(base + path).status == 404) }
    }
  }
}
