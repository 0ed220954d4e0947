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
      summaries = SummaryReader(part, cache: index.cache)
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

  /// The summaries of a series' runs that lie within the range, in ms, and may be replaced; none where histograms may
  /// stand in place of samples, something is deleted, or the samples' counts have a start.
  private mutating func replaceable(
    _ part: Int, _ number: Int, from start: Int64, to end: Int64, _ standIns: StandIns
  ) throws(SeriesDamage) -> [SummaryRow] {
    let record = try parts[part].series.record(number)
    guard record.summaryCount > 0, record.histogramRuns == 0, record.startTimestamp == 0,
      record.mayHaveRuns(within: standIns.longest), try deletedTimes(part, of: number).isEmpty
    else { return [] }
    var rows: [SummaryRow] = []
    try parts[part].summaries.read(record.summaries, count: record.summaryCount, into: &rows)
    return rows.filter { row in
      let (first, last) = (row.summary.firstTime, row.summary.lastTime)
      return first >= start && first < last && last <= end && row.summary.count > 1
        && standIns.mayReplace(from: first, to: last) && (standIns.values != .ends || row.summary.resets == 0)
    }
  }

  /// Appends a series' samples within the range, in ms, or what may stand for them, which is right where no source has
  /// anything between the two; and where that is wanted and comes cheaply the last histogram before it.
  mutating func read<Histogram: HistogramAtTime>(
    _ place: SeriesGathering.Place, from start: Int64, to end: Int64, standIns: StandIns?,
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
    if record.sampleRuns > 0 {
      var replaced: [SummaryRow] = []
      if let standIns { replaced = try replaceable(part, number, from: start, to: end, standIns) }
      if let standIns, standIns.values != .ends, replaced.count == Int(record.sampleRuns) {
        // Starts do not matter to who asks for these, so that nothing of the runs has to be looked at.
        columns.noteStart(0)
        for row in replaced { columns.append(row.summary, standIns.values) }
        return
      }
      try parts[part].samples.read(
        PartScan.Runs(record.samples, count: record.sampleRuns, start: record.startTimestamp), from: start, to: end,
        replacing: replaced, with: standIns, into: &columns)
    }
    columns.remove(deleted, from: before)
    let known = found.count
    // Also where it throws: what was read before is served.
    defer { found.remove(deleted, from: known) }
    try parts[part].histograms.read(
      record, from: start, to: end, withOneBefore: withHistogramBefore, into: &found)
  }
}
