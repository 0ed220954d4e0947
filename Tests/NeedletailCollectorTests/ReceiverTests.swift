import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry
import NeedletailWire
import Synchronization
import Testing

@testable import NeedletailCollector

/// Keeps what it is given, as an engine would: it knows a series once it was defined.
///
/// It fails when it is told to.
private final class Store: BatchSink {
  private struct State {
    var known: Set<SeriesID> = []
    var samples: [SeriesID: [Int64: Double]] = [:]
    var eventIDs: Set<Hash128> = []
    var batchIDs: [Hash128] = []
    var metrics: [String] = []
    var failure: SinkError?
  }

  private let state = Mutex(State())

  var failure: SinkError? {
    get { state.withLock { $0.failure } }
    set { state.withLock { $0.failure = newValue } }
  }
  var samples: [SeriesID: [Int64: Double]] { state.withLock { $0.samples } }
  var values: [Double] { samples.values.flatMap(\.values).sorted() }
  var batchIDs: [Hash128] { state.withLock { $0.batchIDs } }
  var metrics: [String] { state.withLock { $0.metrics } }
  var eventCount: Int { state.withLock { $0.eventIDs.count } }

  func forgetSeries() { state.withLock { $0.known = [] } }

  private func checkFailure() throws(SinkError) {
    if let failure { throw failure }
  }

  func append(definitions: SeriesDefinitions) async throws(SinkError) {
    try checkFailure()
    learn(definitions)
  }

  private func learn(_ definitions: SeriesDefinitions) {
    var ids: [SeriesID] = []
    var names: [String] = []
    do {
      try definitions.forEachSeries { id, _ in ids.append(id) }
      try definitions.forEachMetric { name, _ in names.append(name) }
    } catch {
      Issue.record("definitions are malformed: \(error)")
    }
    state.withLock { state in
      state.known.formUnion(ids)
      state.metrics += names
    }
  }

  func append(series: SeriesBatch, definitions: SeriesDefinitions?) async throws(SinkError) {
    try checkFailure()
    if let definitions { learn(definitions) }
    let isKnown = state.withLock { state in
      series.withRows { rows in
        guard (0..<rows.seriesCount).allSatisfy({ state.known.contains(rows.seriesID($0)) }) else { return false }
        for row in 0..<rows.seriesCount {
          for sample in rows.samples(of: row) {
            state.samples[rows.seriesID(row), default: [:]][rows.timestamp(sample)] =
              Double(bitPattern: rows.valueBits(sample))
          }
        }
        state.batchIDs.append(series.frame.batchID)
        return true
      }
    }
    if !isKnown { throw .unknownSeries }
  }

  func append(events: EventBatch) async throws(SinkError) {
    try checkFailure()
    state.withLock { state in
      events.withRows { rows in
        for row in 0..<rows.rowCount { state.eventIDs.insert(rows.contentID(row)) }
      }
    }
  }
}

@Suite struct ReceiverTests {
  private let store = Store()

  private func receiver(_ limits: IngestLimits = IngestLimits()) -> Receiver {
    Receiver(limits: limits, sink: store, clock: SystemClock())
  }

