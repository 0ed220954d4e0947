import NeedletailCollector
import NeedletailEnvironment
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailNode

@Suite("The ledger of a node")
struct NodeLedgerTests {
  /// One with something in every place.
  private static func ledger(_ generator: inout SeededGenerator) -> NodeLedger {
    func number() -> Int { Int.random(in: 0...(1 << Int.random(in: 0...40, using: &generator)), using: &generator) }
    func counts() -> [String: Int] {
      var counts: [String: Int] = [:]
      for index in 0..<Int.random(in: 0...4, using: &generator) { counts["reason_\(index)"] = number() }
      return counts
    }
    var ledger = NodeLedger(node: "n1", now: .random(in: .min ... .max, using: &generator), started: -5)
    for index in 0..<Int.random(in: 0...4, using: &generator) {
      var account = LedgerAccount()
      (account.requests, account.bytes, account.requestsAcknowledged) = (number(), number(), number())
      (account.requestsUnderWay, account.received, account.acknowledged) = (number(), number(), number())
      account.underWay = -number()
      (account.requestsFailed, account.refused, account.failed, account.leftOut) = (
        counts(), counts(), counts(), counts()
      )
      ledger.accounts.append(.init(tenant: index == 0 ? nil : "t\(index)", signal: "logs", account: account))
      var copies = CopyLedger.Account()
      (copies.wanted, copies.stored, copies.hinted, copies.missed) = (number(), number(), number(), number())
      (copies.removed, copies.failed, copies.underWay) = (number(), number(), number())
      ledger.copies.append(.init(tenant: "t", signal: "traces", account: copies))
      ledger.hints.append(
        .init(
          node: "n\(index)", waiting: number(), waitingBytes: number(), left: number(), stored: number(),
          delivered: number(), failures: number(), givenUp: counts()))
    }
    ledger.facts = counts()
    ledger.remarks = ["something was lost"]
    return ledger
  }

