import NeedletailEnvironment
import NeedletailOTLP
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailWire
import Testing

@testable import NeedletailCollector

@Suite("The limit on active series")
struct ActiveSeriesTests {
  private let store = Store()
  private let clock = ManualClock()

  private func receiver(_ max: Int?, newPerSecond: Int? = nil) -> Receiver {
    Receiver(sink: store, clock: clock, rates: TenantRates(newSeries: newPerSecond), seriesMax: max)
  }

  /// Remote write of one sample for each of these series.
  private func write(_ numbers: Range<Int>, to receiver: Receiver, tenant: TenantID = .default) async -> ReceiveOutcome
  {
    var writer = ProtobufWriter()
    for number in numbers {
      writer.field(1) { series in
        for (name, value) in [("__name__", "m"), ("number", "\(number)")] {
          series.field(1) { label in
            label.field(1, string: name)
            label.field(2, string: value)
          }
        }
        series.field(2) { sample in
          sample.field(1, double: Double(number))
          sample.field(2, varint: 1)
        }
      }
    }
    return await receiver.remoteWrite(
      ReceiveRequest(tenant: tenant, contentType: nil, contentEncoding: "identity", body: writer.bytes))
  }

  @Test(
    "takes those that are active and as many others as there is room for; the rest is refused for good, and counted")
  func limit() async throws {
    let receiver = receiver(10)
    let first = await write(0..<8, to: receiver)
    #expect(first.remoteWriteStatus == 204 && first.accepted == 8)
    let second = await write(4..<14, to: receiver)
    #expect(second.remoteWriteStatus == 400 && second.accepted == 6 && second.samples == 6)
    #expect(second.rejections.counts == [.seriesLimit: 4] && second.message.contains("as many active series as it may"))
    // What is known goes on, in the same requests as what is not.
    for _ in 0..<3 {
      let again = await write(0..<14, to: receiver)
      #expect(again.accepted == 10 && again.rejections.counts == [.seriesLimit: 4])
    }
    #expect(store.samples.count == 10)
    let books = receiver.ledger[.metrics]
    #expect(books.refused == ["series_limit": 16] && books.balance == 0)
    #expect(
      receiver.activeSeries?.counts(now: clock.monotonicNanoseconds()) == [
        .init(tenant: .default, active: 10, refused: 4)
      ])
    // Others have their own.
    let other = try #require(TenantID("other"))
    #expect(await write(0..<10, to: receiver, tenant: other).remoteWriteStatus == 204)
    #expect(await write(10..<11, to: receiver, tenant: other).remoteWriteStatus == 400)
  }

  @Test(
    "a request with series that begin too soon comes again as a whole, and nothing keeps those back that are active")
  func pace() async throws {
    let receiver = receiver(nil, newPerSecond: 2)
    // What comes first may have come before the node was started.
    let early = try #require(TenantID("early"))
    for _ in 0..<3 { #expect(await write(100..<200, to: receiver, tenant: early).remoteWriteStatus == 204) }
    clock.advance(nanoseconds: ActiveSeries.turn)
    // Five seconds' worth at once, and more where a request is larger.
    #expect(await write(0..<30, to: receiver).remoteWriteStatus == 204)
    let refused = await write(25..<31, to: receiver)
    #expect(refused.remoteWriteStatus == 503 && refused.otlpStatus == 429 && refused.retryAfterSeconds == 11)
    #expect(refused.message == "tenant default sends more than the 2 new series a second that it may")
    #expect(refused.accepted == 0 && refused.dropped == 6 && refused.rejections.isEmpty)
    #expect(await write(0..<30, to: receiver).remoteWriteStatus == 204)
    let other = try #require(TenantID("other"))
    #expect(await write(0..<10, to: receiver, tenant: other).remoteWriteStatus == 204)
    clock.advance(nanoseconds: 11_000_000_000)
    #expect(await write(25..<31, to: receiver).remoteWriteStatus == 204)
    #expect(store.samples.count == 141)
    let books = receiver.ledger[.metrics]
    #expect(books.failed == ["rate_limited": 6] && books.refused == [:] && books.balance == 0)
  }

  @Test("what is beyond the limit is refused for good also while none may begin, once the request comes again")
  func paceAndLimit() async {
    let receiver = receiver(12, newPerSecond: 2)
    clock.advance(nanoseconds: ActiveSeries.turn)
    #expect(await write(0..<11, to: receiver).remoteWriteStatus == 204)
    #expect(await write(10..<14, to: receiver).remoteWriteStatus == 503)
    clock.advance(nanoseconds: 2_000_000_000)
    let outcome = await write(10..<14, to: receiver)
    #expect(outcome.remoteWriteStatus == 400 && outcome.accepted == 2 && outcome.rejections.counts == [.seriesLimit: 2])
    // All places are taken: waiting would not help.
    #expect(await write(20..<21, to: receiver).remoteWriteStatus == 400)
  }

  @Test("series of a body that cannot be read to its end are paid for: they are active")
  func broken() async {
    let receiver = receiver(nil, newPerSecond: 1)
    clock.advance(nanoseconds: ActiveSeries.turn)
    var writer = ProtobufWriter()
    for number in 0..<20 {
      writer.field(1) { series in
        series.field(1) { label in
          label.field(1, string: "__name__")
          label.field(2, string: "m\(number)")
        }
        series.field(2) { $0.field(2, varint: 1) }
      }
    }
    // A series of one sample whose value ends too early.
    let request = ReceiveRequest(
      tenant: .default, contentType: nil, contentEncoding: "identity",
      body: writer.bytes + [0x0A, 4, 0x12, 2, 0x09, 0])
    #expect(await receiver.remoteWrite(request).remoteWriteStatus == 400)
    #expect(await write(0..<1, to: receiver).remoteWriteStatus == 503)
  }

  @Test("has room again for new ones when others were silent, and none for as long as they are not")
  func turns() async {
    let receiver = receiver(5)
    #expect(await write(0..<5, to: receiver).remoteWriteStatus == 204)
    clock.advance(nanoseconds: ActiveSeries.turn)
    #expect(await write(0..<2, to: receiver).remoteWriteStatus == 204)
    // The other three are still active: they were sent within the hour.
    #expect(await write(10..<11, to: receiver).remoteWriteStatus == 400)
    clock.advance(nanoseconds: ActiveSeries.turn)
    #expect(await write(10..<13, to: receiver).accepted == 3)
    #expect(await write(13..<14, to: receiver).remoteWriteStatus == 400)
    // One that was let go of is new again.
    #expect(await write(4..<5, to: receiver).remoteWriteStatus == 400)
    clock.advance(nanoseconds: 3 * ActiveSeries.turn)
    #expect(await write(20..<25, to: receiver).remoteWriteStatus == 204)
  }

  @Test(
    "refuses a histogram as one point, of which no half is taken, and tells a sender of OTLP that it was a partial success"
  )
  func histograms() async {
    let receiver = receiver(4)
    let json = """
      {"resourceMetrics":[{"scopeMetrics":[{"metrics":[
      {"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"1000000","asInt":"1"}]}},
      {"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1000000","count":"3","sum":4,
      "bucketCounts":["1","1","1"],"explicitBounds":[1,2]}]}}]}]}]}
      """
    let outcome = await receiver.otlp(
      .metrics, ReceiveRequest(tenant: .default, contentType: "application/json", body: Array(json.utf8)))
    #expect(outcome.otlpStatus == 200 && outcome.accepted == 1 && outcome.rejections.counts == [.seriesLimit: 1])
    #expect(store.samples.count == 1 && receiver.ledger[.metrics].balance == 0)
  }

  @Test("against a model: who is active is never refused, and never are there more than may be")
  func model() {
    for seed in 0..<100 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let max = Int.random(in: 1...20, using: &generator)
      let series = ActiveSeries(max: max)
      var now: Int64 = 0
      var last: [Int: Int64] = [:]
      for _ in 0..<300 {
        if Int.random(in: 0..<20, using: &generator) == 0 {
          now += Int64.random(in: 0...(2 * ActiveSeries.turn), using: &generator)
        }
        let number = Int.random(in: 0..<40, using: &generator)
        let id = SeriesID(Hash128(high: 1, low: UInt64(number)))
        let isTaken = series.admit(id, of: .default, now: now).isTaken
        if let time = last[number], now - time < ActiveSeries.turn { #expect(isTaken, "seed \(seed)") }
        // Whoever is silent for two turns has no place.
        let alive = last.values.count { now - $0 < 2 * ActiveSeries.turn }
        if !isTaken { #expect(alive >= max, "seed \(seed)") }
        if isTaken { last[number] = now }
        #expect(last.values.count { now - $0 < ActiveSeries.turn } <= max, "seed \(seed)")
        #expect((series.counts(now: now).first?.active ?? 0) <= max, "seed \(seed)")
      }
    }
  }

  @Test("tells so many tenants apart, and has one limit for all others together")
  func tenants() throws {
    let series = ActiveSeries(max: 1)
    for number in 0..<(ActiveSeries.tenantsMax + 5) {
      let tenant = try #require(TenantID("t\(number)"))
      let isTaken = series.admit(SeriesID(Hash128(high: 2, low: UInt64(number))), of: tenant, now: 0).isTaken
      #expect(isTaken == (number <= ActiveSeries.tenantsMax))
    }
    #expect(series.counts(now: 0).count == IngestLedger.tenantsMax)
  }
}
