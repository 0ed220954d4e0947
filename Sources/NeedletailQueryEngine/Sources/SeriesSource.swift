import NeedletailTelemetry

// What the engine asks of whatever holds time series: the node's own store, a fan-out over the cluster, or a remote one.
// Everything is asynchronous and streams in chunks of many series, so that none of these has to hold an answer whole.

/// What a selection is for.
///
/// A source may use the hints to read less (to answer from block summaries, or to aggregate nearer to the data
/// later); ignoring them is always right.
package struct SelectionHints: Sendable, Hashable {
  /// The function or aggregation right around the selector, such as `rate` or `sum`; nil for none, and for a function of
  /// more than what lies within the range.
  package var function: String?
  /// The range of a range selector in milliseconds; 0 for an instant selector.
  ///
  /// With how far beyond it `anchored` and `smoothed` look.
  package var range: Int64
  /// The distance between the query's steps in milliseconds; 0 for an instant query.
  package var step: Int64
  /// The labels of the aggregation around the selector.
  package var grouping: [String]
  /// Whether `grouping` names the labels to keep (`by`) rather than to drop (`without`).
  package var groupsBy: Bool
  /// The only labels that the query needs of a series; nil for all.
  ///
  /// A source may tell others too. What it tells may be the same for several series, which come one by one all the same.
  package var labels: [String]?
  /// Whether the query needs to know when counts began.
  ///
  /// A source that tells it all the same is right too.
  package var needsStarts: Bool
  /// Whether the last sample before the range helps, where that and the first one within are histograms: then the query
  /// can tell whether the counter was reset between them.
  ///
  /// A source may tell it where it comes cheaply. It is the only sample outside of the range that may be told.
  package var takesHistogramBefore: Bool
  /// What may stand in place of samples; nil where each of them counts.
  ///
  /// A source tells where it makes use of it in `SeriesColumns.omissions`.
  package var standIns: StandIns?

  /// Hints; the defaults say nothing.
  package init(
    function: String? = nil, range: Int64 = 0, step: Int64 = 0, grouping: [String] = [], groupsBy: Bool = true,
    labels: [String]? = nil, needsStarts: Bool = false, takesHistogramBefore: Bool = false, standIns: StandIns? = nil
  ) {
    self.standIns = standIns
    self.takesHistogramBefore = takesHistogramBefore
    self.needsStarts = needsStarts
    self.function = function
    self.range = range
    self.step = step
    self.grouping = grouping
    self.groupsBy = groupsBy
    self.labels = labels
  }
}

/// The most that a selection may return.
///
/// A source that would return more should throw `QueryError` of kind `.execution` as soon as it knows; the engine
/// counts as well.
package struct SelectionLimits: Sendable, Hashable {
  /// The most series.
  package var series: Int
  /// The most samples over all series.
  package var samples: Int

  /// Limits on one selection.
  package init(series: Int = .max, samples: Int = .max) {
    self.series = series
    self.samples = samples
  }
}

/// Which series, and which part of their samples.
package struct SeriesSelection: Sendable, Hashable {
  /// Whose series.
  package var tenant: TenantID
  /// All must match.
  ///
  /// A label that a series lacks is the empty string.
  package var matchers: [LabelMatcher]
  /// Which samples: milliseconds, both ends included.
  package var range: TimeRange
  /// What it is for.
  package var hints: SelectionHints
  /// The most that may come back.
  package var limits: SelectionLimits

  /// A selection; by default without hints or limits.
  package init(
    tenant: TenantID, matchers: [LabelMatcher], range: TimeRange, hints: SelectionHints = SelectionHints(),
    limits: SelectionLimits = SelectionLimits()
  ) {
    self.tenant = tenant
    self.matchers = matchers
    self.range = range
    self.hints = hints
    self.limits = limits
  }
}

