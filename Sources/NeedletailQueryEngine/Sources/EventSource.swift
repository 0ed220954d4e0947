import NeedletailTelemetry

// What the engine asks of whatever holds logs and spans. The same shape as for series: asynchronous, in chunks.
// A source applies every condition of a selection itself; the engine does not filter again.

/// A condition on a log line's text.
package struct LineFilter: Sendable, Hashable {
  /// How the text is sought.
  package enum Operation: String, Sendable, Hashable {
    case contains = "|="
    case containsNot = "!="
    case matches = "|~"
    case matchesNot = "!~"
  }

  /// How.
  package let operation: Operation
  /// What: any of these for the positive operations, none of these for the negative ones.
  package let texts: [String]
  /// The compiled expressions of `|~` and `!~`, to be sought anywhere in the line.
  package let expressions: [RegularExpression]

  /// Compiles the expressions of `|~` and `!~`.
  package init(_ operation: Operation, _ texts: [String]) throws(RegularExpressionError) {
    self.operation = operation
    self.texts = texts
    var expressions: [RegularExpression] = []
    if operation == .matches || operation == .matchesNot {
      for text in texts { expressions.append(try RegularExpression(text)) }
    }
    self.expressions = expressions
  }

  /// Equality of operation and texts.
  package static func == (left: LineFilter, right: LineFilter) -> Bool {
    left.operation == right.operation && left.texts == right.texts
  }

  /// Hashes operation and texts.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(operation)
    hasher.combine(texts)
  }

  /// Whether a line passes.
  package func passes(_ line: UnsafeRawBufferPointer) -> Bool {
    let found =
      switch operation {
      case .contains, .containsNot: texts.contains { Self.contains(line, $0) }
      case .matches, .matchesNot: expressions.contains { $0.matchesPart(of: line) }
      }
    return operation == .contains || operation == .matches ? found : !found
  }

  private static func contains(_ line: UnsafeRawBufferPointer, _ text: String) -> Bool {
    var text = text
    return text.withUTF8 { needle in
      guard let first = needle.first else { return true }
      guard needle.count <= line.count else { return false }
      var index = 0
      let last = line.count - needle.count
      while index <= last {
        if line[index] == first,
          line[index..<index + needle.count].elementsEqual(needle)
        {
          return true
        }
        index += 1
      }
      return false
    }
  }
}

/// A condition on a field of an event: an attribute, a resource attribute, or a field of its own such as `level` or
/// `duration`.
///
/// A field that is missing is the empty string, and fails every comparison by number.
package indirect enum FieldFilter: Sendable, Hashable {
  /// As text.
  case matches(LabelMatcher)
  /// As a number: durations in seconds, sizes in bytes.
  case compares(field: String, Comparison, Double)
  /// Both.
  case and(FieldFilter, FieldFilter)
  /// Either.
  case or(FieldFilter, FieldFilter)

  /// How numbers compare.
  package enum Comparison: String, Sendable, Hashable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="

    /// Whether the comparison holds.
    package func holds(_ left: Double, _ right: Double) -> Bool {
      switch self {
      case .equal: left == right
      case .notEqual: left != right
      case .less: left < right
      case .lessOrEqual: left <= right
      case .greater: left > right
      case .greaterOrEqual: left >= right
      }
    }
  }
}

/// In which order events come, by time.
package enum EventOrder: Sendable, Hashable {
  /// Oldest first.
  case forward
  /// Newest first.
  case backward
}

/// Which events: logs or spans.
package struct EventSelection: Sendable, Hashable {
  /// Whose events.
  package var tenant: TenantID
  /// On the stream's labels (of spans: the labels of their resource, and the span's `name`, `kind` and `status`).
  package var matchers: [LabelMatcher]
  /// On the line; for logs only.
  package var lineFilters: [LineFilter]
  /// On fields; all must hold.
  package var fieldFilters: [FieldFilter]
  /// The field whose number is wanted beside each event, nil for none.
  package var unwrap: String?
  /// When: nanoseconds, both ends included.
  ///
  /// Of spans: their start.
  package var range: EventTimeRange
  /// In which order, if `limit` cuts.
  package var order: EventOrder
  /// The most events; the first ones in `order`.
  package var limit: Int
  /// Whether records are wanted.
  ///
  /// If not, a source may leave `records` empty and return times, streams and numbers only.
  package var wantsRecords: Bool
  /// The labels that the answer will be grouped by, nil for the stream's own.
  ///
  /// A source adds those of them that are fields, not stream labels, to `EventColumns.streams`.
  package var groupingFields: [String]?

  /// A selection; by default everything that matches, oldest first.
  package init(
    tenant: TenantID, matchers: [LabelMatcher], lineFilters: [LineFilter] = [], fieldFilters: [FieldFilter] = [],
    unwrap: String? = nil, range: EventTimeRange, order: EventOrder = .forward, limit: Int = .max,
    wantsRecords: Bool = true, groupingFields: [String]? = nil
  ) {
    self.tenant = tenant
    self.matchers = matchers
    self.lineFilters = lineFilters
    self.fieldFilters = fieldFilters
    self.unwrap = unwrap
    self.range = range
    self.order = order
    self.limit = limit
    self.wantsRecords = wantsRecords
    self.groupingFields = groupingFields
  }
}

