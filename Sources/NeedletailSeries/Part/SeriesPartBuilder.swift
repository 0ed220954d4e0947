import NeedletailBlocks
import NeedletailTelemetry

/// Blocks of one kind in the making: runs are put one behind the other and the block is closed when it is large
/// enough.
///
/// A run never lies in two blocks.
struct RunBlocks {
  private let kind: UInt8
  private let blockBytes: Int
  private let file: BlockWriter
  private(set) var locations: [BlockLocation] = []
  private var writer: ByteWriter

  init(kind: UInt8, blockBytes: Int, file: BlockWriter) {
    self.kind = kind
    self.blockBytes = blockBytes
    self.file = file
    writer = ByteWriter(reserving: blockBytes * 2)
  }

  /// Writes a run; tells the number of its block and its offset in it.
  mutating func append(_ encode: (inout ByteWriter) -> Void) throws(BlockError) -> (block: UInt32, offset: UInt32) {
    let position = (UInt32(truncatingIfNeeded: locations.count), UInt32(truncatingIfNeeded: writer.count))
    encode(&writer)
    if writer.count >= blockBytes { try close() }
    return position
  }

  mutating func close() throws(BlockError) {
    guard writer.count > 0 else { return }
    locations.append(try file.append(writer.bytes, kind: kind))
    writer.removeAll()
  }
}

/// A part of one UTC day in the making.
///
/// Series are added in the order of `SeriesOrder`, tenant by tenant.
final class SeriesPartBuilder {
  private static let histogramRunBytes = 64 << 10
  private static let sectionBytes = 1 << 20

  private let day: Int64
  private let writer: PartWriter
  private let index: BlockWriter
  private let contentFile: BlockWriter
  private var samples: RunBlocks
  private var histograms: RunBlocks
  private var exemplars: RunBlocks
  private var records: [PartSeriesRecord] = []
  private var tenants: [PartContent.Tenant] = []
  /// The numbers of the series in the head, in this part's order.
  private var numbers: [Int] = []
  private var rows: UInt64 = 0
  private var minTime = Int64.max
  private var maxTime = Int64.min

  init(day: Int64, blockBytes: Int, folder: PartsFolder) throws(BlockError) {
    self.day = day
    let writer = try folder.makePart()
    do throws(BlockError) {
      samples = RunBlocks(
        kind: PartBlockKind.samples, blockBytes: blockBytes, file: try writer.makeFile(PartFileName.samples))
      histograms = RunBlocks(
        kind: PartBlockKind.histograms, blockBytes: blockBytes, file: try writer.makeFile(PartFileName.histograms))
      exemplars = RunBlocks(
        kind: PartBlockKind.exemplars, blockBytes: blockBytes, file: try writer.makeFile(PartFileName.exemplars))
      index = try writer.makeFile(PartFileName.index)
      contentFile = try writer.makeFile(PartFileName.content)
    } catch {
      writer.discard()
      throw error
    }
    self.writer = writer
  }

  func discard() { writer.discard() }

  /// Adds a series with what it has on this day; all of it sorted by time.
  func add(
    _ record: PartSeriesRecord, number: Int, tenant: TenantID, columns: SampleColumns, range: Range<Int>,
    histograms histogramsOfDay: [StoredHistogram], exemplars exemplarsOfDay: [StoredExemplar]
  ) throws(BlockError) {
    var record = record
    record.minTime = .max
    record.maxTime = .min
    try addSamples(columns, range, to: &record)
    try addHistograms(histogramsOfDay, to: &record)
    minTime = min(minTime, record.minTime)
    maxTime = max(maxTime, record.maxTime)
    for exemplar in exemplarsOfDay {
      _ = try exemplars.append { writer in
        writer.appendVarint(UInt64(records.count))
        writer.appendSignedVarint(exemplar.timestamp)
        writer.append(exemplar.bits)
        exemplar.labels.withUnsafeBytes { writer.appendPrefixed($0) }
      }
      minTime = min(minTime, exemplar.timestamp)
      maxTime = max(maxTime, exemplar.timestamp)
    }
    if tenants.last?.tenant != tenant {
      tenants.append(PartContent.Tenant(tenant: tenant, first: records.count, count: 0))
    }
    tenants[tenants.count - 1].count += 1
    records.append(record)
    numbers.append(number)
    rows += UInt64(range.count + histogramsOfDay.count)
  }

