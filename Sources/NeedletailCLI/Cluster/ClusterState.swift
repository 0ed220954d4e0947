import NeedletailDashboard

/// A cluster, as one of its nodes tells of it.
struct ClusterState: Equatable {
  struct Node: Equatable {
    var name: String
    var address: String
    var status: String
    var roles: [String]
    var zone: String?
    var weight: Int
    var version: String
    var slots: Int
    var arriving: Int
    var leaving: Int
    /// Nil where the node did not say.
    var unready: Int?
    var hints: Int
    var hintBytes: Int
    /// Descriptions of metrics for which it had no room.
    var descriptionsRefused: Int
    /// Nil where the node did not say.
    var exchanges: Exchanges?

    /// Whether it is for good no part of the cluster any more.
    var isGone: Bool { status == "left" || status == "removed" }
    var isUp: Bool { status == "alive" }
    /// Whether it holds slots, or is to.
    var holdsSlots: Bool { slots > 0 || arriving > 0 }
    /// Whether it could hold slots and has none: it was drained, or not added yet.
    var isSpare: Bool { isUp && roles.contains("storage") && !holdsSlots && leaving == 0 }
  }

  /// The comparisons of replicas that a node leads.
  struct Exchanges: Equatable {
    var waiting: Int
    var finished: Int
    var failed: Int
    /// Those that found a difference in what has settled.
    var different: Int
    /// Those that found none there, but one in descriptions, or one in what is being written.
    var differentDescriptions: Int
    var differentRecent: Int
  }

  struct Change: Equatable {
    var what: String
    var slots: Int
    var filled: Int

    /// 0 to 1.
    var fraction: Double { slots == 0 ? 1 : min(1, Double(filled) / Double(slots)) }
  }

  /// Nil as long as the node belongs to none.
  var cluster: String?
  var node: String
  var epoch: String
  var slots: Int
  var replication: Int
  var writeQuorum: Int
  var readQuorum: Int
  var slotsWithoutReadQuorum: Int
  var slotsWithoutWriteQuorum: Int
  var nodes: [Node]
  var change: Change?
  var warnings: [String]
  /// That of them which is about etcd.
  var etcd: String?

  /// Those that have not left for good.
  var members: [Node] { nodes.filter { !$0.isGone } }

  /// Reads the answer of a server.
  ///
  /// Throws ``APIFailure/malformed`` for another shape.
  init(_ body: [UInt8], path: String) throws {
    let answer = try Answers.parse(body, path)
    guard let data = answer["data"], case .array(let nodes)? = data["nodes"], let node = data["node"]?.string else {
      throw APIFailure.malformed(path: path, reason: "no data.node and data.nodes")
    }
    func count(_ json: JSON, _ key: String) throws -> Int {
      guard let count = Self.count(json[key]) else { throw APIFailure.malformed(path: path, reason: "no \(key)") }
      return count
    }
    cluster = data["cluster"]?.string
    self.node = node
    epoch = data["epoch"]?.text ?? "0"
    slots = try count(data, "slots")
    replication = try count(data, "replication")
    writeQuorum = try count(data, "writeQuorum")
    readQuorum = try count(data, "readQuorum")
    slotsWithoutReadQuorum = try count(data, "slotsWithoutReadQuorum")
    slotsWithoutWriteQuorum = try count(data, "slotsWithoutWriteQuorum")
    self.nodes = try nodes.map { json in
      guard let name = json["name"]?.string, let status = json["status"]?.string else {
        throw APIFailure.malformed(path: path, reason: "a node without name and status")
      }
      return Node(
        name: name, address: json["address"]?.string ?? "", status: status,
        roles: (json["roles"]?.array ?? []).compactMap(\.string), zone: json["zone"]?.string,
        weight: try count(json, "weight"), version: json["version"]?.string ?? "", slots: try count(json, "slots"),
        arriving: try count(json, "arriving"), leaving: try count(json, "leaving"),
        unready: Self.count(json["unready"]), hints: try count(json, "hints"), hintBytes: try count(json, "hintBytes"),
        descriptionsRefused: Self.count(json["descriptionsRefused"]) ?? 0,
        exchanges: try json["exchanges"].map {
          Exchanges(
            waiting: try count($0, "waiting"), finished: try count($0, "finished"), failed: try count($0, "failed"),
            different: try count($0, "different"),
            // Earlier programs tell of all differences alike.
            differentDescriptions: Self.count($0["differentDescriptions"]) ?? 0,
            differentRecent: Self.count($0["differentRecent"]) ?? 0)
        })
    }
    change = try data["change"].map {
      Change(what: $0["what"]?.string ?? "", slots: try count($0, "slots"), filled: try count($0, "filled"))
    }
    warnings = Answers.warnings(answer)
    etcd = data["etcd"]?.string
  }

  /// A count, so large at most that some of all nodes can be added up.
  static func count(_ json: JSON?) -> Int? {
    json?.integer.map { Int(clamping: min(max(0, $0), 1 << 40)) }
  }
}
