import NeedletailBlocks
import NeedletailTelemetry

/// A part as an input of a merge: its series one after the other, with one block of each kind in memory.
struct MergeInput {
  let part: SeriesPart
  private var reader: PartSeriesReader
  private var number = -1
  private var tenant = 0
  private(set) var record: PartSeriesRecord?
  private var labels: [UInt8]?
  var samples: SampleScan
  private var histograms: HistogramScan
  private var exemplars: ExemplarScan
  private let deletedSeries: DeletedSeries
  /// The instants at which nothing is left of the current series.
  private(set) var deleted = TimeRangeSet()
  private var summaries: SummaryReader
  /// Those of the current series, where they were needed.
  private var summaryRows: [SummaryRow]?
  /// The numbers in the new part of this one's timestamp columns, as far as they are known.
  private var timeColumns: [UInt32] = []

  /// `deletions` are those that apply to the part.
  init(_ part: SeriesPart, _ deletions: PartDeletions?) throws(SeriesDamage) {
    self.part = part
    // Each block is read once, so that keeping it would only put out what queries use.
    let index = PartIndex(part, deletions: deletions)
    deletedSeries = try index.deleted()
    reader = PartSeriesReader(index)
    samples = SampleScan(part)
    histograms = HistogramScan(part)
    exemplars = ExemplarScan(part)
    summaries = SummaryReader(part)
  }

  /// The current series' tenant.
  var tenantID: TenantID { part.content.tenants[tenant].tenant }

  /// Goes to the next series; `record` is nil behind the last one.
  mutating func advance() throws(SeriesDamage) {
    number += 1
    record = nil
    guard number < part.content.seriesCount else { return }
    while tenant < part.content.tenants.count, number >= part.content.tenants[tenant].end { tenant += 1 }
    labels = nil
    summaryRows = nil
    record = try reader.record(number)
    deleted = deletedSeries.isEmpty ? TimeRangeSet() : deletedSeries.times(of: number)
  }

  /// Whether anything of the current series is not deleted.
  mutating func isAnythingLeft() throws(SeriesDamage) -> Bool {
    guard record != nil, !deleted.isEmpty else { return record != nil }
    var runs = sampleRuns
    while let run = try samples.next(&runs) {
      if run.times.contains(where: { !deleted.contains($0) }) { return true }
    }
    for run in try histogramRuns() where run.times.contains(where: { !deleted.contains($0) }) { return true }
    var scan = exemplars
    while let exemplar = try scan.next(of: number) { if !deleted.contains(exemplar.timestamp) { return true } }
    return false
  }

  /// The current series' canonical labels, put together when they are asked for: where identities are equal, those of
  /// one input will do.
  mutating func currentLabels() throws(SeriesDamage) -> [UInt8] {
    if let labels { return labels }
    let found = try reader.labels(of: number)
    labels = found
    return found
  }

  /// The current series' runs of samples.
  var sampleRuns: PartScan.Runs {
    PartScan.Runs(record?.samples ?? 0, count: record?.sampleRuns ?? 0, start: record?.startTimestamp ?? 0)
  }

  /// The summary of one of the current series' runs; nil where it has none.
  mutating func summary(of run: SampleScan.Run) throws(SeriesDamage) -> RunSummary? {
    guard let record, record.summaryCount > 0 else { return nil }
    if summaryRows == nil {
      var rows: [SummaryRow] = []
      try summaries.read(record.summaries, count: record.summaryCount, into: &rows)
      summaryRows = rows
    }
    return summaryRows?.first { $0.run == run.number }?.summary
  }

  /// The current series' runs of histograms, with what is deleted of them.
  mutating func histogramRuns() throws(SeriesDamage) -> [HistogramScan.Run] {
    guard let record else { return [] }
    var runs = PartScan.Runs(record.histograms, count: record.histogramRuns, start: record.startTimestamp)
    var result: [HistogramScan.Run] = []
    while let run = try histograms.next(&runs) { result.append(run) }
    return result
  }

  /// Adds the current series' exemplars, those that are deleted included.
  mutating func readExemplars(into all: inout [StoredExemplar]) throws(SeriesDamage) {
    while let exemplar = try exemplars.next(of: number) { all.append(exemplar) }
  }

  /// The number of a timestamp column in the new part, found once.
  mutating func timeColumn(of run: SampleScan.Run, in builder: SeriesPartBuilder) throws(BlockError) -> UInt32 {
    let number = Int(run.timeColumn)
    if number < timeColumns.count, timeColumns[number] != .max { return timeColumns[number] }
    let column = try builder.timeColumn(run.times)
    // Numbers of columns are ascending in a part, so this grows no further than the part has columns.
    while timeColumns.count <= number { timeColumns.append(.max) }
    timeColumns[number] = column
    return column
  }
}

/// Reads a part's exemplars in the order of its series.
struct ExemplarScan {
  private let part: SeriesPart
  private var block = 0
  private var bytes: [UInt8] = []
  private var offset = 0
  private var ahead: StoredExemplar?

  init(_ part: SeriesPart) { self.part = part }

  /// The next exemplar of a series; nil where there is no further one.
  mutating func next(of series: Int) throws(SeriesDamage) -> StoredExemplar? {
    if ahead == nil { ahead = try read() }
    guard let exemplar = ahead, exemplar.series <= series else { return nil }
    guard exemplar.series == series else {
      throw part.damage("exemplars are out of order", kind: PartBlockKind.exemplars, block: max(0, block - 1))
    }
    ahead = nil
    return exemplar
  }

  private mutating func read() throws(SeriesDamage) -> StoredExemplar? {
    if offset == bytes.count {
      guard block < part.content.blocks(PartBlockKind.exemplars).count else { return nil }
      bytes = try part.block(block, kind: PartBlockKind.exemplars)
      offset = 0
      block += 1
    }
    var result: Result<StoredExemplar, MalformedBytes> = .failure(.truncated)
    bytes.withUnsafeBytes { bytes in
      result = Result { () throws(MalformedBytes) in
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[offset...]))
        let exemplar = try StoredExemplar(decoding: &reader, seriesCount: part.content.seriesCount)
        offset += reader.offset
        return exemplar
      }
    }
    do throws(MalformedBytes) {
      return try result.get()
    } catch {
      throw part.damage("\(error)", kind: PartBlockKind.exemplars, block: block - 1)
    }
  }
}

extension StoredExemplar {
  /// Reads an exemplar of a part's block.
  init(decoding reader: inout ByteReader, seriesCount: Int) throws(MalformedBytes) {
    guard let series = Int(exactly: try reader.readVarint()), series < seriesCount else {
      throw .invalid("an exemplar's series is out of bounds")
    }
    let time = try reader.readSignedVarint()
    let bits = try reader.read(UInt64.self)
    let labels = try reader.readPrefixed()
    _ = try LabelSet(validating: labels)
    self.init(series: series, timestamp: time, bits: bits, labels: Array(labels))
  }
}
