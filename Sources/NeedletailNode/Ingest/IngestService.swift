// What every door for data leads to: the collector's receivers over this node's engines, and their outcomes as each
// protocol tells them.

import HTTPTypes
import HummingbirdCore
import NeedletailCollector
import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry

/// Receives data over HTTP, gRPC and from the server itself.
struct IngestService: Sendable {
  private let receiver: Receiver
  private let sink: any BatchSink
  private let clock: any WallClock

  /// What comes in goes to `sink`.
  init(
    sink: any BatchSink, bodyBytesMax: Int, clock: any WallClock, rates: TenantRates = TenantRates(),
    sharers: @escaping @Sendable () -> Int = { 1 }, seriesMax: Int? = nil
  ) {
    self.sink = sink
    self.clock = clock
    receiver = Receiver(
      limits: Self.limits(bodyBytesMax: bodyBytesMax), sink: sink, clock: clock, rates: rates, sharers: sharers,
      seriesMax: seriesMax)
  }

  /// The limits where bodies have so many bytes at most, before and after decompression.
  ///
  /// Those of remote write stay within what its receivers are known to take.
  static func limits(bodyBytesMax: Int) -> IngestLimits {
    var limits = IngestLimits()
    limits.otlpBodyMax = bodyBytesMax
    limits.otlpDecompression.outputMax = bodyBytesMax
    limits.remoteWriteBodyMax = min(limits.remoteWriteBodyMax, bodyBytesMax)
    limits.remoteWriteDecompression.outputMax = min(limits.remoteWriteDecompression.outputMax, bodyBytesMax)
    // The largest body is there as sent and decompressed, and what is made of it beside both.
    limits.bytesInFlightMax = max(limits.bytesInFlightMax, 4 * bodyBytesMax)
    return limits
  }

  /// The memory for bodies that are being worked on.
  var budget: IngestBudget { receiver.budget }

  /// How many series tenants have, where there is a limit on them, or on how many begin.
  var activeSeries: (max: Int?, counts: [ActiveSeries.Count])? {
    receiver.activeSeries.map { ($0.max, $0.counts(now: clock.monotonicNanoseconds())) }
  }

  /// The books of what came in.
  var ledger: IngestLedger { receiver.ledger }

  /// A request's body; a request whose body does not come is entered in the books.
  private func collected(
    _ request: Request, _ signal: OTLPSignal, of tenant: TenantID, bytesMax: Int
  ) async throws -> [UInt8] {
    do {
      return try await request.collectedBody(
        bytesMax: bytesMax, budget: receiver.budget, pace: BodyPace(clock: clock))
    } catch {
      ledger.turnedAway(signal, of: tenant, reason: Self.reason(error))
      throw error
    }
  }

  private static func reason(_ error: any Error) -> String {
    switch (error as? RequestFailure)?.status.code {
    case 413: "too_large"
    case 408: "too_slow"
    case 503: "overloaded"
    default: "broken_off"
    }
  }

  /// OTLP over HTTP: the answer is in the format of the request.
  func otlp(_ signal: OTLPSignal, _ request: Request, tenant: TenantID) async throws -> Response {
    let contentType = request.headers[.contentType]
    let isJSON = BodyFormat.ofOTLP(contentType) == .json
    let body: [UInt8]
    do {
      body = try await collected(request, signal, of: tenant, bytesMax: receiver.limits.otlpBodyMax)
    } catch let failure as RequestFailure {
      return Self.otlpFailure(
        failure.status, failure.message, isJSON: isJSON, retryAfterSeconds: failure.status.code == 503 ? 1 : nil)
    }
    let outcome = await receiver.otlp(
      signal,
      ReceiveRequest(
        tenant: tenant, contentType: contentType, contentEncoding: request.headers[.contentEncoding], body: body))
    guard outcome.failure == nil else {
      return Self.otlpFailure(
        HTTPResponse.Status(code: outcome.otlpStatus), outcome.message, isJSON: isJSON,
        retryAfterSeconds: outcome.retryAfterSeconds)
    }
    return Response(
      .ok, Self.mediaType(isJSON: isJSON),
      OTLPResponse.export(signal, rejected: outcome.rejections.total, message: outcome.message, asJSON: isJSON))
  }

  private static func mediaType(isJSON: Bool) -> String { isJSON ? "application/json" : "application/x-protobuf" }

  private static func otlpFailure(
    _ status: HTTPResponse.Status, _ message: String, isJSON: Bool, retryAfterSeconds: Int?
  ) -> Response {
    let code: GRPCStatus.Code =
      switch status.code {
      case 429: .resourceExhausted
      case 503: .unavailable
      default: .invalidArgument
      }
    return Response(
      status, mediaType(isJSON: isJSON),
      OTLPResponse.status(code: Int32(truncatingIfNeeded: code.rawValue), message: message, asJSON: isJSON),
      headers: retryHeaders(retryAfterSeconds))
  }

