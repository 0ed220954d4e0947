import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry
import NeedletailWire
import Testing

@testable import NeedletailCollector

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
    #expect(receiver.ledger[.metrics].acknowledged == 2 && receiver.ledger[.metrics].received == 2)
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
    #expect(receiver.ledger[.metrics].failed == ["overloaded": 1])
    store.failure = nil
    #expect(await receiver.remoteWrite(request(write(1))).remoteWriteStatus == 204)
    #expect(store.values == [1])
    #expect(receiver.ledger[.metrics].received == 2)
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

  /// A delta and a gauge in one request: they travel in two batches.
  private func mixed(delta: Int, gauge: Int, time: Int) -> ReceiveRequest {
    let json = """
      {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"d","sum":{"aggregationTemporality":1,"isMonotonic":true,
      "dataPoints":[{"timeUnixNano":"\(time)000000","asInt":"\(delta)"}]}},
      {"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"\(time)000000","asInt":"\(gauge)"}]}}]}]}]}
      """
    return request(Array(json.utf8), type: "application/json")
  }

  @Test("what the store keeps only in part is accepted only in part") func partial() async {
    let receiver = receiver()
    store.keep(5 ... .max)
    let body = write(1, name: "old", time: 4) + write(2, name: "new", time: 5)
    let written = await receiver.remoteWrite(request(body))
    #expect(written.remoteWriteStatus == 400 && written.accepted == 1 && written.samples == 1)
    #expect(written.rejections.counts == [.outOfRetention: 1])
    let exported = await receiver.otlp(.metrics, mixed(delta: 1, gauge: 1, time: 4))
    #expect(exported.otlpStatus == 200 && exported.accepted == 0)
    #expect(exported.rejections.counts == [.outOfRetention: 2])
    #expect(store.values == [2] && receiver.ledger[.metrics].received == 4)
  }

  @Test("a batch that is refused for good does not keep the others from the store") func refusedBatch() async {
    let receiver = receiver()
    store.failNext([.refused(reason: "never")])
    let outcome = await receiver.otlp(.metrics, mixed(delta: 3, gauge: 7, time: 1))
    #expect(outcome.otlpStatus == 200 && outcome.accepted == 1)
    #expect(outcome.rejections.counts == [.refusedByStore: 1] && outcome.message.contains("never"))
    let next = await receiver.otlp(.metrics, mixed(delta: 4, gauge: 8, time: 2))
    #expect(next.accepted == 2 && store.values == [3, 7, 8])
  }

  @Test("changes that the store refuses for good move no total") func refusedTotals() async {
    let receiver = receiver()
    #expect(await receiver.otlp(.metrics, mixed(delta: 1, gauge: 5, time: 1)).accepted == 2)
    store.failNext([nil, .refused(reason: "never")])
    let outcome = await receiver.otlp(.metrics, mixed(delta: 100, gauge: 6, time: 2))
    #expect(outcome.accepted == 1 && outcome.rejections.counts == [.refusedByStore: 1])
    store.failNext([nil, .outOfRetention(reason: "too new")])
    _ = await receiver.otlp(.metrics, mixed(delta: 100, gauge: 7, time: 1000))
    #expect(await receiver.otlp(.metrics, mixed(delta: 2, gauge: 8, time: 3)).accepted == 2)
    #expect(store.values == [1, 3, 5, 6, 7, 8])
  }

  /// Changes of two series in one request: they travel in one batch.
  private func changes(_ first: (time: Int, value: Int), _ second: (time: Int, value: Int)) -> ReceiveRequest {
    let points = [("a", first), ("b", second)].map { name, change in
      """
      {"timeUnixNano":"\(change.time)000000","asInt":"\(change.value)",
      "attributes":[{"key":"n","value":{"stringValue":"\(name)"}}]}
      """
    }
    let json = """
      {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"d","sum":{"aggregationTemporality":1,"isMonotonic":true,
      "dataPoints":[\(points.joined(separator: ","))]}}]}]}]}
      """
    return request(Array(json.utf8), type: "application/json")
  }

  @Test("a change too new or too old among others is refused alone, and its series goes on") func refusedRow() async {
    let receiver = receiver()
    store.keep(1_000_000...2_000_000)
    for (time, reason) in [(2_000_001, RejectionReason.tooFarInFuture), (1000, .outOfRetention)] {
      let outcome = await receiver.otlp(.metrics, changes((1_900_000 + time % 7, 1), (time, 1000)))
      #expect(outcome.accepted == 1 && outcome.rejections.counts == [reason: 1])
    }
    #expect(await receiver.otlp(.metrics, changes((1_950_000, 1), (1_950_000, 2))).accepted == 2)
    #expect(store.values == [1, 2, 2, 3])
  }

  @Test("totals beyond a request's limit are rejected and counted, and the rest is stored") func totalsLimit() async {
    var limits = IngestLimits()
    limits.deltaBytesMax = 50
    let receiver = receiver(limits)
    let points = (1...3).map { #"{"timeUnixNano":"\#($0)000000","asInt":"1"}"# }.joined(separator: ",")
    let json = """
      {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"d","sum":{"aggregationTemporality":1,"isMonotonic":true,
      "dataPoints":[\(points)]}}]}]}]}
      """
    let outcome = await receiver.otlp(.metrics, request(Array(json.utf8), type: "application/json"))
    #expect(outcome.otlpStatus == 200 && outcome.accepted == 1 && outcome.message.contains("50 bytes"))
    #expect(receiver.ledger[.metrics].refused == ["request_limit": 2])
    #expect(store.values == [1] && receiver.budget.bytesInFlight == 0)
  }

  @Test("totals count towards the budget of bytes, and a sender that is turned away may come again")
  func totalsBudget() async {
    let body = delta(5, time: 1)
    var limits = IngestLimits()
    limits.bytesInFlightMax = 1 << 20
    let receiver = receiver(limits)
    let others = limits.bytesInFlightMax - 2 * body.body.count - 20
    #expect(receiver.budget.reserve(others))
    for _ in 0..<2 {
      let outcome = await receiver.otlp(.metrics, body)
      #expect(outcome.otlpStatus == 503 && outcome.dropped == 1 && outcome.rejections.isEmpty)
    }
    #expect(store.values.isEmpty && receiver.budget.bytesInFlight == others)
    receiver.budget.release(others)
    #expect(await receiver.otlp(.metrics, body).accepted == 1)
    #expect(store.values == [5] && receiver.budget.bytesInFlight == 0)
  }

  @Test("what could not be taken even alone is too large: its sender must not come again") func neverFits() async {
    let body = delta(5, time: 1)
    for bytesMax in [body.body.count - 1, 2 * body.body.count - 1, 2 * body.body.count + 20] {
      var limits = IngestLimits()
      limits.bytesInFlightMax = bytesMax
      let receiver = receiver(limits)
      let outcome = await receiver.otlp(.metrics, body)
      #expect(outcome.otlpStatus == 413 && outcome.retryAfterSeconds == nil && outcome.message.contains("smaller"))
      #expect(receiver.budget.bytesInFlight == 0)
    }
    #expect(store.values.isEmpty)
  }

  @Test("changes beyond what one request may hold are rejected and counted, and those before them stored")
  func changesLimit() async {
    var limits = IngestLimits()
    limits.series.deltaBytesMax = MemoryLayout<DeltaPoint>.stride
    let outcome = await receiver(limits).otlp(.metrics, changes((1, 1), (1, 2)))
    #expect(outcome.otlpStatus == 200 && outcome.accepted == 1 && outcome.rejections.counts == [.requestLimit: 1])
    #expect(store.values == [1])
  }

  @Test("changes that wait behind a batch that failed count once when the request comes again") func retries() async {
    let receiver = receiver()
    let request = mixed(delta: 3, gauge: 7, time: 1)
    for failures in [[.unavailable(reason: "down")], [nil, .overloaded(retryAfterSeconds: 1)]] as [[SinkError?]] {
      store.failNext(failures)
      let outcome = await receiver.otlp(.metrics, request)
      #expect(outcome.otlpStatus == 503 && outcome.dropped == 2 && outcome.accepted == 0)
    }
    #expect(await receiver.otlp(.metrics, request).accepted == 2)
    #expect(store.values == [3, 7])
  }

  @Test("refused rows are told in the sender's points") func proportions() {
    let histograms = BatchCounts(records: 3, rows: 30)
    #expect(histograms.refused(SinkOutcome(tooOld: 10)) == 1 && histograms.refused(SinkOutcome(tooNew: 1)) == 1)
    #expect(histograms.refused(SinkOutcome(tooOld: 20, tooNew: 10)) == 3 && histograms.refused(SinkOutcome()) == 0)
    let beginning = BatchCounts(records: 1, rows: 2, zeros: 1)
    #expect(beginning.refused(SinkOutcome(tooOld: 1)) == 0 && beginning.refused(SinkOutcome(tooOld: 2)) == 1)
    #expect(beginning.refused(SinkOutcome(tooNew: 1)) == 1)
  }

  @Test("what is sent in a form that is not understood is told which are") func acceptedForms() async {
    let receiver = receiver()
    let otlp = await receiver.otlp(.logs, request([], type: "text/plain"))
    #expect(otlp.message.contains("application/x-protobuf or application/json"), "\(otlp.message)")
    let write = await receiver.remoteWrite(request([], type: "application/json"))
    #expect(write.message.contains("send application/x-protobuf, of remote write 1.0"), "\(write.message)")
    let coding = await receiver.remoteWrite(request([], encoding: "br"))
    #expect(coding.message.contains("send identity, gzip, deflate, zstd, snappy"), "\(coding.message)")
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
    limits.bytesInFlightMax = 100
    let receiver = receiver(limits)
    #expect(receiver.budget.reserve(90))
    let outcome = await receiver.remoteWrite(request(write(1)))
    #expect(outcome.remoteWriteStatus == 503 && outcome.retryAfterSeconds == 1)
    #expect(receiver.budget.bytesInFlight == 90)
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
    #expect(receiver.ledger[.logs].received == 4)
  }
}
