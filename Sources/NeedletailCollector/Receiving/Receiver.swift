// From the body of a request to the sink, and back to what the sender is told. No HTTP in here: whatever carries
// requests gives the few headers that matter and turns an outcome into a status.

import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry
import NeedletailWire

/// Receives remote write and OTLP.
///
/// One for the node; safe to use from any number of tasks.
package struct Receiver: Sendable {
  package let limits: IngestLimits
  package let ledger: IngestLedger
  package let budget: IngestBudget
  /// The series of each tenant; nil where it may have as many as it likes, and begin them as fast.
  package let activeSeries: ActiveSeries?
  private let shedding: Shedding
  private let distributor: Distributor
  private let resolver: SeriesResolver
  private let accumulator: DeltaAccumulator
  private let limiter: TenantLimiter
  private let clock: any WallClock
  /// Monotonic, in ns.
  private let started: Int64

  package init(
    limits: IngestLimits = IngestLimits(), sink: any BatchSink, clock: any WallClock,
    ledger: IngestLedger = IngestLedger(), resolver: SeriesResolver = SeriesResolver(),
    rates: TenantRates = TenantRates(), sharers: @escaping @Sendable () -> Int = { 1 }, seriesMax: Int? = nil
  ) {
    activeSeries = seriesMax != nil || rates.newSeries != nil ? ActiveSeries(max: seriesMax) : nil
    self.limits = limits
    self.ledger = ledger
    self.resolver = resolver
    self.clock = clock
    started = clock.monotonicNanoseconds()
    budget = IngestBudget(bytesMax: limits.bytesInFlightMax)
    shedding = Shedding(budget)
    distributor = Distributor(sink: sink)
    limiter = TenantLimiter(rates, sharers: sharers)
    accumulator = DeltaAccumulator(countMax: limits.deltaSeriesMax, requestBytesMax: limits.deltaBytesMax)
  }

  /// Receives Prometheus remote write 1.0.
  package func remoteWrite(_ request: ReceiveRequest) async -> ReceiveOutcome {
    let key = ledger.open(.metrics, of: request.tenant, bytes: request.body.count)
    let outcome = await receive(
      request, bodyMax: limits.remoteWriteBodyMax, decompression: limits.remoteWriteDecompression,
      defaultCoding: .snappy, format: BodyFormat.ofRemoteWrite, accepted: BodyFormat.remoteWriteTypes
    ) { body, _, reserved in
      await storeSeries(request, key, body: body, reserved: reserved) { body, decoding throws(ProtobufError) in
        try RemoteWriteDecoder.decode(body, decoding)
      }
    }
    ledger.close(key, outcome)
    return outcome
  }

  /// Receives an OTLP export request, in protobuf or JSON.
  package func otlp(_ signal: OTLPSignal, _ request: ReceiveRequest) async -> ReceiveOutcome {
    let key = ledger.open(signal, of: request.tenant, bytes: request.body.count)
    let outcome = await receive(
      request, bodyMax: limits.otlpBodyMax, decompression: limits.otlpDecompression, defaultCoding: .identity,
      format: BodyFormat.ofOTLP, accepted: BodyFormat.otlpTypes
    ) { body, format, reserved in
      await storeOTLP(request, key, body: body, format: format, reserved: reserved)
    }
    ledger.close(key, outcome)
    return outcome
  }

  // MARK: Bodies

  private func receive(
    _ request: ReceiveRequest, bodyMax: Int, decompression: DecompressionLimits, defaultCoding: ContentCoding,
    format: (String?) -> BodyFormat?, accepted: String,
    store: ([UInt8], BodyFormat, _ reserved: Int) async -> ReceiveOutcome
  ) async -> ReceiveOutcome {
    guard let format = format(request.contentType) else {
      return failed(
        .unsupportedMediaType("content type \(quoted(request.contentType)) is not supported: send \(accepted)"))
    }
    let coding = request.contentEncoding == nil ? defaultCoding : ContentCoding(header: request.contentEncoding)
    guard let coding else {
      return failed(
        .unsupportedMediaType(
          "content encoding \(quoted(request.contentEncoding)) is not supported: send \(Self.codings)"))
    }
    guard request.body.count <= bodyMax else { return failed(.tooLarge("the body is larger than \(bodyMax) bytes")) }
    if let refusal = refusal(request.body.count, .bytes, of: request.tenant) { return failed(refusal) }
    guard budget.reserve(request.body.count) else { return overloaded(needing: request.body.count) }
    defer { budget.release(request.body.count) }
    let body: [UInt8]
    do throws(DecompressionError) {
      body = try decompressed(request.body, coding, decompression)
    } catch {
      switch error {
      case .tooLarge, .suspiciousRatio, .windowTooLarge: return failed(.tooLarge(error.explanation))
      case .malformed: return failed(.invalid(error.explanation))
      case .exhausted: return overloaded(needing: 0)
      }
    }
    guard budget.reserve(body.count) else { return overloaded(needing: request.body.count + body.count) }
    defer { budget.release(body.count) }
    return await store(body, format, request.body.count + body.count)
  }

  /// Why a tenant's request is turned away that brings so much of something; nil where it is not.
  private func refusal(_ amount: Int, _ measure: TenantMeasure, of tenant: TenantID) -> ReceiveOutcome.Failure? {
    do throws(TenantLimiter.Refusal) {
      try limiter.admit(amount, measure, of: tenant, now: clock.monotonicNanoseconds())
      return nil
    } catch {
      return Self.failure(error, of: tenant)
    }
  }

  private static func failure(_ refusal: TenantLimiter.Refusal, of tenant: TenantID) -> ReceiveOutcome.Failure {
    let share = refusal.nodes > 1 ? ", of which this node takes one part in \(refusal.nodes)" : ""
    return .rateLimited(
      "tenant \(tenant) sends more than the \(refusal.rate) \(refusal.measure.rawValue) a second that it may\(share)",
      retryAfterSeconds: refusal.retryAfterSeconds)
  }

  /// What a body may be compressed with, for who sent something else.
  private static let codings = ContentCoding.allCases.map(\.rawValue).joined(separator: ", ")

  private func decompressed(
    _ body: [UInt8], _ coding: ContentCoding, _ limits: DecompressionLimits
  ) throws(DecompressionError) -> [UInt8] {
    if coding == .identity, body.count <= limits.outputMax { return body }
    return try body.withBytes { bytes throws(DecompressionError) in
      try Decompression.decompress(bytes, coding: coding, limits: limits)
    }
  }

  private func quoted(_ header: String?) -> String { String((header ?? "").prefix(128)).debugDescription }

  private func failed(_ failure: ReceiveOutcome.Failure) -> ReceiveOutcome { ReceiveOutcome(failure: failure) }

  /// The answer to a request for which there is no memory, which needs so many bytes in all: coming again helps only
  /// where it could fit alone.
  private func overload(needing bytes: Int) -> ReceiveOutcome.Failure {
    guard bytes <= budget.bytesMax else {
      return .tooLarge("the request takes more than the \(budget.bytesMax) bytes of all requests; send smaller batches")
    }
    return .overloaded(retryAfterSeconds: limits.retryAfterSeconds)
  }

  private func overloaded(needing bytes: Int) -> ReceiveOutcome { failed(overload(needing: bytes)) }

  /// The outcome of a request in which so many items were read, to be filled in.
  private func opened(_ key: IngestLedger.Key, _ items: Int) -> ReceiveOutcome {
    ledger.read(items, key)
    var outcome = ReceiveOutcome()
    outcome.received = items
    return outcome
  }

  // MARK: OTLP

  private func storeOTLP(
    _ request: ReceiveRequest, _ key: IngestLedger.Key, body: [UInt8], format: BodyFormat, reserved: Int
  ) async -> ReceiveOutcome {
    let signal = key.signal
    var protobuf = body
    if format == .json {
      do throws(JSONError) {
        protobuf = try body.withBytes { bytes throws(JSONError) in
          try OTLPJSONTranscoder.protobuf(bytes, signal: signal)
        }
      } catch {
        return failed(.invalid(error.description))
      }
    }
    switch signal {
    case .metrics:
      return await storeSeries(request, key, body: protobuf, reserved: reserved) {
        body, decoding throws(ProtobufError) in
        try OTLPMetricsDecoder.decode(body, decoding)
      }
    case .logs: return await storeEvents(key, tenant: request.tenant, body: protobuf, OTLPLogsDecoder.decode)
    case .traces: return await storeEvents(key, tenant: request.tenant, body: protobuf, OTLPSpansDecoder.decode)
    }
  }

  private func storeEvents(
    _ key: IngestLedger.Key, tenant: TenantID, body: [UInt8],
    _ decode: (UnsafeRawBufferPointer, EventDecoding) throws(ProtobufError) -> DecodedEvents
  ) async -> ReceiveOutcome {
    let decoded: DecodedEvents
    do throws(ProtobufError) {
      let now = clock.wallNanoseconds()
      decoded = try body.withBytes { bytes throws(ProtobufError) in
        let id = Hash128.of(bytes, seed: tenant.hashSeed)
        return try decode(bytes, EventDecoding(tenant: tenant, batchID: id, limits: limits.events, now: now))
      }
    } catch {
      return failed(.invalid(error.explanation))
    }
    var outcome = opened(key, decoded.recordCount + decoded.rejections.total)
    outcome.rejections = decoded.rejections
    if let refusal = refusal(decoded.recordCount, key.signal == .logs ? .logRecords : .spans, of: tenant) {
      outcome.turnAway(refusal, count: decoded.recordCount)
      return outcome
    }
    let batches = shed(decoded.batches, key.signal, &outcome)
    let kept = decoded.recordCount - (outcome.rejections.counts[.shed] ?? 0)
    guard outcome.failure == nil else { return outcome }
    let delivery = await distributor.append(batches)
    noteOverload(delivery)
    if let failure = delivery.failure {
      outcome.settle(failure, count: kept)
    } else {
      outcome.accepted = kept
      for (fate, batch) in zip(delivery.fates, batches) {
        outcome.settle(fate, BatchCounts(records: batch.rowCount, rows: batch.rowCount))
      }
    }
    return outcome
  }

  /// What is kept of batches by how loaded the node is; where that is nothing the request fails, and may come again.
  private func shed(
    _ batches: [EventBatch], _ signal: OTLPSignal, _ outcome: inout ReceiveOutcome
  ) -> [EventBatch] {
    let level = shedding.level(now: clock.monotonicNanoseconds())
    guard level > .nothing else { return batches }
    let (kept, count) = Shedding.keeping(batches, signal, at: level)
    guard count > 0 else { return batches }
    let what = signal == .logs ? "debug logs" : "traces in which nothing failed or was slow"
    if kept.isEmpty {
      outcome.turnAway(
        .shed("the receiver is overloaded and takes no \(what) now", retryAfterSeconds: limits.retryAfterSeconds),
        count: count)
    } else {
      outcome.rejections.add(.shed, count: count, detail: "the receiver is overloaded and took no \(what)")
    }
    return kept
  }

  private func noteOverload(_ delivery: Delivery) {
    if case .overloaded? = delivery.failure { shedding.noteOverload(now: clock.monotonicNanoseconds()) }
  }

  // MARK: Series

  private typealias SeriesDecoder =
    @Sendable (UnsafeRawBufferPointer, SeriesDecoding) throws(ProtobufError) ->
    DecodedSeries

  private func storeSeries(
    _ request: ReceiveRequest, _ key: IngestLedger.Key, body: [UInt8], reserved: Int, _ decode: @escaping SeriesDecoder
  ) async -> ReceiveOutcome {
    let tenant = request.tenant
    // Naming a batch by its content makes a retry of the same body the same batch. The bytes as they were sent are a
    // fraction of the decompressed ones, all of which would have to be hashed once more.
    let batchID = request.body.withUnsafeBytes { Hash128.of($0, seed: tenant.hashSeed) }
    var decoded: DecodedSeries
    let (admission, tooSoon) = admission(of: tenant)
    do throws(ProtobufError) {
      decoded = try decodeSeries(
        tenant, body, batchID, alwaysDefine: false,
        admits: admission.map { admission in { @Sendable id in admission.admit(id) } }, decode)
    } catch {
      return failed(.invalid(error.explanation))
    }
    let received = decoded.sampleCount + decoded.histogramCount + decoded.deltaPointCount
    var outcome = opened(key, received + decoded.rejections.total)
    if let tooSoon, admission?.isTooSoon == true {
      outcome.turnAway(tooSoon, count: received + decoded.rejections.total)
      return outcome
    }
    if let refusal = refusal(received, .samples, of: tenant) {
      outcome.rejections = decoded.rejections
      outcome.turnAway(refusal, count: received)
      return outcome
    }
    let totals: DeltaTotals
    do throws(DeltaTotals.Overflow) {
      totals = try DeltaTotals(
        of: &decoded, accumulator, budget, tenant: tenant, batchID: batchID, now: clock.wallNanoseconds() / 1_000_000,
        within: { distributor.acceptedTimes(at: $0, tenant: tenant) })
    } catch {
      outcome.rejections = decoded.rejections
      outcome.turnAway(overload(needing: reserved + error.bytes), count: received)
      return outcome
    }
    defer { budget.release(totals.reservedBytes) }
    outcome.rejections = decoded.rejections
    outcome.rejections.merge(totals.rejections)
    // Totals go last: whatever keeps the rest from the store has then shown before they are stored, and a request
    // that comes again finds them as they were.
    let delivery = await distributor.append(
      decoded.batches + totals.parts.map(\.batch), definitions: decoded.definitions,
      redefine: Redefinition(holding: body.count) {
        // Those that were taken are active.
        let admits = activeSeries.map { series in { @Sendable id in series.isActive(id, of: tenant) } }
        return (try? decodeSeries(tenant, body, batchID, alwaysDefine: true, admits: admits, decode))?.definitions ?? []
      })
    noteOverload(delivery)
    totals.settle(delivery.fates.dropFirst(decoded.batches.count), accumulator)
    settle(delivery, decoded, totals, &outcome)
    return outcome
  }

  private func settle(
    _ delivery: Delivery, _ decoded: DecodedSeries, _ totals: DeltaTotals, _ outcome: inout ReceiveOutcome
  ) {
    let count = decoded.sampleCount + decoded.histogramCount + totals.pointCount
    if let failure = delivery.failure {
      outcome.settle(failure, count: count)
      return
    }
    outcome.accepted = count
    outcome.samples = decoded.sampleCount + totals.pointCount
    outcome.histograms = decoded.histogramCount
    outcome.exemplars = decoded.exemplarCount
    let counts =
      zip(decoded.batches, decoded.batchPointCounts).map { batch, points in
        BatchCounts(records: points, rows: batch.sampleCount + batch.histogramCount)
      }
      + totals.parts.map {
        BatchCounts(records: $0.pointCount, rows: $0.batch.sampleCount + $0.batch.histogramCount, zeros: $0.zeroCount)
      }
    for (fate, counts) in zip(delivery.fates, counts) { outcome.settle(fate, counts) }
  }

  /// Which series of a request are taken, where there is a limit, and why none may begin, where that is so.
  private func admission(of tenant: TenantID) -> (SeriesAdmission?, tooSoon: ReceiveOutcome.Failure?) {
    guard let activeSeries else { return (nil, nil) }
    let now = clock.monotonicNanoseconds()
    var refusal: ReceiveOutcome.Failure?
    do throws(TenantLimiter.Refusal) {
      try limiter.check(.newSeries, of: tenant, now: now)
    } catch {
      refusal = Self.failure(error, of: tenant)
    }
    // What is sent soon after the start may have been active before it.
    let isNews = now &- started >= ActiveSeries.turn
    let admission = SeriesAdmission(activeSeries, of: tenant, now: now, mayBegin: refusal == nil) {
      // At once, as others come meanwhile, and whatever becomes of the request: the series is active.
      if isNews { limiter.charge(1, .newSeries, of: tenant, now: now) }
    }
    return (admission, refusal)
  }

  private func decodeSeries(
    _ tenant: TenantID, _ body: [UInt8], _ batchID: Hash128, alwaysDefine: Bool,
    admits: (@Sendable (SeriesID) -> Bool)?, _ decode: SeriesDecoder
  ) throws(ProtobufError) -> DecodedSeries {
    let decoding = SeriesDecoding(
      tenant: tenant, batchID: batchID, resolver: resolver, limits: limits.series, alwaysDefine: alwaysDefine,
      admits: admits)
    return try body.withBytes { bytes throws(ProtobufError) in try decode(bytes, decoding) }
  }
}