  @Test("is read back as it was written")
  func roundTrip() throws {
    for seed in 0..<100 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let ledger = Self.ledger(&generator)
      #expect(try NodeLedger(decoding: ledger.encoded) == ledger, "seed \(seed)")
    }
  }

  @Test("that is cut, longer or mutated is refused or read, and ends nothing")
  func mutated() throws {
    for seed in 0..<300 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let bytes = Self.ledger(&generator).encoded
      for count in 0..<bytes.count {
        #expect(throws: MalformedBytes.self, "seed \(seed)") { try NodeLedger(decoding: Array(bytes.prefix(count))) }
      }
      #expect(throws: MalformedBytes.self) { try NodeLedger(decoding: bytes + [0]) }
      for _ in 0..<50 {
        var changed = bytes
        for _ in 0...Int.random(in: 0...3, using: &generator) {
          let index = Int.random(in: 0..<changed.count, using: &generator)
          changed[index] = .random(in: .min ... .max, using: &generator)
        }
        guard let read = try? NodeLedger(decoding: changed) else { continue }
        // What was read can be added up.
        var sum = LedgerAccount()
        for account in read.accounts {
          sum.add(account.account)
          _ = account.account.balance &+ account.account.requestsBalance
        }
        for copies in read.copies { _ = copies.account.balance }
      }
    }
  }

  @Test("of many tenants with long names fits into a message, and says so where it had to be cut")
  func largest() throws {
    var ledger = NodeLedger(node: "n1", now: 0, started: 0)
    for number in 0..<2_000 {
      var account = LedgerAccount()
      for reason in 0..<60 { account.refused[String(repeating: "r", count: 40) + "\(reason)"] = 1 << 40 }
      ledger.accounts.append(
        .init(tenant: String(repeating: "t", count: 150) + "\(number)", signal: "metrics", account: account))
    }
    let bytes = ledger.encoded
    #expect(bytes.count <= NodeLedger.bytesMax)
    let read = try NodeLedger(decoding: bytes)
    #expect(read.accounts.count < 2_000 && read.remarks.first?.contains("too long for a message") == true)
  }

  /// What `LedgerAnswer.cluster` says.
  private static var told: [LedgerService.Told] {
    var metrics = LedgerAccount()
    (metrics.requests, metrics.bytes, metrics.requestsAcknowledged, metrics.requestsUnderWay) = (12, 3_456, 8, 1)
    metrics.requestsFailed = ["rate_limited": 2, "too_slow": 1]
    (metrics.received, metrics.acknowledged, metrics.underWay) = (1_000, 900, 10)
    (metrics.refused, metrics.failed, metrics.leftOut) = (
      ["out_of_retention": 30], ["rate_limited": 60], ["missing_name": 1]
    )
    var logs = LedgerAccount()
    (logs.requests, logs.bytes, logs.requestsAcknowledged, logs.received, logs.acknowledged) = (1, 10, 1, 5, 4)
    var copies = CopyLedger.Account()
    (copies.wanted, copies.stored, copies.hinted, copies.missed) = (2_700, 2_500, 150, 50)
    var first = NodeLedger(node: "n1", now: 1_700_000_000_000_000_000, started: 1_699_999_000_000_000_000)
    first.accounts = [
      .init(tenant: "default", signal: "metrics", account: metrics), .init(tenant: nil, signal: "logs", account: logs),
    ]
    first.copies = [.init(tenant: "default", signal: "metrics", account: copies)]
    first.hints = [
      .init(
        node: "n3", waiting: 7, waitingBytes: 2_048, left: 1, stored: 9, delivered: 1, failures: 4,
        givenUp: ["too_old": 2])
    ]
    first.facts = [
      "certificate_expires_seconds": 1_700_500_000, "disk_free_bytes": 100_000_000, "log_files_given_up": 1,
      "quarantine_entries": 2, "stored_bytes": 5_000_000_000,
    ]
    var second = NodeLedger(node: "n2", now: 1_700_000_005_000_000_000, started: 1_699_999_000_000_000_000)
    second.facts = ["disk_free_bytes": 90_000_000_000, "losses": 1, "stored_bytes": 1_000]
    second.remarks = ["records 5 to 9 of the log"]
    return [
      LedgerService.Told(ledger: first),
      LedgerService.Told(ledger: second, clockOffset: 5_000_000_000, roundTrip: 4_000_000),
    ]
  }

  @Test("is told as the command line reads it")
  func answer() async throws {
    let silent = [LedgerService.Silent(node: "n3", reason: "cannot be reached: connection refused")]
    #expect(try await BodyText.of(LedgerAPI.response(Self.told, silent)) == LedgerAnswer.cluster)
  }

  @Test("is told as JSON by the server, with what was sent, refused and turned away, and balances")
  func server() async throws {
    let now = SystemTime.milliseconds
    try await RunningServer.run(folder: try TemporaryFolder(), flags: ["body-bytes-max": "8KiB"]) {
      server async throws -> Void in
      #expect(
        try await server.remoteWrite([
          TestSeries(labels: [("__name__", "x")], samples: [(now, 1), (now - 1, 1)]),
          TestSeries(labels: [("__name__", "y")], samples: [(1_000, 1)]),
        ]).status == 400)
      // What is all too new is told apart from what is too old.
      #expect(
        try await server.remoteWrite([
          TestSeries(labels: [("__name__", "z")], samples: [(now + 3_600_000, 1)])
        ]).status == 400)
      let large = try await server.request(
        "POST", "/v1/logs", headers: ["Content-Type": "application/json"], body: Array(repeating: 32, count: 9_000))
      #expect(large.status == 413)
      for scope in ["", "?scope=node", "?scope=cluster"] {
        let answer = try await server.json("/needletail/v1/ledger" + scope)
        let data = try #require(answer["data"] as? [String: Any])
        let member = try #require((data["members"] as? [[String: Any]])?.first)
        #expect((data["silent"] as? [Any])?.isEmpty == true && member["node"] as? String == "")
        let accounts = try #require(member["accounts"] as? [[String: Any]])
        let metrics = try #require(accounts.first { $0["signal"] as? String == "metrics" })
        let items = try #require(metrics["items"] as? [String: Any])
        #expect(items["received"] as? Int == 4 && items["acknowledged"] as? Int == 2, "\(items)")
        #expect(items["refused"] as? [String: Int] == ["out_of_retention": 1, "too_far_in_future": 1], "\(items)")
        #expect(items["balance"] as? Int == 0, "\(items)")
        let logs = try #require(accounts.first { $0["signal"] as? String == "logs" }?["requests"] as? [String: Any])
        #expect(logs["failed"] as? [String: Int] == ["too_large": 1] && logs["balance"] as? Int == 0, "\(logs)")
        let facts = try #require(member["facts"] as? [String: Int])
        #expect(facts["rows_stored_metrics"] == 2 && facts["quarantine_entries"] == 0 && facts["log_refusing"] == 0)
        #expect((facts["disk_free_bytes"] ?? 0) > 0, "\(facts)")
      }
      #expect(try await server.get("/needletail/v1/ledger?scope=all").status == 400)
      let text = try await server.get("/metrics").text
      for line in [
        #"needletail_ingest_received_total{signal="metrics",tenant="default"} 4"#,
        #"needletail_ingest_rejected_total{signal="metrics",tenant="default",reason="out_of_retention"} 1"#,
        #"needletail_ingest_rejected_total{signal="metrics",tenant="default",reason="too_far_in_future"} 1"#,
        #"needletail_ingest_under_way{signal="metrics",tenant="default"} 0"#, "needletail_quarantine_entries 0",
        "needletail_log_files_given_up_total 0", "needletail_disk_free_bytes ",
      ] { #expect(text.contains(line), "\(line) is not in \(text)") }
    }
  }
}
