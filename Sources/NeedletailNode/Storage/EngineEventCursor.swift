import NeedletailEvents
import NeedletailQueryEngine
import NeedletailTelemetry

/// Pages of an engine's scan as chunks of columns.
///
/// The engine bounds each page by bytes; what the chunks add up to is for the query engine to bound, by `recordBytes`.
final class EngineEventCursor<Record: Sendable & EventFields>: EventCursor {
  private let scan: EventScan<Record>
  private let plan: EventPlan
  private var remaining: Int
  private let pageSize = 4096

  init(_ scan: EventScan<Record>, _ plan: EventPlan) {
    self.scan = scan
    self.plan = plan
    remaining = plan.selection.limit
  }

  var coverage: Coverage { Coverage(failures: scan.damages.map(\.description)) }

  func next() async throws -> EventColumns<Record>? {
    while remaining > 0 {
      try Task.checkCancellation()
      let page = try EventStore.translating { () throws(EventEngineError) in
        try scan.next(upTo: min(pageSize, remaining))
      }
      guard !page.isEmpty else { return nil }
      let columns = plan.columns(of: page)
      remaining -= columns.count
      // A page of which nothing passed is no end.
      if columns.count > 0 { return columns }
    }
    return nil
  }
}

extension EventPlan {
  /// Events as the selection wants them told.
  func columns<Record: EventFields>(of page: some Sequence<EventHit<Record>>) -> EventColumns<Record> {
    var columns = EventColumns<Record>()
    var places: [LabelSet: Int] = [:]
    for hit in page where passes(hit) {
      let labels = labels(of: hit)
      let place: Int
      if let known = places[labels] {
        place = known
      } else {
        place = columns.streams.count
        places[labels] = place
        columns.streams.append(labels)
      }
      columns.streamIndexes.append(place)
      columns.timestamps.append(hit.record.eventTime)
      columns.sizes.append(hit.record.lineBytes)
      if let field = selection.unwrap { columns.values.append(Self.number(Self.field(field, hit)) ?? .nan) }
      if selection.wantsRecords {
        columns.records.append(hit.record)
        columns.recordBytes += hit.byteCount
      }
    }
    return columns
  }

  /// The stream's labels, and those that the answer is grouped by and only the record has.
  private func labels<Record: EventFields>(of hit: EventHit<Record>) -> LabelSet {
    guard let fields = selection.groupingFields, !fields.isEmpty else { return hit.stream.labels }
    var builder = LabelSetBuilder()
    for label in hit.stream.labels.labels { builder.set(label.name, label.value) }
    for field in fields where hit.stream.value(field) == nil {
      if let value = hit.record.field(field) { builder.set(field, value) }
    }
    return builder.build()
  }

  private static func field<Record: EventFields>(_ name: String, _ hit: EventHit<Record>) -> String? {
    hit.record.field(name) ?? hit.stream.value(name)
  }

  /// Whether what the engine cannot apply holds of an event.
  func passes<Record: EventFields>(_ hit: EventHit<Record>) -> Bool { rest.allSatisfy { Self.passes($0, hit) } }

  private static func passes<Record: EventFields>(_ filter: FieldFilter, _ hit: EventHit<Record>) -> Bool {
    switch filter {
    case .matches(let matcher): matcher.matches(field(matcher.name, hit) ?? "")
    case .compares(let name, let comparison, let wanted):
      number(field(name, hit)).map { comparison.holds($0, wanted) } ?? false
    case .and(let left, let right): passes(left, hit) && passes(right, hit)
    case .or(let left, let right): passes(left, hit) || passes(right, hit)
    }
  }

  /// A number, or a duration in seconds.
  private static func number(_ text: String?) -> Double? {
    guard let text, !text.isEmpty else { return nil }
    return Double(text) ?? Timestamp.nanoseconds(goDuration: text).map { Double($0) / 1e9 }
  }
}
