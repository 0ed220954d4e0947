import NeedletailBlocks
import NeedletailTelemetry

/// A part of one UTC day in the making; flushes and merges write through it alike.
///
/// Series are added tenant by tenant in the order of the tenants' names, within a tenant in `SeriesOrder`: `begin`,
/// then what the series has, each kind sorted by time, then `end`. What it keeps in memory are a block of each kind and
/// what the index is made from; no sample that was added.
final class SeriesPartBuilder {
  private let day: Int64
  private let level: UInt32
  private let writer: PartWriter
  private var index: PartIndexWriter
  private let contentFile: BlockWriter
  private var samples: RunBlocks
  private var histograms: RunBlocks
  private var exemplars: RunBlocks
  private var times: TimeColumnWriter
  private var summaries: SummaryWriter
  /// The series in the making.
  private var record: PartSeriesRecord?
  private var seriesCount = 0
  private var tenants: [PartContent.Tenant] = []
  private var scratch: [UInt8] = []
  /// What is to be told of all that is added: whoever adds it sees to it, for a merge knows without looking.
  var digests: DigestTable
  private var rows: UInt64 = 0
  private var minTime = Int64.max
  private var maxTime = Int64.min

  /// Written at a pace where one is given.
  init(
    day: Int64, level: UInt32, slots: SlotMap, blockBytes: Int, folder: PartsFolder, pace: PacedWork? = nil
  ) throws(BlockError) {
    self.day = day
    digests = DigestTable(slots)
    self.level = level
    let writer = try folder.makePart(pace: pace)
    func blocks(_ kind: UInt8, _ name: String) throws(BlockError) -> RunBlocks {
      RunBlocks(kind: kind, blockBytes: blockBytes, file: try writer.makeFile(name))
    }
    do throws(BlockError) {
      samples = try blocks(PartBlockKind.samples, PartFileName.samples)
      histograms = try blocks(PartBlockKind.histograms, PartFileName.histograms)
      exemplars = try blocks(PartBlockKind.exemplars, PartFileName.exemplars)
      times = TimeColumnWriter(try blocks(PartBlockKind.times, PartFileName.times))
      summaries = SummaryWriter(try writer.makeFile(PartFileName.summaries))
      index = PartIndexWriter(try writer.makeFile(PartFileName.index), slots: slots)
      contentFile = try writer.makeFile(PartFileName.content)
    } catch {
      writer.discard()
      throw error
    }
    self.writer = writer
  }

  /// Whether no series was begun.
  var isEmpty: Bool { seriesCount == 0 }

  /// Gives the part up and removes its folder, as far as that works.
  func discard() { writer.discard() }

  // MARK: - A series

  /// Begins a series, which ends the one before; `start` is when the counts of most of its samples began, in ms, 0 where
  /// nobody told.
  ///
  /// Throws where the labels are not canonical.
  func begin(
    _ id: SeriesID, tenant: TenantID, labels: UnsafeRawBufferPointer, start: Int64
  ) throws(BlockError) {
    try end()
    if tenants.last?.tenant != tenant {
      tenants.append(PartContent.Tenant(tenant: tenant, first: seriesCount, count: 0))
    }
    tenants[tenants.count - 1].count += 1
    seriesCount += 1
    try index.add(labels: labels, tenant: tenants.count - 1)
    record = PartSeriesRecord(
      id: id, startTimestamp: start, samples: samples.position, histograms: histograms.position,
      summaries: summaries.count)
  }

  private func end() throws(BlockError) {
    guard let ended = record else { return }
    minTime = min(minTime, ended.minTime)
    maxTime = max(maxTime, ended.maxTime)
    try index.add(ended)
    record = nil
  }

  /// Adds samples of the series, later than those before, as evenly long runs, and when their counts began.
  func append(
    _ times: UnsafeBufferPointer<Int64>, _ values: UnsafeBufferPointer<Double>, starts: StartMarks = StartMarks()
  ) throws(BlockError) {
    let runs = SampleRun.runs(times.count)
    for run in 0..<runs {
      let range = (times.count * run / runs)..<(times.count * (run + 1) / runs)
      let column = try self.times.number(of: UnsafeBufferPointer(rebasing: times[range]))
      let part = UnsafeBufferPointer(rebasing: values[range])
      let told = encoded(starts.piece(range), count: range.count)
      try samples.append { SampleRun.encode(part, times: column, starts: told, scratch: &scratch, to: &$0) }
      try note(
        first: times[range.lowerBound], last: times[range.upperBound - 1], count: range.count,
        summary: RunSummary(UnsafeBufferPointer(rebasing: times[range]), part))
    }
  }

  private func encoded(_ starts: StartMarks, count: Int) -> [UInt8] {
    RunStarts.encode(starts, count: count, common: record?.startTimestamp ?? 0)
  }

