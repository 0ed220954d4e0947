import NeedletailBlocks
import NeedletailTelemetry

/// Reads series out of the sources of one query, each with what it read last at hand.
struct SourceReaders: Sendable {
  private struct PartReaders: Sendable {
    var series: PartSeriesReader
    var samples: SampleScan
    var histograms: HistogramScan
    var summaries: SummaryReader

    init(_ part: SeriesPart, _ index: PartIndex, keeping kept: [String]?) {
      series = PartSeriesReader(index, keeping: kept)
      samples = SampleScan(part, cache: index.cache)
      histograms = HistogramScan(part, cache: index.cache)
      summaries = SummaryReader(part)
    }
  }

  /// A head, and the records of its directory, which are read without a lock.
  private struct HeadReader: Sendable {
    var head: SeriesHead
    var records: DirectoryRecords
  }

  private let heads: [HeadReader]
  private var parts: [PartReaders] = []
  /// The parts' indexes, beside the readers, which are not to be copied for a look at them.
  private var indexes: [PartIndex] = []
  /// The only labels that are told; nil for all.
  private let kept: [[UInt8]]?

  /// Sources are numbered: the heads first, then the parts.
  ///
  /// With `kept` only labels of these names are told.
  init(_ sources: [SeriesSnapshot.Source], keeping kept: [String]? = nil) {
    self.kept = kept?.map { Array($0.utf8) }
    var heads: [HeadReader] = []
    for source in sources {
      switch source {
      case .head(let head): heads.append(HeadReader(head: head, records: head.directory.records))
      case .part(let part, let index):
        parts.append(PartReaders(part, index, keeping: kept))
        indexes.append(index)
      }
    }
    self.heads = heads
  }

  /// What is in each part.
  var content: [PartContent] { indexes.map(\.content) }

  /// How often blocks of samples and histograms were looked up.
  var blocksRead: Int { parts.reduce(0) { $0 + $1.samples.blocksRead + $1.histograms.blocksRead } }

  func isHead(_ source: Int) -> Bool { source < headCount }

  var headCount: Int { heads.count }

  /// What the catalog tells of each part.
  var summaries: [PartSummary] { indexes.map(\.part.record.summary) }

  /// About how many samples of a head's series lie within the range.
  func samplesExpected(inHead source: Int, _ place: SeriesGathering.Place, _ range: TimeRange) -> Double {
    heads[source].head.withStorage { $0.samplesExpected(Int(place.number), in: range) }
  }

  /// The identity of a part's series.
  mutating func id(_ place: SeriesGathering.Place) throws(SeriesDamage) -> SeriesID {
    let number = Int(place.number)
    if isHead(Int(place.source)) {
      return heads[Int(place.source)].records.id(number)
    }
    return try parts[Int(place.source) - heads.count].series.id(number)
  }

  /// The instants at which nothing is left of a part's series.
  private func deletedTimes(_ part: Int, of number: Int) throws(SeriesDamage) -> TimeRangeSet {
    let deleted = try indexes[part].deleted()
    return deleted.isEmpty ? TimeRangeSet() : deleted.times(of: number)
  }

  /// The canonical labels of a series, or those of them that are kept.
  mutating func labels(_ place: SeriesGathering.Place) throws(SeriesDamage) -> [UInt8] {
    let number = Int(place.number)
    if isHead(Int(place.source)) {
      var labels = ByteWriter(reserving: kept == nil ? 256 : 32)
      heads[Int(place.source)].records.appendLabels(number, keeping: kept, to: &labels)
      return labels.bytes
    }
    return try parts[Int(place.source) - heads.count].series.labels(of: number)
  }

  /// The summaries of a series' runs that lie within the range, in ms, and that `isWanted` accepts by the times of the
  /// first and the last sample; none where histograms may stand in place of samples, or something is deleted.
  mutating func summaries(
    _ place: SeriesGathering.Place, from start: Int64, to end: Int64, where isWanted: (ClosedRange<Int64>) -> Bool
  ) throws(SeriesDamage) -> [SummaryRow] {
    guard !isHead(Int(place.source)) else { return [] }
    let part = Int(place.source) - heads.count
    let record = try parts[part].series.record(Int(place.number))
    guard record.histogramRuns == 0, record.summaryCount > 0 else { return [] }
    var rows: [SummaryRow] = []
    try parts[part].summaries.read(record.summaries, count: record.summaryCount, into: &rows)
    let deleted = try deletedTimes(part, of: Int(place.number))
    return rows.filter { row in
      let (first, last) = (row.summary.firstTime, row.summary.lastTime)
      return first >= start && first <= last && last <= end && !deleted.overlaps(first, last)
        && isWanted(first...last)
    }
  }

  /// Appends a series' samples within the range, in ms, but for those of the runs of these summaries; and where that is
  /// wanted and comes cheaply the last histogram before it.
  mutating func read<Histogram: HistogramAtTime>(
    _ place: SeriesGathering.Place, from start: Int64, to end: Int64, without passed: [SummaryRow],
    withHistogramBefore: Bool = false, into columns: inout SampleColumns, _ found: inout [Histogram]
  ) throws(SeriesDamage) {
    let number = Int(place.number)
    if isHead(Int(place.source)) {
      let histograms = heads[Int(place.source)].head.withStorage { storage in
        storage.collect(number, from: start, to: end, into: &columns)
        return storage.histograms(number, from: start, to: end, withOneBefore: withHistogramBefore)
      }
      found += histograms.compactMap { Histogram($0) }
      return
    }
    let part = Int(place.source) - heads.count
    let deleted = try deletedTimes(part, of: number)
    let before = columns.count
    let record = try parts[part].series.record(number)
    if Int(record.sampleRuns) > passed.count {
      try parts[part].samples.read(
        PartScan.Runs(record.samples, count: record.sampleRuns, start: record.startTimestamp), from: start, to: end,
        without: passed,
        into: &columns)
    }
    columns.remove(deleted, from: before)
    let known = found.count
    // Also where it throws: what was read before is served.
    defer { found.remove(deleted, from: known) }
    try parts[part].histograms.read(
      record, from: start, to: end, withOneBefore: withHistogramBefore, into: &found)
  }
}
