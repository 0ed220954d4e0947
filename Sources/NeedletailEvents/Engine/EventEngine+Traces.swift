import NeedletailBlocks
import NeedletailTelemetry

/// What a search tells of a trace.
package struct TraceSummary: Equatable, Sendable {
  package var traceID: TraceID
  /// The service and name of the span without a parent; of the earliest span where that is missing.
  package var rootService: String
  package var rootName: String
  /// Nanoseconds since 1970 of the earliest start.
  package var startNanoseconds: Int64
  /// Nanoseconds from the earliest start to the latest end.
  package var durationNanoseconds: Int64
  package var spanCount: Int
  /// Spans that have all the tags.
  package var matchedSpanCount: Int
}

extension EventEngine {
  /// All spans of a trace, each once, by start.
  ///
  /// Reads only the blocks that the index names; `range` keeps it from looking into parts that lie wholly outside.
  package func trace(
    _ id: TraceID, tenant: TenantID, range: EventTimeRange = .all
  ) throws(EventEngineError) -> [EventHit<SpanRecord>] {
    guard isSpans else { throw .wrongKind }
    var hits: [EventHit<SpanRecord>] = []
    var problem: MalformedBytes?
    try forEachRow(of: id, tenant: tenant, range) { row, stream in
      do throws(MalformedBytes) {
        hits.append(EventHit(stream: stream, record: try row.span()))
      } catch {
        problem = error
      }
    }
    if let problem { throw .malformed(problem) }
    return hits.sorted { $0.record.startNanoseconds < $1.record.startNanoseconds }
  }

  /// Calls `body` with every row of a trace, each record once, in no particular order.
  private func forEachRow(
    of id: TraceID, tenant: TenantID, _ range: EventTimeRange, _ body: (EventRow, StreamEntry) -> Void
  ) throws(EventEngineError) {
    let (rows, parts, problem) = state.withLock { state in
      (
        state.head.rows(of: id) + (state.frozen?.rows(of: id) ?? []), state.parts,
        Self.problem(range, in: &state)
      )
    }
    if let problem { throw .block(problem) }
    var seen: Set<EventKey> = []
    for (batch, row) in rows where batch.batch.tenant == tenant {
      batch.withRow(row) { event, stream in
        if seen.insert(event.key).inserted { body(event, stream) }
      }
    }
    do throws(BlockError) {
      for part in parts where part.range.min <= range.endNanoseconds && part.range.max >= range.startNanoseconds {
        for number in try part.blocks(of: id) {
          if Task.isCancelled { break }
          let columns = try BlockColumns(part, part.directory.blocks[number])
          try columns.load(ColumnGroup.allCases)
          note(read: 1)
          for row in 0..<columns.rowCount where columns.stream(of: row).tenant == tenant {
            columns.withRow(row) { event in
              guard event.traceID == id, seen.insert(event.key).inserted else { return }
              body(event, columns.stream(of: row))
            }
          }
        }
      }
    } catch {
      note(failed: 1)
      throw .block(error)
    }
    if Task.isCancelled { throw .cancelled }
  }

  /// The newest traces that have a span within the range with all the tags, and last as long as asked, newest first by
  /// that span's start.
  ///
  /// Tags are labels of spans, named as attributes or as labels (`service.name` and `service_name` are the same).
  /// Durations, in nanoseconds, are of the whole trace.
  package func searchTraces(
    tenant: TenantID, tags: [(key: String, value: String)] = [], minDuration: Int64? = nil, maxDuration: Int64? = nil,
    range: EventTimeRange = .all, limit: Int = 20
  ) throws(EventEngineError) -> [TraceSummary] {
    guard isSpans else { throw .wrongKind }
    let matchers = tags.map { LabelMatcher(LabelName.of($0.key), equals: $0.value) }
    let query = EventQuery(tenant: tenant, matchers: matchers, range: range, direction: .newestFirst)
    let filter = RowFilter(query, isSpans: true)
    let scan = try EventScan(self, query, snapshot: snapshot(range), columns: [.traces]) { row, _ in row.traceID }
    var seen: Set<TraceID> = []
    var found: [TraceSummary] = []
    while found.count < limit {
      let page = try scan.next()
      if page.isEmpty { break }
      for hit in page where found.count < limit && hit.record.isValid && seen.insert(hit.record).inserted {
        guard let summary = try summary(of: hit.record, tenant: tenant, filter) else { continue }
        if let minDuration, summary.durationNanoseconds < minDuration { continue }
        if let maxDuration, summary.durationNanoseconds > maxDuration { continue }
        found.append(summary)
      }
    }
    return found
  }

  private func summary(
    of id: TraceID, tenant: TenantID, _ filter: RowFilter
  ) throws(EventEngineError) -> TraceSummary? {
    var summary: TraceSummary?
    var end = Int64.min
    var root: (isRoot: Bool, start: Int64)?
    try forEachRow(of: id, tenant: tenant, .all) { row, stream in
      var current =
        summary
        ?? TraceSummary(
          traceID: id, rootService: "", rootName: "", startNanoseconds: row.time, durationNanoseconds: 0, spanCount: 0,
          matchedSpanCount: 0)
      let isRoot = !row.parentSpanID.isValid
      let isBetter = root.map { isRoot != $0.isRoot ? isRoot : row.time < $0.start } ?? true
      if isBetter {
        root = (isRoot, row.time)
        current.rootService = stream.stream.serviceName
        current.rootName = String(decoding: row.name, as: UTF8.self)
      }
      current.startNanoseconds = min(current.startNanoseconds, row.time)
      end = max(end, row.secondTime)
      current.spanCount += 1
      if let rest = filter.rest(of: stream), filter.matches(row, stream, rest: rest) { current.matchedSpanCount += 1 }
      summary = current
    }
    guard var summary else { return nil }
    let (duration, overflow) = end.subtractingReportingOverflow(summary.startNanoseconds)
    summary.durationNanoseconds = overflow ? .max : max(0, duration)
    return summary
  }
}
