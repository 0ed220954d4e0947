import NeedletailEnvironment
import NeedletailOTLP
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailWire
import Testing

@testable import NeedletailCollector

@Suite("The ledger of what comes in")
struct IngestLedgerTests {
  /// Requests of all kinds, with what is in each.
  private struct Requests {
    var generator: SeededGenerator
    private var time = 1_000

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &generator) == 0 }

    /// A body of OTLP as JSON, and how many items an SDK that made it would say that it sent.
    mutating func metrics() -> (body: String, items: Int) {
      var points: [String] = []
      for _ in 0..<Int.random(in: 0...6, using: &generator) {
        // Now and then one that was there already: a change that comes twice is refused.
        if !chance(4) { time += 1 }
        points.append(#"{"timeUnixNano":"\#(time)000000","asInt":"1"}"#)
      }
      let kind = chance(2) ? "\"gauge\":{" : "\"sum\":{\"aggregationTemporality\":1,\"isMonotonic\":true,"
      let name = chance(8) ? "" : "m"
      let json =
        #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"\#(name)",\#(kind)"dataPoints":["#
        + points.joined(separator: ",") + "]}}]}]}]}"
      return (json, points.count)
    }

    mutating func logs() -> (body: String, items: Int) {
      let records = (0..<Int.random(in: 0...6, using: &generator)).map { _ in
        time += 1
        return #"{"timeUnixNano":"\#(chance(5) ? "18446744073709551615" : "\(time)")","body":{"stringValue":"x"}}"#
      }
      return (
        #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[\#(records.joined(separator: ","))]}]}]}"#, records.count
      )
    }
  }

  private static let errors: [SinkError?] = [
    nil, nil, .overloaded(retryAfterSeconds: 1), .unavailable(reason: "down"), .refused(reason: "never"),
    .outOfRetention(reason: "old"),
  ]

  @Test("balances whatever comes and whatever becomes of it, and has read as many items as were sent")
  func balances() async {
    for seed in 0..<200 as Range<UInt64> {
      let (store, clock) = (Store(), ManualClock())
      var requests = Requests(seed: seed)
      var limits = IngestLimits()
      if requests.chance(4) { limits.bytesInFlightMax = 3_000 }
      let rates = requests.chance(4) ? TenantRates(samples: 4, logRecords: 4) : TenantRates()
      let receiver = Receiver(limits: limits, sink: store, clock: clock, rates: rates)
      if requests.chance(3) { store.keep(1_010...1_100) }
      var sent: [OTLPSignal: Int] = [:]
      for _ in 0..<30 {
        let signal: OTLPSignal = requests.chance(3) ? .logs : .metrics
        let (body, items) = signal == .logs ? requests.logs() : requests.metrics()
        let isGarbage = requests.chance(10)
        let failures = (0..<3).map { _ in Self.errors.randomElement(using: &requests.generator) ?? nil }
        store.failNext(failures)
        store.failure = signal == .logs ? failures[0] : nil
        let outcome = await receiver.otlp(
          signal,
          ReceiveRequest(
            tenant: .default, contentType: "application/json", body: Array((isGarbage ? "{" + body : body).utf8)))
        // Of a body that is not read, for want of memory or sense, nobody knows what is in it.
        let isRead = !isGarbage && outcome.received > 0
        if isRead { sent[signal, default: 0] += items }
        if !isGarbage, outcome.failure == nil { #expect(outcome.received == items, "seed \(seed)") }
        store.failure = nil
        if requests.chance(3) { clock.advance(nanoseconds: 1_000_000_000) }
      }
      for signal in [OTLPSignal.metrics, .logs] {
        let books = receiver.ledger[signal]
        #expect(books.balance == 0 && books.underWay == 0, "seed \(seed): \(books)")
        #expect(books.requestsBalance == 0 && books.requestsUnderWay == 0, "seed \(seed): \(books)")
        #expect(books.received == sent[signal] ?? 0, "seed \(seed): \(books)")
      }
    }
  }

  @Test("counts what is under way until its sender is told, and tells when an outcome does not add up")
  func underWay() {
    let ledger = IngestLedger()
    let key = ledger.open(.logs, of: .default, bytes: 100)
    ledger.read(10, key)
    #expect(ledger[.logs].underWay == 10 && ledger[.logs].requestsUnderWay == 1 && ledger[.logs].balance == 0)
    var outcome = ReceiveOutcome()
    outcome.received = 10
    outcome.accepted = 7
    outcome.rejections.add(.invalidTimestamp, count: 2, detail: "")
    ledger.close(key, outcome)
    #expect(ledger[.logs].balance == 1 && ledger[.logs].underWay == 0 && ledger[.logs].requestsBalance == 0)
    #expect(ledger[.logs].acknowledged == 7 && ledger[.logs].refused == ["invalid_timestamp": 2])
  }

  @Test("has what a request that is refused for good had in it as refused, and what is to come again as failed")
  func kinds() {
    let ledger = IngestLedger()
    let cases: [(ReceiveOutcome.Failure, isFinal: Bool)] = [
      (.tooLarge(""), true), (.rateLimited("", retryAfterSeconds: 1), false),
      (.overloaded(retryAfterSeconds: 1), false), (.unavailable(""), false),
    ]
    for (failure, isFinal) in cases {
      let key = ledger.open(.traces, of: .default, bytes: 1)
      ledger.read(3, key)
      var outcome = ReceiveOutcome(failure: failure)
      outcome.received = 3
      outcome.dropped = 3
      ledger.close(key, outcome)
      let books = ledger[.traces]
      #expect((isFinal ? books.refused : books.failed)[failure.name] == 3 && books.balance == 0)
    }
    ledger.turnedAway(.traces, of: .default, reason: "too_slow")
    let books = ledger[.traces]
    #expect(books.requests == 5 && books.requestsFailed["too_slow"] == 1 && books.requestsBalance == 0)
    ledger.enter(4, .metrics, of: .default, failure: nil)
    ledger.enter(2, .metrics, of: .default, failure: .unavailable(reason: "down"))
    #expect(ledger[.metrics].acknowledged == 4 && ledger[.metrics].failed == ["unavailable": 2])
    #expect(ledger[.metrics].balance == 0)
  }

  @Test("keeps books for so many tenants, and one for all others together")
  func tenants() throws {
    let ledger = IngestLedger()
    for number in 0..<(IngestLedger.tenantsMax + 20) {
      let tenant = try #require(TenantID("tenant-\(number)"))
      ledger.enter(1, .logs, of: tenant, failure: nil)
    }
    let accounts = ledger.accounts
    #expect(accounts.count == IngestLedger.tenantsMax + 1)
    #expect(accounts.last?.key.tenant == nil && accounts.last?.account.acknowledged == 20)
    #expect(ledger[.logs].acknowledged == IngestLedger.tenantsMax + 20)
    #expect(
      accounts.dropLast().map { "\($0.key.tenant?.description ?? "")" }
        == accounts.dropLast()
        .map { "\($0.key.tenant?.description ?? "")" }.sorted())
  }
}
