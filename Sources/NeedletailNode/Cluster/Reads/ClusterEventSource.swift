import NeedletailCluster
import NeedletailEnvironment
import NeedletailEvents
import NeedletailQueryEngine
import NeedletailTelemetry

/// The logs and spans of the whole cluster, for one question: the union of what R ready replicas of each slot have.
struct ClusterEventSource: EventSource, TraceSource {
  private static let traceSpansMax = 100_000
  private static let traceBytesMax = 256 << 20

  let reads: ClusterReads
  let question: ClusterQuestion

  func selectLogs(_ selection: EventSelection) async throws -> any EventCursor<LogRecord> {
    let plan = try EventPlan(selection.whole)
    let hits = try await hits(.logs(selection.whole), selection) { [store = reads.events] in
      try EventStore.translating { () throws(EventEngineError) in
        EngineHits(try store.logs.selectLogs(plan.query), plan)
      }
    }
    return ClusterEventCursor(hits.hits, try EventPlan(selection), hits.coverage)
  }

  func selectSpans(_ selection: EventSelection) async throws -> any EventCursor<SpanRecord> {
    let plan = try EventPlan(selection.whole)
    let hits = try await hits(.spans(selection.whole), selection) { [store = reads.events] in
      try EventStore.translating { () throws(EventEngineError) in
        EngineHits(try store.spans.selectSpans(plan.query), plan)
      }
    }
    return ClusterEventCursor(hits.hits, try EventPlan(selection), hits.coverage)
  }

  /// A source on its way from the task that opened it.
  ///
  /// `@unchecked Sendable`: that task kept nothing of it, and whoever waits for it is the only one to use it.
  private struct Opened<Record: SharedEvent>: @unchecked Sendable {
    let hits: any EventHits<Record>
  }

  private func hits<Record: SharedEvent>(
    _ subject: ReadSubject, _ selection: EventSelection, _ own: @escaping @Sendable () throws -> any EventHits<Record>
  ) async throws -> (hits: UnionHits<Record>, coverage: SlotCoverage) {
    let (tenant, range, order) = (selection.tenant, selection.range, selection.order)
    let gathering = GatheringRead(
      reads: reads, question: question, subject: try subject.encoded(), windows: range.windows,
      messageBytesMax: EventHitsMessage.bytesMax)
    let result = try await withTaskExecutorPreference(reads.executor) { [reads] in
      try await gathering.run {
        Opened<Record>(hits: try own())
      } remote: { _, rest throws(PeerError) in
        Opened<Record>(hits: RemoteHits(rest, reads, tenant: tenant, range: range, order))
      }
    }
    return (UnionHits(result.answers.map(\.value.hits), order), result.coverage)
  }

  // MARK: - Traces

  private func spans(_ id: TraceID, tenant: TenantID) async throws -> [EventHit<SpanRecord>] {
    let selection = EventSelection(tenant: tenant, matchers: [], range: .all)
    let union: UnionHits<SpanRecord> = try await hits(.trace(id, tenant), selection) { [store = reads.events] in
      try EventStore.translating { () throws(EventEngineError) in
        ListedHits(try store.spans.trace(id, tenant: tenant))
      }
    }.hits
    return try await withTaskExecutorPreference(reads.executor) {
      var (spans, bytes): ([EventHit<SpanRecord>], Int) = ([], 0)
      while true {
        let page = try await union.next()
        if page.isEmpty { return spans }
        spans += page
        bytes += page.reduce(0) { $0 + $1.byteCount }
        guard spans.count <= Self.traceSpansMax, bytes <= Self.traceBytesMax else {
          throw QueryError(
            .execution, "trace \(id) has more than \(Self.traceSpansMax) spans or \(Self.traceBytesMax) bytes")
        }
      }
    }
  }

  func trace(_ id: TraceID, tenant: TenantID, range: EventTimeRange?) async throws -> EventColumns<SpanRecord> {
    EventStore.columns(ofTrace: try await spans(id, tenant: tenant), range)
  }

  func wholeTrace(_ id: TraceID, tenant: TenantID) async throws -> [(stream: EventStream, span: SpanRecord)] {
    try await spans(id, tenant: tenant).map { ($0.stream.stream, $0.record) }
  }

  /// Of a trace that replicas know differently, what the one with the most spans of it says counts.
  func search(_ question: TraceSearch) async throws -> [TraceSummary] {
    let found = try await lists(.traceSearch(question), question.range.windows) {
      try await $0.search(question)
    } decode: { bytes throws(MalformedBytes) in
      try TraceMessage.decodeFound(bytes, limit: question.limit)
    }.lists
    var best: [TraceID: TraceSummary] = [:]
    for trace in found.joined() where trace.spanCount > best[trace.traceID]?.spanCount ?? -1 {
      best[trace.traceID] = trace
    }
    return Array(
      best.values.sorted { left, right in
        left.startNanoseconds != right.startNanoseconds
          ? left.startNanoseconds > right.startNanoseconds : left.traceID < right.traceID
      }.prefix(question.limit))
  }

