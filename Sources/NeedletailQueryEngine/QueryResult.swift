import NeedletailTelemetry

/// What a query yields.
package enum QueryValue: Sendable {
  /// One number, and the time of the evaluation in milliseconds.
  case scalar(Double, time: Int64)
  /// A text, and the time of the evaluation in milliseconds.
  case string(String, time: Int64)
  /// One sample per series, all at the time of the evaluation; in order if the query sorts.
  case vector(SeriesColumns)
  /// The samples of each series: a range query's steps, or what a range selector found. Sorted by labels.
  case matrix(SeriesColumns)
  /// Log records.
  case logs(EventColumns<LogRecord>)
  /// Spans.
  case spans(EventColumns<SpanRecord>)
}

/// A value with what there is to say about it.
package struct QueryResult: Sendable {
  /// The value.
  package var value: QueryValue
  /// Signs that the answer may be wrong, each ending with the line and column that it is about.
  package var warnings: [String]
  /// Signs that the query may not mean what was wanted.
  package var infos: [String]
  /// How much of the data the answer covers.
  package var coverage: Coverage
  /// What it took.
  package var statistics: QueryStatistics
}

/// Where a query stops.
///
/// Reaching a limit is an error, never a shortened answer.
package struct QueryLimits: Sendable, Hashable {
  /// Samples read and values computed, together.
  package var samples: Int
  /// Series that one selector may find.
  package var series: Int
  /// Steps of a range query.
  package var steps: Int
  /// Values in the answer.
  package var resultSamples: Int
  /// Bytes of the events in the answer, as `EventColumns.recordBytes` counts them.
  package var eventBytes: Int
  /// Time on the wall.
  package var timeout: Duration

  /// Limits; the defaults are Prometheus' where it has one.
  package init(
    samples: Int = 50_000_000, series: Int = 1_000_000, steps: Int = 11_000, resultSamples: Int = 20_000_000,
    eventBytes: Int = 256 << 20, timeout: Duration = .seconds(120)
  ) {
    self.samples = samples
    self.series = series
    self.steps = steps
    self.resultSamples = resultSamples
    self.eventBytes = eventBytes
    self.timeout = timeout
  }
}

/// The remarks on a query, each once, in the order in which they came up.
struct Annotations: Sendable {
  private(set) var warnings: [String] = []
  private(set) var infos: [String] = []
  private var known: Set<String> = []
  /// Beyond this many, further remarks say nothing new.
  static let countMax = 100

  var isEmpty: Bool { known.isEmpty }

  var count: Int { known.count }

  mutating func warn(_ message: String) {
    guard warnings.count < Self.countMax, known.insert("w" + message).inserted else { return }
    warnings.append(message)
  }

  mutating func inform(_ message: String) {
    guard infos.count < Self.countMax, known.insert("i" + message).inserted else { return }
    infos.append(message)
  }

  /// Adds the remarks of a part of the query.
  mutating func add(_ other: Annotations) {
    for message in other.warnings { warn(message) }
    for message in other.infos { inform(message) }
  }
}