/// A chunk of events in flat columns; all arrays but `streams` and `records` have one element per event.
package struct EventColumns<Record: Sendable>: Sendable {
  /// The distinct label sets of the chunk's streams.
  package var streams: [LabelSet]
  /// For each of `streams`, the resource and scope behind it; empty unless records were wanted.
  package var origins: [EventStream]
  /// For each event, the index of its stream in `streams`.
  package var streamIndexes: [Int]
  /// Nanoseconds since 1970, in the order asked for within a chunk and across chunks.
  package var timestamps: [Int64]
  /// The bytes of each event: of a log its line's length in UTF-8.
  package var sizes: [Int]
  /// The unwrapped numbers; empty unless asked for.
  ///
  /// NaN where the field is missing or not a number. Durations in seconds.
  package var values: [Double]
  /// The events themselves, or empty if they were not wanted.
  package var records: [Record]
  /// About what `records` take in memory, in bytes: at least the texts in them as they are stored.
  package var recordBytes: Int

  /// A chunk of columns.
  package init(
    streams: [LabelSet] = [], origins: [EventStream] = [], streamIndexes: [Int] = [], timestamps: [Int64] = [],
    sizes: [Int] = [], values: [Double] = [], records: [Record] = [], recordBytes: Int = 0
  ) {
    self.streams = streams
    self.origins = origins
    self.streamIndexes = streamIndexes
    self.timestamps = timestamps
    self.sizes = sizes
    self.values = values
    self.records = records
    self.recordBytes = recordBytes
  }

  /// The number of events.
  package var count: Int { timestamps.count }
}

/// The answer to a selection of events, chunk by chunk.
///
/// Used by one task at a time; dropping it ends the reading.
package protocol EventCursor<Record>: AnyObject {
  associatedtype Record: Sendable
  /// The next chunk, nil after the last.
  func next() async throws -> EventColumns<Record>?
  /// How much of the selection the chunks so far cover; final after `next` returned nil.
  var coverage: Coverage { get }
}

/// The kinds of events.
package enum EventSignal: String, Sendable, Hashable {
  case logs
  case spans
}

/// Whatever holds logs and spans.
package protocol EventSource: Sendable {
  /// The matching log records. Streams are labelled with the stream's labels.
  func selectLogs(_ selection: EventSelection) async throws -> any EventCursor<LogRecord>
  /// The matching spans. Streams are labelled with the resource's labels.
  func selectSpans(_ selection: EventSelection) async throws -> any EventCursor<SpanRecord>
  /// All spans of a trace in no particular order; empty where there is none.
  func trace(_ id: TraceID, tenant: TenantID, range: EventTimeRange?) async throws -> EventColumns<SpanRecord>
  /// The names of fields and stream labels, sorted, at most `limit`.
  func fieldNames(_ signal: EventSignal, _ scope: EventScope, limit: Int) async throws -> Listing<String>
  /// The values of a field or stream label as text, sorted, at most `limit`.
  func fieldValues(
    _ signal: EventSignal, field: String, _ scope: EventScope, limit: Int
  ) async throws -> Listing<String>
  /// The label sets of matching streams, sorted by their bytes, at most `limit`.
  func streams(_ signal: EventSignal, _ scope: EventScope, limit: Int) async throws -> Listing<LabelSet>
}

/// The events that a question about fields concerns.
package struct EventScope: Sendable, Hashable {
  /// Whose events.
  package var tenant: TenantID
  /// On the stream's labels, as in `EventSelection`; none means every stream.
  package var matchers: [LabelMatcher]
  /// When: nanoseconds, both ends included.
  package var range: EventTimeRange

  /// A scope; by default everything of all time.
  package init(tenant: TenantID, matchers: [LabelMatcher] = [], range: EventTimeRange = .all) {
    self.tenant = tenant
    self.matchers = matchers
    self.range = range
  }
}