  private func write(_ value: Double, name: String = "up", time: UInt64 = 1) -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1) { series in
      series.field(1) { label in
        label.field(1, string: "__name__")
        label.field(2, string: name)
      }
      series.field(2) { sample in
        sample.field(1, double: value)
        sample.field(2, varint: time)
      }
    }
    return writer.bytes
  }

  private func request(_ body: [UInt8], type: String? = nil, encoding: String? = "identity") -> ReceiveRequest {
    ReceiveRequest(tenant: .default, contentType: type, contentEncoding: encoding, body: body)
  }

  private func delta(_ value: Int, time: Int) -> ReceiveRequest {
    let json = """
      {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"d","sum":{"aggregationTemporality":1,"isMonotonic":true,
      "dataPoints":[{"timeUnixNano":"\(time)000000","asInt":"\(value)"}]}}]}]}]}
      """
    return request(Array(json.utf8), type: "application/json; charset=utf-8")
  }

  @Test("a sample reaches the store; the same body again is the same batch") func stores() async {
    let receiver = receiver()
    let outcome = await receiver.remoteWrite(request(write(4)))
    #expect(outcome.remoteWriteStatus == 204 && outcome.accepted == 1 && outcome.samples == 1)
    _ = await receiver.remoteWrite(request(write(4)))
    #expect(store.values == [4])
    #expect(store.batchIDs.count == 2 && Set(store.batchIDs).count == 1)
    #expect(receiver.counters[.metrics].accepted == 2 && receiver.counters[.metrics].received == 2)
    #expect(receiver.budget.bytesInFlight == 0)
  }

  @Test("when the store has forgotten a series it is defined again") func unknownSeries() async {
    let receiver = receiver()
    _ = await receiver.remoteWrite(request(write(1)))
    store.forgetSeries()
    let outcome = await receiver.remoteWrite(request(write(2, time: 2)))
    #expect(outcome.accepted == 1 && outcome.failure == nil)
    #expect(store.values == [1, 2])
  }

  @Test("a refused batch is asked for again, and counted as dropped") func failing() async {
    let receiver = receiver()
    store.failure = .overloaded(retryAfterSeconds: 7)
    let outcome = await receiver.remoteWrite(request(write(1)))
    #expect(outcome.remoteWriteStatus == 503 && outcome.retryAfterSeconds == 7 && outcome.accepted == 0)
    #expect(receiver.counters[.metrics].dropped == ["overloaded": 1])
    store.failure = nil
    #expect(await receiver.remoteWrite(request(write(1))).remoteWriteStatus == 204)
    #expect(store.values == [1])
    #expect(receiver.counters[.metrics].received == 2)
  }

  @Test("changes add up, and a request that failed counts once when it comes again") func deltas() async {
    let receiver = receiver()
    #expect(await receiver.otlp(.metrics, delta(5, time: 1)).otlpStatus == 200)
    store.failure = .unavailable(reason: "down")
    #expect(await receiver.otlp(.metrics, delta(3, time: 2)).otlpStatus == 503)
    store.failure = nil
    #expect(await receiver.otlp(.metrics, delta(3, time: 2)).accepted == 1)
    let repeated = await receiver.otlp(.metrics, delta(3, time: 2))
    #expect(repeated.rejections.counts == [.deltaNotAfterLast: 1] && repeated.accepted == 0)
    store.forgetSeries()
    #expect(await receiver.otlp(.metrics, delta(1, time: 3)).accepted == 1)
    #expect(store.values == [5, 8, 9])
    #expect(store.metrics.contains("d_total"))
  }

  @Test("bad bodies are refused with a status that stops their sender") func refuses() async {
    var limits = IngestLimits()
    limits.otlpBodyMax = 100
    let receiver = receiver(limits)
    #expect(await receiver.remoteWrite(request([0xff], encoding: nil)).remoteWriteStatus == 400)
    #expect(await receiver.remoteWrite(request([0x0b])).remoteWriteStatus == 400)
    #expect(await receiver.remoteWrite(request(write(1), encoding: "br")).remoteWriteStatus == 415)
    let second = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
    #expect(await receiver.remoteWrite(request(write(1), type: second)).remoteWriteStatus == 415)
    #expect(await receiver.otlp(.logs, request(Array(repeating: 0, count: 101))).otlpStatus == 413)
    #expect(await receiver.otlp(.logs, request([], type: "text/plain")).otlpStatus == 415)
    #expect(await receiver.otlp(.logs, request([1], type: "application/json")).otlpStatus == 400)
    #expect(await receiver.otlp(.logs, request([])).otlpStatus == 200)
    let unnamed = await receiver.remoteWrite(request(write(1, name: "")))
    #expect(unnamed.remoteWriteStatus == 400 && unnamed.rejections.counts == [.missingName: 1])
    #expect(store.values.isEmpty && receiver.budget.bytesInFlight == 0)
  }

  @Test("over the budget of bytes a sender is asked to come later") func budget() async {
    var limits = IngestLimits()
    limits.bytesInFlightMax = 40
    let receiver = receiver(limits)
    let outcome = await receiver.remoteWrite(request(write(1)))
    #expect(outcome.remoteWriteStatus == 503 && outcome.retryAfterSeconds == 1)
    #expect(receiver.budget.bytesInFlight == 0)
  }

  @Test("log records reach the store once, with the rejected ones counted") func logs() async {
    let json = """
      {"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1","body":{"stringValue":"a"}},
      {"timeUnixNano":"18446744073709551615"}]}]}]}
      """
    let receiver = receiver()
    for _ in 0..<2 {
      let outcome = await receiver.otlp(.logs, request(Array(json.utf8), type: "application/json"))
      #expect(outcome.otlpStatus == 200 && outcome.accepted == 1)
      #expect(outcome.rejections.counts == [.invalidTimestamp: 1] && !outcome.message.isEmpty)
    }
    #expect(store.eventCount == 1)
    #expect(receiver.counters[.logs].received == 4)
  }
}