  /// The number of a timestamp column for `appendEncoded`.
  func timeColumn(_ times: [Int64]) throws(BlockError) -> UInt32 {
    var result: Result<UInt32, BlockError> = .success(0)
    times.withUnsafeBufferPointer { times in
      result = Result { () throws(BlockError) in try self.times.number(of: times) }
    }
    return try result.get()
  }

  /// Adds a run as it is: its values stay encoded, its timestamps are a column of this part.
  func appendEncoded(
    _ values: UnsafeRawBufferPointer, timeColumn: UInt32, first: Int64, last: Int64, count: Int, starts: StartMarks,
    summary: RunSummary?
  ) throws(BlockError) {
    let told = encoded(starts, count: count)
    try samples.append { SampleRun.append(values, times: timeColumn, starts: told, to: &$0) }
    try note(first: first, last: last, count: count, summary: summary)
  }

  private func note(first: Int64, last: Int64, count: Int, summary: RunSummary?) throws(BlockError) {
    if let summary {
      try summaries.append(SummaryRow(run: record?.sampleRuns ?? 0, summary: summary))
      record?.summaryCount += 1
    }
    record?.sampleRuns += 1
    widen(first, last)
    rows += UInt64(count)
  }

  private func widen(_ first: Int64, _ last: Int64) {
    guard let current = record else { return }
    record?.minTime = min(current.minTime, first)
    record?.maxTime = max(current.maxTime, last)
  }

  /// Adds histograms of the series, settled and later than those before.
  func append(_ all: ArraySlice<StoredHistogram>) throws(BlockError) {
    guard let first = all.first, let last = all.last else { return }
    widen(first.timestamp, last.timestamp)
    rows += UInt64(all.count)
    var start = all.startIndex
    while start < all.endIndex {
      let end = start + HistogramRun.count(all[start...])
      var starts = StartMarks()
      for index in start..<end { starts.append(all[index].start, from: index - start) }
      let told = encoded(starts, count: end - start)
      try histograms.append { HistogramRun.encode(all[start..<end], starts: told, scratch: &scratch, to: &$0) }
      record?.histogramRuns += 1
      start = end
    }
  }

  /// Adds a run of histograms as it is: a column, and the times that it has.
  func append(column: [UInt8], times: [Int64], starts: StartMarks) throws(BlockError) {
    guard let first = times.first, let last = times.last else { return }
    let told = encoded(starts, count: times.count)
    try histograms.append { bytes in
      column.withUnsafeBytes { HistogramRun.append($0, starts: told, to: &bytes) }
    }
    record?.histogramRuns += 1
    widen(first, last)
    rows += UInt64(times.count)
  }

  /// Adds exemplars of the series, each once; whatever their `series` says.
  func append(_ all: [StoredExemplar]) throws(BlockError) {
    for exemplar in all {
      try exemplars.append { bytes in
        bytes.appendVarint(UInt64(seriesCount - 1))
        bytes.appendVarint(ZigZag.encode(exemplar.timestamp))
        bytes.appendInteger(exemplar.bits)
        bytes.appendVarint(UInt64(exemplar.labels.count))
        bytes.append(contentsOf: exemplar.labels)
      }
      minTime = min(minTime, exemplar.timestamp)
      maxTime = max(maxTime, exemplar.timestamp)
    }
  }

  // MARK: - The end

  /// Writes the index and finishes the part; one without series counts as of the begin of its day.
  func finish(metadata: [(MetricKey, MetricMetadata)]) throws(BlockError) -> PartRecord {
    try end()
    try samples.close()
    try histograms.close()
    try exemplars.close()
    try times.close()
    try summaries.close()
    var content = PartContent()
    content.seriesCount = seriesCount
    content.tenants = tenants
    content.metadata = metadata
    content.summaryCount = Int(summaries.count)
    for (kind, locations, firsts) in [
      (PartBlockKind.samples, samples.locations, samples.firsts),
      (PartBlockKind.histograms, histograms.locations, histograms.firsts),
      (PartBlockKind.exemplars, exemplars.locations, []), (PartBlockKind.times, times.locations, times.firsts),
      (PartBlockKind.summaries, summaries.locations, summaries.firsts),
    ] { (content.blocks[kind], content.firsts[kind]) = (locations, firsts) }
    try index.write(digests)
    try index.finish(&content)
    _ = try contentFile.append(content.encoded(), kind: PartBlockKind.content)
    if seriesCount == 0 {
      minTime = day.multipliedReportingOverflow(by: SeriesEngine.dayMilliseconds).partialValue
      maxTime = minTime
    }
    return try writer.finish(
      PartSummary(
        kind: .series, format: SeriesEngine.partFormat, partition: day, level: level, rows: rows,
        groups: UInt64(seriesCount), minTime: minTime, maxTime: maxTime))
  }
}
