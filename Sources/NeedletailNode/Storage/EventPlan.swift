import NeedletailEvents
import NeedletailQueryEngine
import NeedletailTelemetry

/// A selection split into what the engine filters and what is left to do with each record.
struct EventPlan: Sendable {
  private(set) var query: EventQuery
  /// Conditions that the engine cannot apply.
  private(set) var rest: [FieldFilter] = []
  let selection: EventSelection

  init(_ selection: EventSelection) throws {
    self.selection = selection
    query = EventQuery(
      tenant: selection.tenant, matchers: selection.matchers, range: selection.range,
      direction: selection.order == .forward ? .oldestFirst : .newestFirst)
    for filter in selection.lineFilters {
      do throws(RegularExpressionError) {
        query.bodyFilters.append(try BodyFilter(Self.operation(filter.operation), filter.texts))
      } catch {
        throw QueryError(.badData, "\(error)")
      }
    }
    for filter in selection.fieldFilters { push(filter) }
    // Records that are dropped here must not count towards the engine's limit.
    if rest.isEmpty, selection.limit < .max { query.limit = selection.limit }
  }

  private mutating func push(_ filter: FieldFilter) {
    switch filter {
    case .matches(let matcher): query.matchers.append(matcher)
    case .and(let left, let right):
      push(left)
      push(right)
    case .compares("duration", .greaterOrEqual, let seconds):
      guard let nanoseconds = Timestamp.scaled(seconds, by: 1e9) else { return rest.append(filter) }
      limitDuration(to: nanoseconds...(.max))
    case .compares("duration", .lessOrEqual, let seconds):
      guard let nanoseconds = Timestamp.scaled(seconds, by: 1e9) else { return rest.append(filter) }
      limitDuration(to: .min...nanoseconds)
    case .compares, .or: rest.append(filter)
    }
  }

  private mutating func limitDuration(to bounds: ClosedRange<Int64>) {
    let before = query.duration ?? .min ... .max
    let lower = max(before.lowerBound, bounds.lowerBound)
    let upper = min(before.upperBound, bounds.upperBound)
    // Bounds that exclude each other leave a range that no duration, which is never negative, lies in.
    query.duration = lower <= upper ? lower...upper : -1 ... -1
  }

  private static func operation(_ operation: LineFilter.Operation) -> BodyFilter.Operation {
    switch operation {
    case .contains: .contains
    case .containsNot: .containsNot
    case .matches: .matches
    case .matchesNot: .matchesNot
    }
  }
}

/// What a plan asks of a record.
protocol EventFields {
  /// Nanoseconds since 1970.
  var eventTime: Int64 { get }
  /// Bytes of the line, of logs.
  var lineBytes: Int { get }
  /// A field of the record itself, not of its stream; nil where it has none of that name.
  func field(_ name: String) -> String?
}

extension LogRecord: EventFields {
  var eventTime: Int64 { timeNanoseconds }
  var lineBytes: Int { body.text.utf8.count }

  func field(_ name: String) -> String? {
    switch name {
    case "level": level
    case "severity_text": severityText
    case "event_name": eventName
    case "trace_id": traceID.isValid ? traceID.description : nil
    case "span_id": spanID.isValid ? spanID.description : nil
    default: attributes.text(of: name)
    }
  }
}

extension SpanRecord: EventFields {
  var eventTime: Int64 { startNanoseconds }
  var lineBytes: Int { 0 }

  func field(_ name: String) -> String? {
    switch name {
    case "name": self.name
    case "duration": NumberText.text(Double(durationNanoseconds) / 1e9)
    case "kind": kindName
    case "status": statusName
    case "status_message": statusMessage
    case "trace_id": traceID.description
    case "span_id": spanID.description
    case "parent_span_id": parentSpanID.isValid ? parentSpanID.description : nil
    default: attributes.text(of: name)
    }
  }

  private var kindName: String {
    switch kind {
    case .unspecified: "unspecified"
    case .internal: "internal"
    case .server: "server"
    case .client: "client"
    case .producer: "producer"
    case .consumer: "consumer"
    }
  }

  private var statusName: String {
    switch status {
    case .unset: "unset"
    case .ok: "ok"
    case .error: "error"
    }
  }
}

extension [Attribute] {
  /// The value of an attribute by its key or by its key's label name.
  fileprivate func text(of name: String) -> String? {
    first { $0.key == name || LogStreams.labelName($0.key) == name }?.value.text
  }
}
