import NeedletailBlocks
import NeedletailTelemetry

/// What a search tells of a trace.
package struct TraceSummary: Equatable, Sendable {
  /// A span that failed, by its service and its own name.
  package struct Failure: Equatable, Sendable {
    package var service: String
    package var name: String

    package init(service: String, name: String) {
      self.service = service
      self.name = name
    }
  }

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
  /// Spans with the status `error`.
  package var errorCount = 0
  /// Where the errors come from: the earliest failed span that called no failed span; nil where none failed.
  package var failure: Failure?

  package init(
    traceID: TraceID, rootService: String, rootName: String, startNanoseconds: Int64, durationNanoseconds: Int64,
    spanCount: Int, matchedSpanCount: Int, errorCount: Int = 0, failure: Failure? = nil
  ) {
    self.traceID = traceID
    self.rootService = rootService
    self.rootName = rootName
    self.startNanoseconds = startNanoseconds
    self.durationNanoseconds = durationNanoseconds
    self.spanCount = spanCount
    self.matchedSpanCount = matchedSpanCount
    self.errorCount = errorCount
    self.failure = failure
  }
}

extension EventEngine {
  /// All spans of a trace, each once, by start.
  ///
  /// Reads only the blocks that the index names; `range` keeps it from looking into parts that lie wholly outside. A
  /// trace of more than `limit` spans or `bytesMax` bytes throws `.traceTooLarge` as soon as that is known: it is never
  /// cut. Ends at the next block when its task is cancelled.
  package func trace(
    _ id: TraceID, tenant: TenantID, range: EventTimeRange = .all, limit: Int = 100_000, bytesMax: Int = 256 << 20
  ) throws(EventEngineError) -> [EventHit<SpanRecord>] {
    guard isSpans else { throw .wrongKind }
    var hits: [EventHit<SpanRecord>] = []
    var byteCount = 0
    var problem: EventEngineError?
    try forEachRow(of: id, tenant: tenant, range) { row, stream in
      byteCount += row.byteCount
      guard hits.count < limit, byteCount <= bytesMax else {
        problem = .traceTooLarge(limit: limit, bytes: bytesMax)
        return false
      }
      do throws(MalformedBytes) {
        hits.append(EventHit(stream: stream, record: try row.span(), byteCount: row.byteCount))
      } catch {
        problem = .malformed(error)
        return false
      }
      return true
    }
    if let problem { throw problem }
    return hits.sorted { $0.record.startNanoseconds < $1.record.startNanoseconds }
  }

  /// Calls `body` with every row of a trace, each record once, in no particular order, until it returns false or the
  /// task is cancelled.
  private func forEachRow(
    of id: TraceID, tenant: TenantID, _ range: EventTimeRange, _ body: (EventRow, StreamEntry) -> Bool
  ) throws(EventEngineError) {
    let (rows, parts, problem) = state.withLock { state in
      (
        state.head.rows(of: id) + (state.frozen?.rows(of: id) ?? []), state.parts,
        Self.problem(range, in: &state)
      )
    }
    if let problem { throw .block(problem) }
    var seen: Set<EventKey> = []
    var goesOn = true
    for (number, (batch, row)) in rows.enumerated() where batch.batch.tenant == tenant {
      if number.isMultiple(of: PartFormat.blockRowsMax), Task.isCancelled { throw .cancelled }
      batch.withRow(row) { event, stream in
        if seen.insert(event.key).inserted { goesOn = body(event, stream) }
      }
      guard goesOn else { return }
    }
    for part in parts where part.range.min <= range.endNanoseconds && part.range.max >= range.startNanoseconds {
      if Task.isCancelled { throw .cancelled }
      for number in try reading({ () throws(BlockError) in try part.blocks(of: id) }) {
        if Task.isCancelled { throw .cancelled }
        let columns = try reading { () throws(BlockError) in
          let columns = try BlockColumns(part, part.directory.blocks[number])
          try columns.load(ColumnGroup.allCases)
          return columns
        }
        note(read: 1)
        for row in 0..<columns.rowCount where goesOn && columns.stream(of: row).tenant == tenant {
          columns.withRow(row) { event in
            guard event.traceID == id, seen.insert(event.key).inserted else { return }
            goesOn = body(event, columns.stream(of: row))
          }
        }
        guard goesOn else { return }
      }
    }
    if Task.isCancelled { throw .cancelled }
  }

  /// Reads of a part, and counts where that fails.
  private func reading<Result>(_ body: () throws(BlockError) -> Result) throws(EventEngineError) -> Result {
    do throws(BlockError) {
      return try body()
    } catch {
      note(failed: 1)
      throw .block(error)
    }
  }

  /// The newest traces that have a span within the range with all the tags, and last as long as asked, newest first by
  /// that span's start.
  ///
  /// Tags are labels of spans, named as attributes or as labels (`service.name` and `service_name` are the same).
  /// Durations, in nanoseconds, are of the whole trace. Ends at the next block when its task is cancelled, also in the
  /// middle of a trace.
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
    var failures = TraceFailures()
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
      failures.add(row, stream)
      summary = current
      return true
    }
    guard var summary else { return nil }
    let (duration, overflow) = end.subtractingReportingOverflow(summary.startNanoseconds)
    summary.durationNanoseconds = overflow ? .max : max(0, duration)
    summary.errorCount = failures.count
    summary.failure = failures.origin
    return summary
  }
}
