import ArgumentParser
import NeedletailTerminal
import NeedletailTestSupport
import Testing

@testable import NeedletailCLI

@Suite("The doctor")
struct DoctorTests {
  private static let now = 1_700_000_000

  private func ledger(_ text: String = LedgerAnswer.cluster) throws -> LedgerState { try LedgerState(Array(text.utf8)) }

  private func cluster(_ text: String = ClusterAnswer.status) throws -> ClusterState {
    try ClusterState(Array(text.utf8), path: "/x")
  }

  private func diagnosis() throws -> Diagnosis {
    Diagnosis(
      cluster: try cluster(), ledger: try ledger(),
      senders: [SenderLoss(job: "shop/cart", noun: "span", reason: "queue_full", count: 12)], now: Self.now)
  }

  /// A node alone to which something happened.
  private func codes(_ change: (inout LedgerState.Member) -> Void) throws -> [String] {
    var ledger = try ledger(LedgerAnswer.healthy)
    change(&ledger.members[0])
    return Diagnosis(cluster: nil, ledger: ledger, now: Self.now).findings.map(\.code)
  }

  @Test("finds a node healthy to which nothing happened")
  func healthy() throws {
    let report = DoctorReport(Diagnosis(cluster: nil, ledger: try ledger(LedgerAnswer.healthy), now: Self.now))
    #expect(report.findings.isEmpty && report.isHealthy)
    try expectGolden(report.lines(columns: nil).map { $0.string + "\n" }.joined(), "doctor-healthy")
  }

  @Test("names what was dropped, where, why and what to do, the worst first")
  func findings() throws {
    let report = DoctorReport(try diagnosis())
    #expect(!report.isHealthy)
    try expectGolden(report.lines(columns: nil).map { $0.string + "\n" }.joined(), "doctor")
    try expectGolden(report.json.serialized + "\n", "doctor-json")
    let severities = report.findings.map(\.severity)
    #expect(severities == severities.sorted())
    let codes = Set(report.findings.map(\.code))
    let expected: Set = [
      "node_away", "no_quorum", "slots_not_whole", "change_under_way", "cluster", "disk_nearly_full", "clock_skew",
      "lost", "quarantine_not_empty", "sync_failed", "certificate_expires", "hints_waiting", "hints_given_up",
      "copies_missed", "refused", "limited", "requests_refused", "books_do_not_balance", "dropped_by_sender",
    ]
    #expect(codes == expected, "\(codes.symmetricDifference(expected))")
    for finding in report.findings where finding.severity != .note {
      #expect(finding.remedy != nil, "\(finding)")
    }
  }

  @Test("says that etcd is away, which is more than a remark")
  func etcd() throws {
    var state = try cluster(ClusterAnswer.status)
    state.etcd = "etcd does not answer (http://127.0.0.1:2379: connection refused)"
    state.warnings.append(state.etcd ?? "")
    let found = Diagnosis(cluster: state, ledger: try ledger(), now: Self.now).findings
    #expect(found.filter { $0.what == state.etcd }.map(\.code) == ["etcd"])
    #expect(found.first { $0.code == "etcd" }?.severity == .warning)
  }

  @Test("takes other settings than those that were agreed on for no reason to act")
  func settings() throws {
    var state = try cluster()
    state.nodes.removeAll { !$0.isUp || ($0.unready ?? 0) > 0 }
    (state.change, state.slotsWithoutWriteQuorum) = (nil, 0)
    state.warnings = ["n1 was started with weight 1, no zone; what the cluster agreed on counts: weight 2, no zone"]
    let report = DoctorReport(
      Diagnosis(cluster: state, ledger: try ledger(LedgerAnswer.healthy), now: Self.now))
    #expect(report.isHealthy && report.findings.map(\.code) == ["cluster"])
  }

  @Test("adds the books of all members up by signal")
  func totals() throws {
    let totals = DoctorReport(try diagnosis()).totals
    let metrics = DoctorReport.Total(
      signal: "metrics", received: 1_000, acknowledged: 900, refused: 30, failed: 60, underWay: 10)
    #expect(totals.map(\.signal) == ["metrics", "traces", "logs"] && totals[0] == metrics)
  }

  @Test("knows each thing that may be wrong with a node by itself")
  func single() throws {
    #expect(try codes { _ in } == [])
    for (fact, value, code) in [
      ("log_refusing", 1, "log_refusing"), ("maintenance_failures", 2, "maintenance_failed"),
      ("damaged_parts", 1, "damaged"), ("damaged_reads", 1, "damaged"),
      ("quarantine_entries", 1, "quarantine_not_empty"),
      ("repair_stores_failed", 1, "repair_failed"), ("tls_failures_called", 3, "tls_failed"),
      ("disk_free_bytes", 100, "disk_nearly_full"), ("messages_dropped", 5, "messages_dropped"),
      ("certificate_expires_seconds", Self.now + 13 * 86_400, "certificate_expires"),
      ("certificate_expires_seconds", Self.now - 1, "certificate_expired"), ("losses", 1, "lost"),
    ] { #expect(try codes { $0.facts[fact] = value } == [code], "\(fact)") }
    #expect(try codes { $0.facts["certificate_expires_seconds"] = Self.now + 15 * 86_400 } == [])
    // Half full is not nearly full, and a gibibyte beside terabytes is.
    #expect(try codes { $0.facts.merge(["disk_free_bytes": 2 << 30, "stored_bytes": 2 << 30]) { $1 } } == [])
    #expect(
      try codes { $0.facts.merge(["disk_free_bytes": 2 << 30, "stored_bytes": 2 << 40]) { $1 } } == ["disk_nearly_full"]
    )
    // What the way there and back took is not known of the clock.
    for (offset, trip, isFound) in [(900, 0, false), (1_500, 0, true), (-1_500, 0, true), (1_500, 2_000, false)] {
      let found = try codes { ($0.clockOffset, $0.roundTrip) = (offset, trip) }
      #expect(found == (isFound ? ["clock_skew"] : []), "\(offset) \(trip)")
    }
  }