  private static func retryHeaders(_ seconds: Int?) -> HTTPFields {
    seconds.map { [.retryAfter: String($0)] } ?? [:]
  }

  /// Prometheus remote write.
  ///
  /// What must never come again is answered 400, because some agents retry everything else for ever.
  func remoteWrite(_ request: Request, tenant: TenantID) async throws -> Response {
    let body: [UInt8]
    do {
      body = try await collected(request, .metrics, of: tenant, bytesMax: receiver.limits.remoteWriteBodyMax)
    } catch let failure as RequestFailure {
      guard failure.status == .contentTooLarge else { throw failure }
      return Response(.badRequest, text: failure.message + "\n", headers: [.connection: "close"])
    }
    let outcome = await receiver.remoteWrite(
      ReceiveRequest(
        tenant: tenant, contentType: request.headers[.contentType],
        contentEncoding: request.headers[.contentEncoding], body: body))
    var headers = Self.retryHeaders(outcome.retryAfterSeconds)
    headers[.samplesWritten] = String(outcome.samples)
    headers[.histogramsWritten] = String(outcome.histograms)
    headers[.exemplarsWritten] = String(outcome.exemplars)
    let status = HTTPResponse.Status(code: outcome.remoteWriteStatus)
    guard status.code >= 300 else { return Response(status: status, headers: headers) }
    return Response(status, text: outcome.message + "\n", headers: headers)
  }

  /// OTLP over gRPC: the bytes of the export response.
  ///
  /// Throws `GRPCStatus`, and what reading the request throws.
  func export(_ signal: OTLPSignal, _ request: Request, tenant: TenantID) async throws -> [UInt8] {
    let message = try GRPCMessage(
      body: try await collected(
        request, signal, of: tenant, bytesMax: receiver.limits.otlpBodyMax + GRPCMessage.prefixBytes))
    let outcome = await receiver.otlp(
      signal,
      ReceiveRequest(
        tenant: tenant, contentType: "application/x-protobuf",
        contentEncoding: try Self.coding(of: message, request.headers[.grpcEncoding]), body: message.bytes))
    switch outcome.failure {
    case nil:
      return OTLPResponse.export(
        signal, rejected: outcome.rejections.total, message: outcome.message, asJSON: false)
    case .tooLarge: throw GRPCStatus(.resourceExhausted, outcome.message)
    case .unsupportedMediaType: throw GRPCStatus(.unimplemented, outcome.message)
    case .invalid: throw GRPCStatus(.invalidArgument, outcome.message)
    case .rateLimited:
      throw GRPCStatus(.resourceExhausted, outcome.message, retryAfterSeconds: outcome.retryAfterSeconds ?? 1)
    case .overloaded, .shed, .unavailable:
      throw GRPCStatus(.unavailable, outcome.message, retryAfterSeconds: outcome.retryAfterSeconds ?? 1)
    }
  }

  /// How a message is compressed; nil for not at all.
  private static func coding(of message: GRPCMessage, _ header: String?) throws(GRPCStatus) -> String? {
    guard message.isCompressed else { return nil }
    guard let header, header != "identity" else {
      throw GRPCStatus(.internal, "the message says that it is compressed, but grpc-encoding does not say how")
    }
    return header
  }

  /// Stores values of the server's own as one sample each, at a time in milliseconds.
  ///
  /// `instance` tells nodes of a cluster apart. Throws `SinkError`.
  func store(_ families: [MetricFamily], at time: Int64, job: String, instance: String? = nil) async throws {
    let target = [Label("job", job)] + (instance.map { [Label("instance", $0)] } ?? [])
    var batch = SeriesBatchBuilder()
    var definitions = SeriesDefinitionsBuilder()
    for family in families {
      definitions.append(metric: family.name, MetricMetadata(kind: family.kind, help: family.help))
      for point in family.points {
        let labels = LabelSet(point.labels + [Label(LabelSet.nameLabel, family.name)] + target)
        let id = SeriesID(labels, tenant: .default)
        definitions.append(id, labels: labels)
        batch.beginSeries(id)
        batch.append(timestamp: time, valueBits: point.value.bitPattern)
      }
    }
    let named = definitions.build(tenant: .default)
    let batchID = Hash128(high: UInt64(bitPattern: time), low: UInt64(batch.seriesCount))
    guard let built = batch.build(tenant: .default, batchID: batchID) else { return }
    do throws(SinkError) {
      _ = try await sink.append(series: built, definitions: named)
      ledger.enter(built.sampleCount, .metrics, of: .default, failure: nil)
    } catch {
      ledger.enter(built.sampleCount, .metrics, of: .default, failure: error)
      throw error
    }
  }
}

extension OTLPSignal {
  /// The signal's name, as paths and labels show it.
  var name: String {
    switch self {
    case .metrics: "metrics"
    case .traces: "traces"
    case .logs: "logs"
    }
  }
}
