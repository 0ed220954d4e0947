import NeedletailBlocks
import NeedletailTelemetry

extension EventEngine {
  /// The matching log records, as of now, page by page; those that cannot be read are left out and named by the scan.
  package func selectLogs(_ query: EventQuery) throws(EventEngineError) -> EventScan<LogRecord> {
    guard !isSpans else { throw .wrongKind }
    let (snapshot, damages) = readable(query.range)
    return try EventScan(self, query, snapshot: snapshot, damages: damages) { row, _ throws(MalformedBytes) in
      try row.log()
    }
  }

  /// The matching spans, as of now, page by page; those that cannot be read are left out and named by the scan.
  package func selectSpans(_ query: EventQuery) throws(EventEngineError) -> EventScan<SpanRecord> {
    guard isSpans else { throw .wrongKind }
    let (snapshot, damages) = readable(query.range)
    return try EventScan(self, query, snapshot: snapshot, damages: damages) { row, _ throws(MalformedBytes) in
      try row.span()
    }
  }

  /// The matching streams that have events within the range, by the bytes of their labels; at most `limit`.
  ///
  /// Conditions on labels that streams do not have are not applied; parts are judged as a whole.
  package func streams(
    tenant: TenantID, matchers: [LabelMatcher] = [], range: EventTimeRange = .all, limit: Int = 10_000
  ) -> EventListing<StreamEntry> {
    let (snapshot, damages) = readable(range)
    let query = EventQuery(tenant: tenant, matchers: matchers, range: range)
    let sorted = Self.streams(RowFilter(query, isSpans: isSpans), in: snapshot).sorted { left, right in
      left.labels.canonicalBytes.lexicographicallyPrecedes(right.labels.canonicalBytes)
    }
    return EventListing(elements: Array(sorted.prefix(max(0, limit))), damages: damages)
  }

  private static func streams(_ filter: RowFilter, in snapshot: Snapshot) -> [StreamEntry] {
    var found: [Hash128: StreamEntry] = [:]
    let range = filter.query.range
    for batch in snapshot.batches
    where batch.timeMin <= range.endNanoseconds && batch.timeMax >= range.startNanoseconds {
      for stream in batch.streams where filter.rest(of: stream) != nil { found[stream.identity] = stream }
    }
    for part in snapshot.parts
    where part.range.min <= range.endNanoseconds && part.range.max >= range.startNanoseconds {
      for stream in part.streams where filter.rest(of: stream) != nil { found[stream.identity] = stream }
    }
    return Array(found.values)
  }

  /// The names of labels, sorted, at most `limit`: those of streams, those that all rows have, and those of attributes.
  package func labelNames(
    tenant: TenantID, range: EventTimeRange = .all, limit: Int = 10_000
  ) -> EventListing<String> {
    let (snapshot, damages) = readable(range)
    var names = Set(RowLabel.names(isSpans: isSpans))
    let filter = RowFilter(EventQuery(tenant: tenant, range: range), isSpans: isSpans)
    for stream in Self.streams(filter, in: snapshot) {
      for label in stream.labels.labels { names.insert(label.name) }
    }
    names.formUnion(Self.attributeNames(tenant: tenant, range: range, in: snapshot))
    return EventListing(elements: Array(names.sorted().prefix(max(0, limit))), damages: damages)
  }

  /// Label names of attributes: of parts from their directories, of the head from at most `headRowsMax` of its newest
  /// rows.
  private static func attributeNames(
    tenant: TenantID, range: EventTimeRange, in snapshot: Snapshot, headRowsMax: Int = 100_000
  ) -> Set<String> {
    var keys: Set<[UInt8]> = []
    var rowCount = 0
    for batch in snapshot.batches.reversed()
    where batch.batch.tenant == tenant && batch.timeMin <= range.endNanoseconds
      && batch.timeMax >= range.startNanoseconds
    {
      guard rowCount < headRowsMax else { break }
      rowCount += batch.rows.count
      batch.forEachRow { _, row, _ in
        EncodedAttributes(bytes: row.attributes).forEach { key, _ in
          if keys.count < PartFormat.attributeNamesMax { keys.insert(Array(key)) }
          return true
        }
      }
    }
    var names = Set(keys.map { LabelName.of(String(decoding: $0, as: UTF8.self)) })
    for part in snapshot.parts
    where part.range.min <= range.endNanoseconds && part.range.max >= range.startNanoseconds {
      for of in part.directory.attributeNames where of.tenant == tenant.description { names.formUnion(of.names) }
    }
    return names
  }

  /// The values of a label, sorted, at most `limit`.
  ///
  /// Values that only rows tell are gathered from at most `rowsMax` of the newest matching rows.
  package func labelValues(
    _ name: String, tenant: TenantID, matchers: [LabelMatcher] = [], range: EventTimeRange = .all, limit: Int = 10_000,
    rowsMax: Int = 100_000
  ) throws(EventEngineError) -> EventListing<String> {
    let (snapshot, unreadable) = readable(range)
    var damages = unreadable
    var query = EventQuery(
      tenant: tenant, matchers: matchers, range: range, limit: rowsMax, direction: .newestFirst)
    let label = RowLabel(name, isSpans: isSpans)
    var values: Set<String> = []
    var isOfRows = !label.isAttribute
    for stream in Self.streams(RowFilter(query, isSpans: isSpans), in: snapshot) {
      if let value = stream.value(name) { values.insert(value) } else { isOfRows = true }
    }
    if label.isAttribute, isOfRows {
      isOfRows = Self.attributeNames(tenant: tenant, range: range, in: snapshot).contains(name)
    }
    if isOfRows {
      if !label.isAttribute { values = [] }
      query.matchers.append(contentsOf: (try? [LabelMatcher(name, .notEqual, "")]) ?? [])
      let columns = Array(label.columns)
      let scan = try EventScan(self, query, snapshot: snapshot, damages: damages, columns: columns) { row, stream in
        label.withValue(row, stream) { String(decoding: $0, as: UTF8.self) }
      }
      while true {
        let page = try scan.next()
        guard !page.isEmpty, values.count < limit else { break }
        for hit in page where !hit.record.isEmpty { values.insert(hit.record) }
      }
      damages = scan.damages
    }
    return EventListing(elements: Array(values.sorted().prefix(max(0, limit))), damages: damages)
  }
}
