import NeedletailEnvironment
import NeedletailOTLP
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailCollector

@Suite("How much a tenant may send")
struct TenantLimiterTests {
  private static let second: Int64 = 1_000_000_000
  private let tenants: (TenantID, TenantID)

  init() throws { tenants = (try #require(TenantID("a")), try #require(TenantID("b"))) }

  @Test("over any time a tenant sends its rate, what may come at once, and one request at the most")
  func rate() {
    for seed in 1...50 as ClosedRange<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let rate = Int.random(in: 1...1000, using: &generator)
      let limiter = TenantLimiter(TenantRates(samples: rate))
      var (now, taken, largest) = (Int64(0), 0, 0)
      for _ in 0..<500 {
        now += Int64.random(in: 0...Self.second, using: &generator)
        let amount = Int.random(in: 1...3 * rate, using: &generator)
        do throws(TenantLimiter.Refusal) {
          try limiter.admit(amount, .samples, of: tenants.0, now: now)
          taken += amount
          largest = max(largest, amount)
        } catch {
          #expect(error.measure == .samples && error.rate == rate && error.retryAfterSeconds >= 1, "seed \(seed)")
          // Whoever comes again when it was told to is taken.
          now += Int64(error.retryAfterSeconds) * Self.second
          #expect(throws: Never.self, "seed \(seed)") { try limiter.admit(1, .samples, of: tenants.0, now: now) }
          taken += 1
        }
      }
      let allowed = Double(rate) * (Double(now) / 1e9 + 5) + Double(largest) + 1
      #expect(Double(taken) <= allowed, "seed \(seed)")
    }
  }

  @Test("one tenant that sends too much, or too much of one signal, keeps nobody else back")
  func apart() throws {
    let limiter = TenantLimiter(TenantRates(samples: 10, spans: 10))
    try limiter.admit(1000, .samples, of: tenants.0, now: 0)
    #expect(throws: TenantLimiter.Refusal.self) { try limiter.admit(1, .samples, of: tenants.0, now: 0) }
    try limiter.admit(10, .samples, of: tenants.1, now: 0)
    try limiter.admit(10, .spans, of: tenants.0, now: 0)
    // What has no rate has no limit.
    for _ in 0..<10 { try limiter.admit(.max, .logRecords, of: tenants.0, now: 0) }
  }

  @Test("nodes that share a rate let an equal part of it through each, however many they are at the moment")
  func shared() throws {
    for nodes in [1, 3, 10] {
      let limiters = (0..<nodes).map { _ in TenantLimiter(TenantRates(samples: 300), sharers: { nodes }) }
      var taken = 0
      for step in 0..<20_000 {
        let now = Int64(step) * (Self.second / 200)
        for limiter in limiters {
          guard (try? limiter.admit(5, .samples, of: tenants.0, now: now)) != nil else { continue }
          taken += 5
        }
      }
      // A hundred seconds, what may come at once, and one request on each.
      let allowed = 30_000...(31_500 + 10 * nodes)
      #expect(allowed.contains(taken), "\(nodes) nodes take \(taken)")
    }
    let count = Lock(4)
    let limiter = TenantLimiter(TenantRates(samples: 100), sharers: { count.withLock { $0 } })
    try limiter.admit(200, .samples, of: tenants.0, now: 0)
    let refusal = #expect(throws: TenantLimiter.Refusal.self) { try limiter.admit(1, .samples, of: tenants.0, now: 0) }
    #expect(refusal == .init(measure: .samples, rate: 100, nodes: 4, retryAfterSeconds: 4))
    // Others went away: the whole rate is this node's.
    count.withLock { $0 = 1 }
    try limiter.admit(100, .samples, of: tenants.0, now: 4 * Self.second)
    try limiter.admit(.max, .samples, of: tenants.1, now: 0)
    count.withLock { $0 = .max }
    try limiter.admit(.max, .samples, of: tenants.1, now: .max)
  }

  @Test("tenants without end take no memory without end")
  func manyTenants() throws {
    let limiter = TenantLimiter(TenantRates(samples: 10))
    for number in 0..<(6 * TenantLimiter.tenantsMax) {
      guard let tenant = TenantID("t\(number)") else { continue }
      try limiter.admit(1000, .samples, of: tenant, now: 0)
    }
    #expect(limiter.count <= TenantLimiter.tenantsMax * TenantMeasure.allCases.count)
  }

  @Test("a request beyond the rate is told when to come again, counted as dropped, and stored when it comes then")
  func requests() async {
    let (store, clock) = (Store(), ManualClock())
    let receiver = Receiver(sink: store, clock: clock, rates: TenantRates(logRecords: 2))
    func send(_ count: Int, time: Int) async -> ReceiveOutcome {
      let records = (0..<count).map { "{\"timeUnixNano\":\"\(time + $0)\",\"body\":{\"stringValue\":\"x\"}}" }
      let json = "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[\(records.joined(separator: ","))]}]}]}"
      return await receiver.otlp(
        .logs, ReceiveRequest(tenant: .default, contentType: "application/json", body: Array(json.utf8)))
    }
    #expect(await send(11, time: 1).failure == nil)
    let refused = await send(1, time: 100)
    #expect(refused.otlpStatus == 429 && refused.remoteWriteStatus == 503 && refused.retryAfterSeconds == 1)
    #expect(refused.message == "tenant default sends more than the 2 log records a second that it may")
    #expect(receiver.ledger[.logs].failed == ["rate_limited": 1] && store.eventCount == 11)
    clock.advance(nanoseconds: 2 * Self.second)
    #expect(await send(1, time: 100).failure == nil)
    let sharing = Receiver(sink: store, clock: clock, rates: TenantRates(bytes: 1), sharers: { 2 })
    let request = ReceiveRequest(
      tenant: .default, contentType: "application/json", body: Array("{}".utf8) + [32, 32, 32])
    #expect(await sharing.otlp(.logs, request).failure == nil)
    #expect(
      await sharing.otlp(.logs, request).message
        == "tenant default sends more than the 1 bytes a second that it may, of which this node takes one part in 2")
    #expect(store.eventCount == 12 && receiver.ledger[.logs].received == 13)
  }

  @Test("a body beyond the rate of bytes is not even read")
  func bytes() async {
    let (store, clock) = (Store(), ManualClock())
    let receiver = Receiver(sink: store, clock: clock, rates: TenantRates(bytes: 10))
    let body = [UInt8](repeating: 0xFF, count: 95)
    let request = ReceiveRequest(tenant: .default, contentType: "application/x-protobuf", body: body)
    #expect(await receiver.otlp(.traces, request).otlpStatus == 400)
    let refused = await receiver.otlp(.traces, request)
    #expect(refused.otlpStatus == 429 && refused.retryAfterSeconds == 5)
  }
}
