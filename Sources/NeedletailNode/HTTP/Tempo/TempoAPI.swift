import HTTPTypes
import HummingbirdCore
import NeedletailEvents
import NeedletailQueryEngine
import NeedletailTelemetry
import NeedletailWire

/// Tempo's query API, as Grafana uses it.
///
/// Errors are plain text, as Tempo's are.
struct TempoAPI: Sendable {
  private static let defaultLimit = 20
  private static let limitMax = 1000

  private(set) var queries: QueryService

  func respond(
    to route: TempoRoute, _ request: Request, _ context: ConnectionContext, tenant: TenantID
  ) async throws -> Response {
    do {
      if route == .echo { return Response(.ok, text: "echo") }
      let parameters = try await request.parameters()
      let question = try queries.question(parameters)
      var api = self
      api.queries = queries.asking(question)
      var response =
        switch route {
        case .trace(let id): try await api.trace(id, isTold: false, request, context, tenant)
        case .toldTrace(let id): try await api.trace(id, isTold: true, request, context, tenant)
        case .search, .echo: try await api.search(parameters, context, tenant)
        }
      question.tell(in: &response)
      return response
    } catch let error as QueryError {
      return Response(PrometheusEnvelope.status(of: error.kind), text: error.message + "\n")
    }
  }

  private func trace(
    _ text: String, isTold: Bool, _ request: Request, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    guard let id = TraceID(hexadecimal: text), id.isValid else {
      throw QueryError(.badData, "trace IDs are 1 to 32 hexadecimal digits, not all of them zero")
    }
    let traces = queries.traces
    let spans = try await queries.run(for: context) { _ in try await traces.wholeTrace(id, tenant: tenant) }
    // An answer, not an error: how sure it is has to be told with it.
    guard !spans.isEmpty else {
      let shortage = queries.coverage?.shortage.map { ", but \($0)" } ?? ""
      return Response(.notFound, text: "trace \(id) not found\(shortage)\n")
    }
    if request.headers[.accept]?.contains("application/protobuf") ?? false {
      let trace = OTLPTraceJSON.protobuf(spans)
      return Response(
        .ok, "application/protobuf", isTold ? TempoTrace.protobuf(trace, queries.coverage) : trace)
    }
    let trace = OTLPTraceJSON.json(spans)
    return Response(
      .ok, "application/json",
      isTold ? TempoTrace.json(trace, queries.coverage) : TempoTrace.bareJSON(trace, queries.coverage))
  }

  /// Reads `tags` (logfmt), `minDuration`, `maxDuration`, `start`, `end` (seconds) and `limit`.
  private func search(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    if let text = parameters["q"], text.filter({ $0 != " " }) != "{}" {
      throw QueryError(.badData, "TraceQL is not understood yet; use tags, minDuration and maxDuration")
    }
    let question = TraceSearch(
      tenant: tenant, tags: try Logfmt.pairs(parameters["tags"] ?? ""),
      minDuration: try Self.duration("minDuration", parameters),
      maxDuration: try Self.duration("maxDuration", parameters), range: try Self.range(parameters),
      limit: min(Self.limitMax, try parameters.limit() ?? Self.defaultLimit))
    let traces = queries.traces
    let found = try await queries.run(for: context) { _ in try await traces.search(question) }
    var json = JSONWriter()
    json.object { json in
      json.key("traces")
      json.array { json in for trace in found { Self.write(trace, to: &json) } }
      json.key("metrics")
      json.object { json in
        json.key("inspectedTraces")
        json.integer(found.count)
      }
      queries.coverage?.appendStatus(to: &json)
    }
    return Response(json: json)
  }

  /// A trace as Tempo's search tells of it, and what Tempo leaves out: how long it took to the nanosecond, how many of
  /// its spans failed, and which of these began it.
  private static func write(_ trace: TraceSummary, to json: inout JSONWriter) {
    json.object { json in
      json.key("traceID")
      json.string(trace.traceID.description)
      json.key("rootServiceName")
      json.string(trace.rootService)
      json.key("rootTraceName")
      json.string(trace.rootName)
      json.key("startTimeUnixNano")
      json.quotedInteger(trace.startNanoseconds)
      json.key("durationMs")
      json.integer(trace.durationNanoseconds / 1_000_000)
      json.key("durationNanos")
      json.quotedInteger(trace.durationNanoseconds)
      json.key("errorCount")
      json.integer(trace.errorCount)
      guard let failure = trace.failure else { return }
      json.key("failedServiceName")
      json.string(failure.service)
      json.key("failedSpanName")
      json.string(failure.name)
    }
  }

  private static func duration(_ name: String, _ parameters: FormParameters) throws -> Int64? {
    guard let text = parameters[name] else { return nil }
    guard let nanoseconds = Timestamp.nanoseconds(goDuration: text) else {
      throw QueryError(.badData, "invalid \(name) \"\(text)\": write a duration such as 100ms or 1.5s")
    }
    return nanoseconds
  }

  private static func range(_ parameters: FormParameters) throws -> EventTimeRange {
    let start = try parameters.time("start").map { $0.multipliedReportingOverflow(by: 1_000_000) }
    let end = try parameters.time("end").map { $0.multipliedReportingOverflow(by: 1_000_000) }
    let range = EventTimeRange(
      startNanoseconds: start.map { $0.overflow ? .min : $0.partialValue } ?? .min,
      endNanoseconds: end.map { $0.overflow ? .max : $0.partialValue } ?? .max)
    guard let range else { throw QueryError(.badData, "end must not be before start") }
    return range
  }
}