  private func addSamples(
    _ columns: SampleColumns, _ range: Range<Int>, to record: inout PartSeriesRecord
  ) throws(BlockError) {
    guard !range.isEmpty else { return }
    record.minTime = columns.timestamps[range.lowerBound]
    record.maxTime = columns.timestamps[range.upperBound - 1]
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(start + SampleChunk.countMax, range.upperBound)
      let position = try samples.append { SampleChunk.encode(columns, start..<end, to: &$0) }
      if record.sampleRuns == 0 { (record.sampleBlock, record.sampleOffset) = position }
      record.sampleRuns += 1
      start = end
    }
  }

  private func addHistograms(
    _ all: [StoredHistogram], to record: inout PartSeriesRecord
  ) throws(BlockError) {
    guard let first = all.first, let last = all.last else { return }
    record.minTime = min(record.minTime, first.timestamp)
    record.maxTime = max(record.maxTime, last.timestamp)
    var start = 0
    while start < all.count {
      var end = start
      var bytes = 0
      while end < all.count, end == start || bytes < Self.histogramRunBytes {
        bytes += all[end].bytes.count + 16
        end += 1
      }
      let position = try histograms.append { HistogramChunk.encode(all[start..<end], to: &$0) }
      if record.histogramRuns == 0 { (record.histogramBlock, record.histogramOffset) = position }
      record.histogramRuns += 1
      start = end
    }
  }

  /// Writes the index and finishes the part.
  func finish(
    _ head: FrozenHead, names: [HeadFlush.SortedName], metadata: [(MetricKey, MetricMetadata)]
  ) throws(BlockError) -> PartRecord {
    try samples.close()
    try histograms.close()
    try exemplars.close()
    var content = PartContent()
    content.seriesCount = records.count
    content.tenants = tenants
    content.metadata = metadata
    content.blocks[PartBlockKind.samples] = samples.locations
    content.blocks[PartBlockKind.histograms] = histograms.locations
    content.blocks[PartBlockKind.exemplars] = exemplars.locations
    let inverted = PartInversion(head, names: names, numbers: numbers, tenants: tenants)
    for (position, offset) in inverted.labelOffsets.enumerated() { records[position].labelsOffset = offset }
    var series = ByteWriter(reserving: records.count * PartSeriesRecord.byteCount)
    for record in records { record.encode(to: &series) }
    for (kind, section) in [
      (PartBlockKind.dictionary, inverted.dictionary), (PartBlockKind.postings, inverted.postings),
      (PartBlockKind.labels, inverted.labels), (PartBlockKind.series, series), (PartBlockKind.slots, slotIndex()),
    ] { content.blocks[kind] = try writeSection(section.bytes, kind: kind) }
    _ = try contentFile.append(content.encoded(), kind: PartBlockKind.content)
    return try writer.finish(
      PartSummary(
        kind: .series, format: SeriesEngine.partFormat, partition: day, level: 0, rows: rows,
        groups: UInt64(records.count), minTime: minTime, maxTime: maxTime))
  }

  private func writeSection(_ bytes: [UInt8], kind: UInt8) throws(BlockError) -> [BlockLocation] {
    var locations: [BlockLocation] = []
    var start = 0
    while start < bytes.count {
      let end = min(start + Self.sectionBytes, bytes.count)
      locations.append(try index.append(Array(bytes[start..<end]), kind: kind))
      start = end
    }
    return locations
  }

  /// For every slot that has series here: its number, how many, and their numbers as deltas.
  private func slotIndex() -> ByteWriter {
    var writer = ByteWriter()
    let order = RowSort.order(records.count) { records[$0].slot < records[$1].slot }
    var start = 0
    while start < order.count {
      let slot = records[order[start]].slot
      let end = order[start...].firstIndex { records[$0].slot != slot } ?? order.count
      writer.appendVarint(UInt64(slot))
      writer.appendAscending(order[start..<end])
      start = end
    }
    return writer
  }
}

extension ByteWriter {
  /// Appends how many numbers there are, and the numbers, ascending, as deltas.
  mutating func appendAscending(_ numbers: some Collection<Int>) {
    appendVarint(UInt64(numbers.count))
    var previous = 0
    for number in numbers {
      appendVarint(UInt64(number - previous))
      previous = number
    }
  }
}
