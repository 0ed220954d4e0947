import NeedletailOTLP
import Synchronization

/// Every metric of one SDK instance, its series, and their way into an export.
final class MetricRegistry: Sendable {
  /// What a metric's series are.
  enum Kind: Sendable, Hashable {
    case integerCounter
    case fractionCounter
    case lastValue
    case recorder
    case timer
  }

  private struct Key: Hashable {
    var name: String
    var kind: Kind
  }

  private struct Metric {
    var series: [[String]: any Instrument] = [:]
  }

  private struct State {
    var metrics: [Key: Metric] = [:]
    var refused: UInt64 = 0
  }

  /// Metrics by name and kind; a name is data of the host as much as an attribute is.
  static let metricLimit = 2_000

  private let state = Mutex(State())
  private let cardinalityLimit: Int
  private let bounds: [String: [Double]]
  private let now: @Sendable () -> UInt64

  /// An empty registry.
  ///
  /// - Parameter now: the time in nanoseconds since the Unix epoch.
  init(configuration: Needletail.Configuration, now: @escaping @Sendable () -> UInt64 = { WallClock.nanoseconds }) {
    cardinalityLimit = max(1, configuration.metricCardinalityLimit)
    bounds = configuration.histogramBounds.mapValues { $0.filter(\.isFinite).sorted() }
    self.now = now
  }

  /// The series of a metric with given attributes: the one that exists, or a new one that `make` makes.
  ///
  /// Beyond the limit of series, one series with the attribute `otel.metric.overflow` takes all that is new
  /// (specification, "Cardinality limits"). Beyond the limit of metrics, a new one gets a series that is never
  /// exported, and is counted.
  func series<Series: Instrument>(
    _ name: String, _ kind: Kind, dimensions: [(String, String)], make: (SeriesIdentity) -> Series
  ) -> Series {
    let dimensions = Self.normalized(dimensions)
    return state.withLock { state in
      let metricKey = Key(name: name, kind: kind)
      if state.metrics[metricKey] == nil, state.metrics.count >= Self.metricLimit {
        state.refused += 1
        return make(SeriesIdentity(dimensions: [], start: now()))
      }
      var metric = state.metrics[metricKey] ?? Metric()
      // One reference to the dictionary while it changes.
      state.metrics[metricKey] = nil
      defer { state.metrics[metricKey] = metric }
      var chosen = dimensions
      var key = chosen.flatMap { [$0.0, $0.1] }
      if metric.series[key] == nil, metric.series.count >= cardinalityLimit {
        chosen = [("otel.metric.overflow", "true")]
        key = chosen.flatMap { [$0.0, $0.1] }
      }
      if let series = metric.series[key] as? Series { return series }
      let series = make(SeriesIdentity(dimensions: chosen, start: now()))
      metric.series[key] = series
      return series
    }
  }

  /// How many times a new metric was refused, because there are as many as there may be.
  var refusedCount: UInt64 { @inline(never) get { state.withLock { $0.refused } } }

  /// Forgets a series: it is exported no more.
  func remove(_ instrument: any Instrument) {
    state.withLock { state in
      for (key, metric) in state.metrics {
        guard let found = metric.series.first(where: { $0.value === instrument })?.key else { continue }
        state.metrics[key]?.series[found] = nil
        if metric.series.count == 1 { state.metrics[key] = nil }
        return
      }
    }
  }

  /// The bounds of a histogram's buckets.
  func histogramBounds(_ name: String, _ kind: Kind) -> [Double] {
    bounds[name] ?? (kind == .timer ? Self.secondsBounds : Self.standardBounds)
  }

  /// Appends every metric as it stands, in the order of names.
  ///
  /// - Returns: the number of series.
  @inline(never) func collect(into batch: inout RecordBatch) -> Int {
    let time = now()
    // Values are read outside the lock: to collect never makes a recording thread wait for the registry.
    let metrics = state.withLock { $0.metrics }.sorted {
      ($0.key.name, $0.key.kind.order) < ($1.key.name, $1.key.kind.order)
    }
    var count = 0
    for (key, metric) in metrics where !metric.series.isEmpty {
      var points = ProtobufWriter()
      for series in metric.series.values { series.write(to: &points, time: time) }
      if points.isEmpty { continue }
      count += metric.series.count
      batch.append { writer in
        writer.metric(name: key.name, unit: key.kind == .timer ? "s" : "", description: "", kind: key.kind.otlp) {
          $0.raw(points.bytes)
        }
      }
    }
    return count
  }

  /// Attributes in the order of their names, each name once (the last value stands): what makes a series one.
  private static func normalized(_ dimensions: [(String, String)]) -> [(String, String)] {
    if dimensions.count < 2 { return dimensions }
    var unique: [String: String] = [:]
    for (name, value) in dimensions { unique[name] = value }
    return unique.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// The specification's default bounds.
  private static let standardBounds: [Double] = [
    0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000,
  ]

  /// The bounds that the semantic conventions advise for durations in seconds.
  private static let secondsBounds: [Double] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
  ]
}

extension MetricRegistry.Kind {
  fileprivate var otlp: MetricKind {
    switch self {
    case .integerCounter, .fractionCounter: .sum(isMonotonic: true)
    case .lastValue: .gauge
    case .recorder, .timer: .histogram
    }
  }

  fileprivate var order: Int {
    switch self {
    case .integerCounter: 0
    case .fractionCounter: 1
    case .lastValue: 2
    case .recorder: 3
    case .timer: 4
    }
  }
}
