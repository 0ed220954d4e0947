import HTTPTypes
import HummingbirdCore
import NeedletailOTLP
import NeedletailQueryEngine
import NeedletailTelemetry
import NeedletailWire

/// Prometheus' remote read: raw samples, for whoever evaluates himself.
///
/// Its answers have no place for a warning. One that would lack something of a damaged part fails instead: a Prometheus
/// that asked tells that, where it would take what is there for all there is.
struct RemoteReadAPI: Sendable {
  /// The largest request as sent; a few selectors and their hints.
  private static let bodyBytesMax = 1 << 20
  /// The largest answer that is made in memory.
  static let answerBytesMax = 256 << 20

  private(set) var queries: QueryService

  func respond(to request: Request, _ context: ConnectionContext, tenant: TenantID) async throws -> Response {
    let body = try await request.collectedBody(bytesMax: Self.bodyBytesMax)
    do {
      // Regular expressions are compiled: not on the connection's thread.
      let question = try await withTaskExecutorPreference(queries.executor) { try await Self.question(body) }
      let asked = try queries.question(FormParameters())
      var api = self
      api.queries = queries.asking(asked)
      var response =
        switch question.answerType {
        case .samples: try await api.samples(question, context, tenant)
        case .chunks: try await api.chunks(question, context, tenant)
        }
      asked.tell(in: &response)
      if let loss = queries.losses.first { response.headers[.warning] = Self.warning(loss) }
      return response
    } catch let error as QueryError {
      return Response(Self.status(of: error.kind), text: error.message + "\n")
    }
  }

  private static func question(_ body: [UInt8]) async throws -> RemoteReadRequest {
    let limits = DecompressionLimits(outputMax: RemoteReadRequest.bytesMax)
    do {
      let bytes = try body.withUnsafeBytes { try Decompression.decompress($0, coding: .snappy, limits: limits) }
      return try bytes.withUnsafeBytes { try RemoteReadRequest($0) }
    } catch let error as DecompressionError {
      throw QueryError(.badData, error.explanation)
    } catch let error as RemoteReadError {
      throw QueryError(.badData, "\(error)")
    }
  }

  /// As Prometheus: what is beyond a limit is a bad request too.
  private static func status(of kind: QueryError.Kind) -> HTTPResponse.Status {
    kind == .execution ? .badRequest : PrometheusEnvelope.status(of: kind)
  }

  private static func warning(_ text: String) -> String {
    let plain = text.unicodeScalars.map { $0.isASCII && $0.value >= 32 && $0 != "\"" && $0 != "\\" ? $0 : " " }
    return "199 needletail \"" + String(String.UnicodeScalarView(plain)) + "\""
  }

  // MARK: Samples

  private func samples(
    _ question: RemoteReadRequest, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let body = try await queries.run(for: context) { engine in
      let reading = RemoteReading(question, engine.series, engine.limits, tenant)
      var answer = ProtobufWriter()
      for query in question.queries.indices {
        var result = ProtobufWriter()
        try await reading.begin(query)
        while let columns = try await reading.next() {
          RemoteReading.forEachSeries(of: columns) { RemoteReadAnswer.append($0, to: &result) }
          guard answer.count + result.count <= Self.answerBytesMax else {
            throw QueryError(
              .execution,
              "the samples are more than \(Self.answerBytesMax) bytes; ask for less, or for STREAMED_XOR_CHUNKS")
          }
        }
        answer.field(1, bytes: result.bytes)
      }
      // No answer at all is one without results.
      guard let compressed = BodyCompressor.snappy(answer.bytes) else {
        throw QueryError(.internal, "the answer could not be compressed")
      }
      return compressed
    }
    return Response(.ok, "application/x-protobuf", body, headers: [.contentEncoding: "snappy"])
  }

  // MARK: Chunks

  private func chunks(
    _ question: RemoteReadRequest, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    // What goes wrong before the first piece is there still has a status.
    let clock = queries.clock
    let started = clock.monotonicNanoseconds()
    let (frames, first) = try await queries.run(for: context) { engine in
      let reading = RemoteReading(question, engine.series, engine.limits, tenant)
      let limit = engine.limits.timeout
      // Once the first piece is there nobody else looks at the time.
      reading.checkTime = {
        guard clock.monotonicNanoseconds() - started > limit.nanosecondsClamped else { return }
        throw QueryError(.timeout, "query timed out after \(limit)")
      }
      let frames = RemoteReadFrames(reading, isSorted: try await Self.isSorted(engine, tenant))
      return (frames, try await frames.next())
    }
    let executor = queries.executor
    let body = ResponseBody { writer in
      var piece = first
      while let bytes = piece {
        try await writer.write(pieces: bytes)
        // Reading waits for the disk, which the connection's thread must not.
        piece = try await withTaskExecutorPreference(executor) { try await frames.next() }
      }
      try await writer.finish(nil)
    }
    return Response(
      status: .ok,
      headers: [.contentType: "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"], body: body)
  }

  /// Whether the series come in Prometheus' order, which clients rely on when they merge answers.
  ///
  /// Ours is by metric name first, and Prometheus' by all labels in turn: these differ only where a label's name comes
  /// before `__name__`, as one in capitals does.
  private static func isSorted(_ engine: QueryEngine, _ tenant: TenantID) async throws -> Bool {
    let first = try await engine.series.labelNames(MetadataScope(tenant: tenant), limit: 1).elements.first
    return first.map { !$0.utf8.lexicographicallyPrecedes(LabelSet.nameLabel.utf8) } ?? true
  }
}
