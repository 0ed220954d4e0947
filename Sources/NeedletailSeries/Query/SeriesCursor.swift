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
  private static let chunkSamples = 65_536
  private static let chunkSeries = 4096

  /// What could not be read so far; while it is empty, nothing is missing.
  package private(set) var damages: [SeriesDamage]
  /// How many series match; some of them may turn out to have no sample in the range.
  package var matchedSeriesCount: Int { gathering.entries.count }

  private let snapshot: SeriesSnapshot
  private let gathering: SeriesGathering
  private let samplesMax: Int
  private var position = 0
  private var returned = 0
  private var sampleScans: [Int: PartScan] = [:]
  private var histogramScans: [Int: PartScan] = [:]

  init(_ snapshot: SeriesSnapshot, _ gathering: SeriesGathering, samplesMax: Int) {
    self.snapshot = snapshot
    self.gathering = gathering
    self.samplesMax = samplesMax
    damages = snapshot.damages
  }

  /// The next chunk, or nil at the end.
  ///
  /// Throws `.cancelled` when the task is, and `.tooManySamples` over the limit.
  package mutating func next() throws(SeriesQueryError) -> SeriesChunk? {
    guard let range = snapshot.range else { return nil }
    var chunk = SeriesChunk()
    var places: [SeriesGathering.Place] = []
    while position < gathering.entries.count, chunk.sampleCount < Self.chunkSamples,
      chunk.seriesCount < Self.chunkSeries
    {
      if Task.isCancelled { throw .cancelled }
      let entry = gathering.entries[position]
      position += 1
      places.removeAll(keepingCapacity: true)
      gathering.forEachPlace(of: entry) { places.append($0) }
      var found = Found()
      for place in places { read(place, range, &chunk, &found) }
      gathering.withLabels(of: entry) { labels in
        chunk.endSeries(entry.id, labels: labels, start: found.start, histograms: found.histograms)
      }
      guard returned + chunk.sampleCount <= samplesMax else { throw .tooManySamples(limit: samplesMax) }
    }
    returned += chunk.sampleCount
    return chunk.seriesCount == 0 ? nil : chunk
  }

  private struct Found {
    var start: Int64 = 0
    var histograms: [StoredHistogram] = []
  }

  private mutating func read(
    _ place: SeriesGathering.Place, _ range: TimeRange, _ chunk: inout SeriesChunk, _ found: inout Found
  ) {
    let (start, end) = (range.startMilliseconds, range.endMilliseconds)
    switch snapshot.sources[place.source] {
    case .head(let head):
      head.withStorage { storage in
        chunk.withColumns { storage.collect(place.number, from: start, to: end, into: &$0) }
        found.histograms += storage.histograms(place.number, from: start, to: end)
        found.start = max(found.start, storage.startTimestamp(place.number))
      }
    case .part(let part, let index):
      guard let record = index.record(place.number) else { return }
      found.start = max(found.start, record.startTimestamp)
      if record.sampleRuns > 0 {
        var scan = sampleScans[place.source] ?? PartScan(part, kind: PartBlockKind.samples)
        sampleScans[place.source] = nil
        do throws(SeriesDamage) {
          try chunk.withColumns { columns throws(SeriesDamage) in
            let before = columns.count
            do throws(SeriesDamage) {
              try scan.read(block: record.sampleBlock, offset: record.sampleOffset, runs: record.sampleRuns) {
                reader throws(MalformedBytes) in
                try SampleChunk.decode(&reader, from: start, to: end, into: &columns)
              }
            } catch {
              columns.truncate(to: before)
              throw error
            }
          }
        } catch { note(error) }
        sampleScans[place.source] = scan
      }
      if record.histogramRuns > 0 {
        var scan = histogramScans[place.source] ?? PartScan(part, kind: PartBlockKind.histograms)
        histogramScans[place.source] = nil
        do throws(SeriesDamage) {
          try scan.read(block: record.histogramBlock, offset: record.histogramOffset, runs: record.histogramRuns) {
            reader throws(MalformedBytes) in
            try HistogramChunk.decode(&reader, from: start, to: end, into: &found.histograms)
          }
        } catch { note(error) }
        histogramScans[place.source] = scan
      }
    }
  }

  private mutating func note(_ damage: SeriesDamage) {
    if !damages.contains(damage) { damages.append(damage) }
  }
}