  // MARK: - Lists

  func fieldNames(_ signal: EventSignal, _ scope: EventScope, limit: Int) async throws -> Listing<String> {
    let found = try await lists(.fieldNames(signal, scope, limit: limit), scope.range.windows) {
      try await $0.fieldNames(signal, scope, limit: limit).whole()
    } decode: { bytes throws(MalformedBytes) in
      try ListMessage.texts(bytes, limit)
    }
    var list = UnionSeriesSource.texts(found.lists, limit)
    list.coverage.merge(Coverage(found.coverage))
    return list
  }

  func fieldValues(
    _ signal: EventSignal, field: String, _ scope: EventScope, limit: Int
  ) async throws -> Listing<String> {
    let found = try await lists(.fieldValues(signal, field: field, scope, limit: limit), scope.range.windows) {
      try await $0.fieldValues(signal, field: field, scope, limit: limit).whole()
    } decode: { bytes throws(MalformedBytes) in
      try ListMessage.texts(bytes, limit)
    }
    var list = UnionSeriesSource.texts(found.lists, limit)
    list.coverage.merge(Coverage(found.coverage))
    return list
  }

  func streams(_ signal: EventSignal, _ scope: EventScope, limit: Int) async throws -> Listing<LabelSet> {
    let found = try await lists(.streams(signal, scope, limit: limit), scope.range.windows) {
      try await $0.streams(signal, scope, limit: limit).whole()
    } decode: { bytes throws(MalformedBytes) in
      try ListMessage.labelSets(bytes, limit)
    }
    let all = Set(found.lists.flatMap(\.elements)).sorted {
      $0.canonicalBytes.lexicographicallyPrecedes($1.canonicalBytes)
    }
    return Listing(Array(all.prefix(limit)), coverage: Coverage(found.coverage))
  }

  private func lists<List: Sendable>(
    _ subject: ReadSubject, _ windows: ClosedRange<Int64>, own: @escaping @Sendable (EventStore) async throws -> List,
    decode: @escaping @Sendable ([UInt8]) throws(MalformedBytes) -> List
  ) async throws -> (lists: [List], coverage: SlotCoverage) {
    let gathering = GatheringRead(
      reads: reads, question: question, subject: try subject.encoded(), windows: windows,
      messageBytesMax: ClusterReads.listBytesMax)
    let result = try await withTaskExecutorPreference(reads.executor) { [store = reads.events] in
      try await gathering.run {
        try await own(store)
      } remote: { response, _ throws(PeerError) in
        do throws(MalformedBytes) { return try decode(response.data) } catch { throw .malformed("\(error)") }
      }
    }
    return (result.answers.map(\.value), result.coverage)
  }
}

/// Pages of events as columns, with how whole they are.
final class ClusterEventCursor<Record: SharedEvent>: EventCursor {
  private let hits: UnionHits<Record>
  private let plan: EventPlan
  private let slots: SlotCoverage
  private var remaining: Int

  init(_ hits: UnionHits<Record>, _ plan: EventPlan, _ slots: SlotCoverage) {
    (self.hits, self.plan, self.slots, remaining) = (hits, plan, slots, plan.selection.limit)
  }

  var coverage: Coverage { Coverage(slots) }

  func next() async throws -> EventColumns<Record>? {
    guard remaining > 0 else { return nil }
    try Task.checkCancellation()
    let page = try await hits.next().prefix(remaining)
    remaining -= page.count
    return page.isEmpty ? nil : plan.columns(of: page)
  }
}

extension EventSelection {
  /// The same events with all that they are.
  fileprivate var whole: EventSelection {
    var selection = self
    (selection.unwrap, selection.groupingFields, selection.wantsRecords) = (nil, nil, true)
    return selection
  }
}

extension EventTimeRange {
  /// The hours since 1970 that the range touches.
  var windows: ClosedRange<Int64> {
    let hour: Int64 = 3_600_000_000_000
    return Timestamp.floorDivide(startNanoseconds, by: hour)...Timestamp.floorDivide(endNanoseconds, by: hour)
  }
}

extension Listing {
  /// The list itself; throws `QueryError` where something of it could not be read.
  func whole() throws(QueryError) -> Listing {
    if let failure = coverage.failures.first { throw QueryError(.unavailable, failure) }
    return self
  }
}
