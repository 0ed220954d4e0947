// The two event engines as the sources that the query engine knows. The engines filter by labels, text and duration
// where they read; what only a decoded record can tell (numbers in fields, alternatives) is decided here.

import NeedletailEvents
import NeedletailQueryEngine
import NeedletailTelemetry

/// Logs and spans of this node.
struct EventStore: EventSource, TraceSource {
  let logs: EventEngine
  let spans: EventEngine
  /// What every list may lack; what answers to queries may, the query engine tells.
  let losses: [String]

  func selectLogs(_ selection: EventSelection) async throws -> any EventCursor<LogRecord> {
    let plan = try EventPlan(selection)
    let scan = try Self.translating { () throws(EventEngineError) in try logs.selectLogs(plan.query) }
    return EngineEventCursor(scan, plan)
  }

  func selectSpans(_ selection: EventSelection) async throws -> any EventCursor<SpanRecord> {
    let plan = try EventPlan(selection)
    let scan = try Self.translating { () throws(EventEngineError) in try spans.selectSpans(plan.query) }
    return EngineEventCursor(scan, plan)
  }

  func trace(_ id: TraceID, tenant: TenantID, range: EventTimeRange?) async throws -> EventColumns<SpanRecord> {
    let hits = try Self.translating { () throws(EventEngineError) in try spans.trace(id, tenant: tenant) }
    return Self.columns(ofTrace: hits, range)
  }

  /// The spans of a trace that start within the range, as columns.
  static func columns(ofTrace hits: [EventHit<SpanRecord>], _ range: EventTimeRange?) -> EventColumns<SpanRecord> {
    var columns = EventColumns<SpanRecord>()
    var places: [Hash128: Int] = [:]
    for hit in hits where range?.contains(hit.record.startNanoseconds) ?? true {
      let key = hit.stream.identity
      let place = places[key] ?? columns.streams.count
      if place == columns.streams.count {
        places[key] = place
        columns.streams.append(hit.stream.labels)
      }
      columns.streamIndexes.append(place)
      columns.timestamps.append(hit.record.startNanoseconds)
      columns.sizes.append(0)
      columns.records.append(hit.record)
      columns.recordBytes += hit.byteCount
    }
    return columns
  }

  func fieldNames(_ signal: EventSignal, _ scope: EventScope, limit: Int) async throws -> Listing<String> {
    listing(engine(signal).labelNames(tenant: scope.tenant, range: scope.range, limit: limit)) { $0 }
  }

  func fieldValues(
    _ signal: EventSignal, field: String, _ scope: EventScope, limit: Int
  ) async throws -> Listing<String> {
    let values = try Self.translating { () throws(EventEngineError) in
      try engine(signal).labelValues(
        field, tenant: scope.tenant, matchers: scope.matchers, range: scope.range, limit: limit)
    }
    return listing(values) { $0 }
  }

  func streams(_ signal: EventSignal, _ scope: EventScope, limit: Int) async throws -> Listing<LabelSet> {
    let streams = engine(signal).streams(
      tenant: scope.tenant, matchers: scope.matchers, range: scope.range, limit: limit)
    return listing(streams, \.labels)
  }

  private func listing<Element, Result>(
    _ listing: EventListing<Element>, _ result: (Element) -> Result
  ) -> Listing<Result> {
    Listing(
      listing.elements.map(result), coverage: Coverage(failures: losses + listing.damages.map(\.description)))
  }

  func wholeTrace(_ id: TraceID, tenant: TenantID) async throws -> [(stream: EventStream, span: SpanRecord)] {
    let hits = try Self.translating { () throws(EventEngineError) in try spans.trace(id, tenant: tenant) }
    return hits.map { ($0.stream.stream, $0.record) }
  }

  func search(_ question: TraceSearch) async throws -> [TraceSummary] {
    try Self.translating { () throws(EventEngineError) in
      try spans.searchTraces(
        tenant: question.tenant, tags: question.tags, minDuration: question.minDuration,
        maxDuration: question.maxDuration, range: question.range, limit: question.limit)
    }
  }

  private func engine(_ signal: EventSignal) -> EventEngine { signal == .logs ? logs : spans }

  /// Runs `body` and sorts its errors as queries sort them.
  static func translating<Result>(_ body: () throws(EventEngineError) -> Result) throws -> Result {
    do throws(EventEngineError) {
      return try body()
    } catch {
      switch error {
      case .cancelled: throw CancellationError()
      case .traceTooLarge: throw QueryError(.execution, "\(error)")
      case .notAttached: throw QueryError(.timeout, "\(error)")
      default: throw QueryError(.internal, "\(error)")
      }
    }
  }
}