  @Test("tells limits and what was shed from what senders have to correct")
  func limits() throws {
    var ledger = try ledger()
    ledger.members[0].accounts[0].refused = ["series_limit": 1, "shed": 2, "missing_name": 3]
    ledger.members[0].accounts[0].failed = ["shed": 4]
    let found = Diagnosis(cluster: nil, ledger: ledger, now: Self.now).accounts(ledger.members[0])
    #expect(found.prefix(4).map(\.code) == ["refused", "limited", "shed", "shed"], "\(found)")
    #expect(found[1].remedy?.contains("tenant-series-max") == true && found[3].what.hasPrefix("4 of 1000 samples"))
  }

  @Test("sends nobody to other replicas where there are none")
  func oneReplica() throws {
    var ledger = try ledger(LedgerAnswer.healthy)
    ledger.members[0].facts = ["damaged_parts": 1, "losses": 1]
    var state = try cluster()
    for (count, isElsewhere) in [(3, true), (1, false)] {
      state.replication = count
      let found = Diagnosis(cluster: state, ledger: ledger, now: Self.now).findings
        .filter { ["damaged", "lost"].contains($0.code) }
      #expect(found.count == 2)
      for finding in found {
        #expect(finding.remedy?.hasPrefix("the other replicas bring it back") == isElsewhere, "\(finding)")
      }
    }
  }

  @Test("does not tell of hints that nobody misses")
  func hints() throws {
    let hints = LedgerState.Hints(node: "n2", waiting: 0, waitingBytes: 0, givenUp: [:])
    for (reason, found) in [("removed", []), ("superseded", []), ("refused", ["hints_given_up"])] {
      let told = try codes {
        $0.hints = [hints]
        $0.hints[0].givenUp[reason] = 3
      }
      #expect(told == found, "\(reason)")
    }
  }

  @Test("takes what is on its way for no reason to act")
  func notes() throws {
    let note = Finding(severity: .note, code: "x", node: nil, what: "x")
    let warning = Finding(severity: .warning, code: "x", node: nil, what: "x")
    #expect(Diagnosis.isHealthy([note]) && Diagnosis.isHealthy([]) && !Diagnosis.isHealthy([note, warning]))
  }

  @Test("reads what SDKs say that they dropped")
  func senders() throws {
    let answer =
      #"{"status":"success","data":{"resultType":"vector","result":["#
      + #"{"metric":{"__name__":"otel_sdk_processor_span_processed_total","job":"b","error_type":"queue_full"},"value":[1,"3"]},"#
      + #"{"metric":{"__name__":"otel_sdk_exporter_metric_data_point_exported_total","job":"a","error_type":"refused"},"#
      + #""value":[1,"7"]},{"metric":{"__name__":"other"},"value":[1,"7"]},{"metric":{},"value":[1,"NaN"]}]}}"#
    #expect(
      try SenderLoss.all(Array(answer.utf8), path: "/x") == [
        SenderLoss(job: "a", noun: "metric_data_point", reason: "refused", count: 7),
        SenderLoss(job: "b", noun: "span", reason: "queue_full", count: 3),
      ])
  }

  @Test("does not take numbers beyond all measure for a reason to end, nor an answer of another shape")
  func hostile() throws {
    let huge = LedgerAnswer.cluster.split(separator: "1000", omittingEmptySubsequences: false)
      .joined(separator: "9223372036854775807")
    let report = DoctorReport(
      Diagnosis(cluster: try cluster(), ledger: try ledger(String(huge)), now: Self.now))
    _ = (report.totals, report.json.serialized, report.lines(columns: 80))
    for text in ["{}", #"{"data":{"members":[{}]}}"#, #"{"data":{"members":7}}"#] {
      #expect(throws: APIFailure.self) { try ledger(text) }
    }
  }

  @Test("is asked with --server or --url, and for JSON with --output or --format")
  func options() throws {
    let command = try #require(
      try Needletail.parseAsRoot(["doctor", "--url", "http://x:1", "--format", "json"]) as? DoctorCommand)
    #expect(command.url == "http://x:1" && command.output == .json)
    let other = try #require(
      try Needletail.parseAsRoot(["doctor", "--server", "http://x:1", "--output", "json"]) as? DoctorCommand)
    #expect(other.connection.server == "http://x:1" && other.output == .json)
    #expect(throws: (any Error).self) { try Needletail.parseAsRoot(["doctor", "--url", "ftp://x"]) }
  }
}
