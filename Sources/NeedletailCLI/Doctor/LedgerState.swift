/// The ledgers of all members of a cluster, or of a node alone, as a server tells them.
struct LedgerState: Equatable {
  /// The books of one tenant and signal on one node.
  struct Account: Equatable {
    /// Nil for all tenants beyond those that have books of their own.
    var tenant: String?
    var signal: String
    var received: Int
    var acknowledged: Int
    var underWay: Int
    /// 0 where the books are right.
    var balance: Int
    var refused: [String: Int]
    var failed: [String: Int]
    var requestsBalance: Int
    /// Requests that ended as a whole, by reason.
    var requestsFailed: [String: Int]
  }

  /// The copies of rows that one node had to bring to replicas.
  struct Copies: Equatable {
    var tenant: String?
    var signal: String
    var wanted: Int
    var stored: Int
    var hinted: Int
    var missed: Int
    var removed: Int
    var failed: Int
    var underWay: Int
    var balance: Int
  }

  /// The hints that one node keeps for another.
  struct Hints: Equatable {
    var node: String
    var waiting: Int
    var waitingBytes: Int
    var givenUp: [String: Int]
  }

  struct Member: Equatable {
    /// Empty for a node that belongs to no cluster.
    var node: String
    /// Since when it counts, in ms since 1970.
    var started: Int
    /// How much later its clock is than that of the node that was asked, known to half of `roundTrip`; in ms.
    var clockOffset: Int
    var roundTrip: Int
    var accounts: [Account]
    var copies: [Copies]
    var hints: [Hints]
    var facts: [String: Int]
    var remarks: [String]

    /// How it is called among findings; nil where there is only one.
    var name: String? { node.isEmpty ? nil : node }
  }

  /// A member that is known and told nothing.
  struct Silent: Equatable {
    var node: String
    var reason: String
  }

  var members: [Member]
  var silent: [Silent]

  static let path = "/needletail/v1/ledger"

  /// Reads the answer of a server.
  ///
  /// Throws ``APIFailure/malformed`` for another shape.
  init(_ body: [UInt8], path: String = Self.path) throws {
    let data = try Answers.parse(body, path)["data"]
    guard case .array(let members)? = data?["members"] else {
      throw APIFailure.malformed(path: path, reason: "no data.members")
    }
    self.members = try members.map { json in
      guard let node = json["node"]?.string else { throw APIFailure.malformed(path: path, reason: "no node") }
      return Member(
        node: node, started: Self.number(json, "startedMilliseconds"),
        clockOffset: Self.number(json, "clockOffsetMilliseconds"),
        roundTrip: Self.number(json, "roundTripMilliseconds"),
        accounts: (json["accounts"]?.array ?? []).map { Account($0) },
        copies: (json["copies"]?.array ?? []).map { Copies($0) },
        hints: (json["hints"]?.array ?? []).map { Hints($0) }, facts: Self.counts(json["facts"]),
        remarks: (json["remarks"]?.array ?? []).compactMap(\.string))
    }
    silent = (data?["silent"]?.array ?? []).compactMap { json in
      json["node"]?.string.map { Silent(node: $0, reason: json["reason"]?.string ?? "") }
    }
  }

  /// A whole number that can be added up with many others; 0 where there is none.
  static func number(_ json: JSON?, _ key: String) -> Int {
    let limit = Int64(1) << 52
    return (json?[key]?.integer).map { Int(clamping: min(max($0, -limit), limit)) } ?? 0
  }

  static func counts(_ json: JSON?) -> [String: Int] {
    (json?.object ?? [:]).keys.reduce(into: [:]) { $0[$1] = number(json, $1) }
  }
}

extension LedgerState.Account {
  fileprivate init(_ json: JSON) {
    let (items, requests) = (json["items"], json["requests"])
    self.init(
      tenant: json["tenant"]?.string, signal: json["signal"]?.string ?? "",
      received: LedgerState.number(items, "received"), acknowledged: LedgerState.number(items, "acknowledged"),
      underWay: LedgerState.number(items, "underWay"), balance: LedgerState.number(items, "balance"),
      refused: LedgerState.counts(items?["refused"]), failed: LedgerState.counts(items?["failed"]),
      requestsBalance: LedgerState.number(requests, "balance"),
      requestsFailed: LedgerState.counts(requests?["failed"]))
  }
}

extension LedgerState.Copies {
  fileprivate init(_ json: JSON) {
    func number(_ key: String) -> Int { LedgerState.number(json, key) }
    self.init(
      tenant: json["tenant"]?.string, signal: json["signal"]?.string ?? "", wanted: number("wanted"),
      stored: number("stored"), hinted: number("hinted"), missed: number("missed"), removed: number("removed"),
      failed: number("failed"), underWay: number("underWay"), balance: number("balance"))
  }
}

extension LedgerState.Hints {
  fileprivate init(_ json: JSON) {
    self.init(
      node: json["node"]?.string ?? "", waiting: LedgerState.number(json, "waiting"),
      waitingBytes: LedgerState.number(json, "waitingBytes"), givenUp: LedgerState.counts(json["givenUp"]))
  }
}
