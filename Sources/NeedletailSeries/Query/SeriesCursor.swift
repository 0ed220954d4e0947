import NeedletailTelemetry

/// What a query may cost.
package struct SeriesQueryLimits: Sendable {
  package var seriesMax: Int
  /// Float and histogram samples, as they are returned.
  package var samplesMax: Int

  package init(seriesMax: Int = .max, samplesMax: Int = .max) {
    self.seriesMax = seriesMax
    self.samplesMax = samplesMax
  }
}

/// Yields the samples of the series that a query found, many whole series at a time, in the order of metric name and
/// labels.
///
/// It reads the state of the instant at which it was made. When it has ended, `damages` tells whether the answer is
/// complete.
package struct SeriesCursor: Sendable {
  /// So few that their columns stay in a core's cache while they are read.
  private static let chunkSamples = 16_384
  private static let chunkSeries = 4096
  /// Of so many places the samples are estimated, where there are more.
  private static let estimatedPlaces = 256

  /// What could not be read so far; while it is empty, nothing is missing.
  package private(set) var damages: [SeriesDamage]
  /// How many series match; some of them may turn out to have no sample in the range.
  package var matchedSeriesCount: Int { gathering.count }
  /// How many of them are still to be read, or to be found to have none.
  package var seriesLeft: Int { left.count }

  /// What there was to read when the query began; of shares the first one tells it.
  ///
  /// O(parts).
  package var extent: SeriesExtent {
    tellsExtent ? SeriesExtent(readers.content, skipping: skippedParts) : SeriesExtent([], skipping: 0)
  }
  /// How often blocks of samples and histograms were looked up so far.
  package var blocksRead: Int { readers.blocksRead }

  private let range: TimeRange?
  private let skippedParts: Int
  private var tellsExtent = true
  private let gathering: SeriesGathering
  private let samplesMax: Int
  /// Whether the last histogram before the range is told where it comes cheaply.
  private let tellsHistogramBefore: Bool
  /// What may stand in place of samples; nil where all are asked for.
  private let standIns: StandIns?
  private var readers: SourceReaders
  /// The series that are still to be read, as entries of the gathering.
  private var left: Range<Int>
  private var returned = 0

  init(
    _ snapshot: SeriesSnapshot, _ gathering: SeriesGathering, samplesMax: Int, keeping kept: [String]?,
    withHistogramBefore: Bool, standIns: StandIns?
  ) {
    tellsHistogramBefore = withHistogramBefore
    self.standIns = standIns
    range = snapshot.range
    skippedParts = snapshot.skippedParts
    self.gathering = gathering
    self.samplesMax = samplesMax
    left = 0..<gathering.count
    readers = SourceReaders(snapshot.sources, keeping: kept)
    damages = snapshot.damages
  }

  /// About how many samples there are to be read, told by the times and sizes of what is read alone.
  ///
  /// O(parts), of some of the series; reads nothing.
  package var samplesExpected: Int {
    guard let range else { return 0 }
    let step = max(1, gathering.places.count / Self.estimatedPlaces)
    let some = stride(from: 0, to: gathering.places.count, by: step).map { gathering.places[$0] }
    guard !some.isEmpty else { return 0 }
    let sum = readers.samplesExpected(at: some, in: range, standIns: standIns)
    return Int(min(sum / Double(some.count) * Double(gathering.places.count), Double(Int32.max)))
  }

  /// Cursors over shares of the series that are still to be read, one behind the other, at most `countMax`; none where
  /// there are too few for more than one.
  ///
  /// Each has the limit of samples to itself. The first goes on to tell the damages so far.
  package func shares(_ countMax: Int) -> [SeriesCursor] {
    let count = min(countMax, left.count)
    guard count > 1 else { return [] }
    return (0..<count).map { share in
      var cursor = self
      cursor.left =
        (left.lowerBound + left.count * share / count)..<(left.lowerBound + left.count * (share + 1) / count)
      if share > 0 { (cursor.damages, cursor.tellsExtent) = ([], false) }
      return cursor
    }
  }

  /// The next chunk, or nil at the end.
  ///
  /// Throws `.cancelled` when the task is, and `.tooManySamples` over the limit.
  package mutating func next() throws(SeriesQueryError) -> SeriesChunk? {
    guard let range else { return nil }
    var chunk = SeriesChunk()
    while let position = left.first, chunk.sampleCount < Self.chunkSamples, chunk.seriesCount < Self.chunkSeries {
      if Task.isCancelled { throw .cancelled }
      read(position, range, &chunk)
      left.removeFirst()
      guard returned + chunk.sampleCount <= samplesMax else { throw .tooManySamples(limit: samplesMax) }
    }
    returned += chunk.sampleCount
    return chunk.seriesCount == 0 ? nil : chunk
  }

  private mutating func read(_ entry: Int, _ range: TimeRange, _ chunk: inout SeriesChunk) {
    var found: [TimedHistogram] = []
    let places = gathering.range(of: entry)
    collect(places, range, standIns, &chunk, &found)
    // What stands for others must stand alone: a source may have something between the two.
    if chunk.hasPendingOmissions, !found.isEmpty || !chunk.isPendingAscending {
      chunk.dropPending()
      found = []
      collect(places, range, nil, &chunk, &found)
    }
    guard chunk.hasPending || found.contains(where: { $0.timestamp >= range.startMilliseconds }) else { return }
    for index in places {
      do throws(SeriesDamage) {
        let id = try readers.id(gathering.places[index])
        let labels = try readers.labels(gathering.places[index])
        labels.withUnsafeBytes { labels in
          chunk.endSeries(
            id, labels: labels, from: range.startMilliseconds, histograms: found, isSettled: places.count == 1)
        }
        return
      } catch { note(error) }
    }
    // Without labels nobody can tell whose samples these are.
    chunk.dropPending()
  }

  /// Reads a series out of all places where it is.
  private mutating func collect(
    _ places: Range<Int>, _ range: TimeRange, _ standIns: StandIns?, _ chunk: inout SeriesChunk,
    _ found: inout [TimedHistogram]
  ) {
    for index in places {
      do throws(SeriesDamage) {
        try chunk.withColumns { columns throws(SeriesDamage) in
          try readers.read(
            gathering.places[index], from: range.startMilliseconds, to: range.endMilliseconds, standIns: standIns,
            withHistogramBefore: tellsHistogramBefore, into: &columns, &found)
        }
      } catch { note(error) }
    }
  }

  private mutating func note(_ damage: SeriesDamage) {
    if !damages.contains(damage) { damages.append(damage) }
  }
}