/// A chunk of whole series in flat columns: the samples of series `i` are at indexes `offsets[i]..<offsets[i + 1]`,
/// sorted by time, one per time.
///
/// Series may come in any order, but each comes once in a cursor's life.
package struct SeriesColumns: Sendable {
  /// The labels of each series, the metric's name among them.
  package var labels: [LabelSet]
  /// Where each series' samples begin, and at the end the number of samples: one more than there are series.
  package var offsets: [Int]
  /// Milliseconds since 1970.
  package var timestamps: [Int64]
  /// Values bit for bit, stale markers included.
  ///
  /// Where the sample is a histogram: its sum.
  package var values: [Double]
  /// Indexes into `timestamps` of the samples that are histograms, ascending.
  package var histogramIndexes: [Int]
  /// The histograms, in the order of `histogramIndexes`.
  package var histograms: [NativeHistogram]
  /// When the samples' counts began, by their indexes in `timestamps`.
  package var starts = StartMarks()
  /// Where samples are left out, for which the ones around them stand, by indexes in `timestamps`, ascending; only of
  /// series without histograms, and only where the hints allow it.
  package var omissions: [SampleOmission] = []
  /// The series of which no samples are told, but what a derivation makes of them, in their order: their `timestamps` are
  /// the numbers of steps, and the rest is what stands at these; a series may have nothing at any. Only from a
  /// `DerivingSource` that is asked for that.
  package var derived: [DerivedSeries] = []

  /// An empty chunk.
  package init() {
    labels = []
    offsets = [0]
    timestamps = []
    values = []
    histogramIndexes = []
    histograms = []
  }

  /// The number of series.
  package var count: Int { labels.count }

  /// The omissions before samples at some of the indexes.
  ///
  /// O(log n) and how many there are.
  package func omissions(in range: Range<Int>) -> [SampleOmission] {
    var (low, high) = (0, omissions.count)
    while low < high {
      let middle = (low + high) / 2
      if omissions[middle].index < range.lowerBound { low = middle + 1 } else { high = middle }
    }
    return Array(omissions[low...].prefix { $0.index < range.upperBound })
  }

  /// Adds a sample to the series being written.
  @inlinable
  package mutating func append(timestamp: Int64, value: Double) {
    timestamps.append(timestamp)
    values.append(value)
  }

  /// Adds a histogram sample to the series being written.
  package mutating func append(timestamp: Int64, histogram: NativeHistogram) {
    histogramIndexes.append(timestamps.count)
    histograms.append(histogram)
    timestamps.append(timestamp)
    values.append(histogram.sum)
  }

  /// Ends the series being written: the samples appended since the last call belong to `labels`.
  package mutating func finishSeries(_ labels: LabelSet) {
    self.labels.append(labels)
    offsets.append(timestamps.count)
  }
}

/// The answer to a selection, chunk by chunk.
///
/// Used by one task at a time; dropping it ends the reading.
package protocol SeriesCursor: AnyObject {
  /// The next chunk, nil after the last. Chunks should hold some thousands to some hundred thousand samples: the engine
  /// looks for cancellation and limits between chunks.
  func next() async throws -> SeriesColumns?
  /// How much of the selection the chunks so far cover; final after `next` returned nil.
  var coverage: Coverage { get }
  /// What reading took so far, as far as it can be told; final after `next` returned nil.
  var work: SelectionWork { get }
  /// At most so many series come in all; nil where nobody can tell.
  var seriesMax: Int? { get }
  /// About so many samples come in all, as far as can be told without reading them; nil where nobody can tell.
  ///
  /// What hangs on it is how many tasks read, and no answer.
  var samplesExpected: Int? { get }
  /// Parts of the answer, at most so many, that several tasks may read at once; empty where it cannot be parted.
  ///
  /// Together and in this order they yield what the cursor would have; after that it is not to be used. To be called
  /// before `next`.
  func shares(_ countMax: Int) -> [any SeriesShare]
}

extension SeriesCursor {
  package var work: SelectionWork { SelectionWork() }
  package var seriesMax: Int? { nil }
  package var samplesExpected: Int? { nil }
  package func shares(_ countMax: Int) -> [any SeriesShare] { [] }
}

/// A part of the answer to a selection.
package protocol SeriesShare: Sendable {
  /// Begins to read it.
  func cursor() -> any SeriesCursor
}

/// A metric and what is known of it.
package struct NamedMetadata: Sendable, Hashable {
  /// The metric's name.
  package var metric: String
  /// Its kind, unit and help.
  package var metadata: MetricMetadata

  /// The metadata of a metric.
  package init(metric: String, metadata: MetricMetadata) {
    self.metric = metric
    self.metadata = metadata
  }
}

/// Whatever holds time series.
///
/// The calls other than `select` also take several selections: an answer concerns the series that match any of them,
/// and all series of the tenant when there is none.
package protocol SeriesSource: Sendable {
  /// The samples of the matching series.
  func select(_ selection: SeriesSelection) async throws -> any SeriesCursor
  /// The names of labels of matching series, sorted, at most `limit`.
  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String>
  /// The values of a label among matching series, sorted, at most `limit`.
  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String>
  /// Label sets of matching series, each once, at most `limit` of them, sorted by metric name and then by labels.
  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet>
  /// What is known of a metric, or of all if `metric` is nil, at most `limit` metrics.
  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata]
  /// A mark of what the source holds now, for `changedTimes`; nil where it cannot tell what changes.
  var changeMark: UInt64? { get }
  /// The times within a range, in ms, of which `select` may not find what it found when `changeMark` was `mark`.
  func changedTimes(since mark: UInt64, within range: ClosedRange<Int64>) -> [ClosedRange<Int64>]
}

extension SeriesSource {
  package var changeMark: UInt64? { nil }
  package func changedTimes(since mark: UInt64, within range: ClosedRange<Int64>) -> [ClosedRange<Int64>] { [range] }
}

/// The series that a question about labels concerns.
package struct MetadataScope: Sendable, Hashable {
  /// Whose series.
  package var tenant: TenantID
  /// Selectors, of which any may match; none at all means every series.
  package var selectors: [[LabelMatcher]]
  /// Series with a sample in this range, as near as the source can tell cheaply; milliseconds, both ends included.
  package var range: TimeRange

  /// A scope; by default all series of all time.
  package init(tenant: TenantID, selectors: [[LabelMatcher]] = [], range: TimeRange = .all) {
    self.tenant = tenant
    self.selectors = selectors
    self.range = range
  }
}
