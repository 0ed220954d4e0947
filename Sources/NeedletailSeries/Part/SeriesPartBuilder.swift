import NeedletailBlocks
import NeedletailTelemetry

/// A part of one UTC day in the making; flushes and merges write through it alike.
///
/// Series are added tenant by tenant in the order of the tenants' names, within a tenant in `SeriesOrder`: `begin`,
/// then what the series has, each kind sorted by time, then `end`. What it keeps in memory are a block of each kind and
/// what the index is made from; no sample that was added.
final class SeriesPartBuilder {
  private static let histogramRunBytes = 64 << 10
  private static let sectionBytes = 1 << 20

  private let day: Int64
  private let level: UInt32
  private let slots: SlotMap
  private let writer: PartWriter
  private let index: BlockWriter
  private let contentFile: BlockWriter
  private var samples: RunBlocks
  private var histograms: RunBlocks
  private var exemplars: RunBlocks
  private var times: TimeColumnWriter
  private var records: [PartSeriesRecord] = []
  private var tenants: [PartContent.Tenant] = []
  private var interner = LabelInterner()
  private var labelNumbers: [UInt32] = []
  private var labelEnds: [Int] = []
  private var scratch: [UInt8] = []
  private var rows: UInt64 = 0
  private var minTime = Int64.max
  private var maxTime = Int64.min

  init(day: Int64, level: UInt32, slots: SlotMap, blockBytes: Int, folder: PartsFolder) throws(BlockError) {
    self.day = day
    self.level = level
    self.slots = slots
    let writer = try folder.makePart()
    func blocks(_ kind: UInt8, _ name: String) throws(BlockError) -> RunBlocks {
      RunBlocks(kind: kind, blockBytes: blockBytes, file: try writer.makeFile(name))
    }
    do throws(BlockError) {
      samples = try blocks(PartBlockKind.samples, PartFileName.samples)
      histograms = try blocks(PartBlockKind.histograms, PartFileName.histograms)
      exemplars = try blocks(PartBlockKind.exemplars, PartFileName.exemplars)
      times = TimeColumnWriter(try blocks(PartBlockKind.times, PartFileName.times))
      index = try writer.makeFile(PartFileName.index)
      contentFile = try writer.makeFile(PartFileName.content)
    } catch {
      writer.discard()
      throw error
    }
    self.writer = writer
  }

  /// Gives the part up and removes its folder, as far as that works.
  func discard() { writer.discard() }

  var seriesCount: Int { records.count }

  // MARK: - A series

  /// Begins a series; `start` is when its count began, in ms, 0 where nobody told.
  ///
  /// Throws where the labels are not canonical.
  func begin(
    _ id: SeriesID, tenant: TenantID, labels: UnsafeRawBufferPointer, start: Int64
  ) throws(BlockError) {
    if tenants.last?.tenant != tenant {
      tenants.append(PartContent.Tenant(tenant: tenant, first: records.count, count: 0))
    }
    tenants[tenants.count - 1].count += 1
    do throws(MalformedBytes) {
      try interner.intern(labels, tenant: UInt32(truncatingIfNeeded: tenants.count - 1), into: &labelNumbers)
    } catch {
      throw .damaged(path: index.path, offset: 0, .content)
    }
    labelEnds.append(labelNumbers.count)
    records.append(
      PartSeriesRecord(id: id, minTime: .max, maxTime: .min, startTimestamp: start, slot: slots.slot(of: id)))
  }

  /// Adds samples of the series, later than those before, as evenly long runs.
  func append(_ times: UnsafeBufferPointer<Int64>, _ values: UnsafeBufferPointer<Double>) throws(BlockError) {
    let runs = SampleRun.runs(times.count)
    for run in 0..<runs {
      let range = (times.count * run / runs)..<(times.count * (run + 1) / runs)
      let column = try self.times.number(of: UnsafeBufferPointer(rebasing: times[range]))
      let part = UnsafeBufferPointer(rebasing: values[range])
      let position = try samples.append { SampleRun.encode(part, times: column, scratch: &scratch, to: &$0) }
      note(position, first: times[range.lowerBound], last: times[range.upperBound - 1], count: range.count)
    }
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
    _ values: UnsafeRawBufferPointer, timeColumn: UInt32, first: Int64, last: Int64, count: Int
  ) throws(BlockError) {
    let position = try samples.append { bytes in
      bytes.appendVarint(UInt64(timeColumn))
      bytes.appendVarint(UInt64(values.count))
      bytes.append(contentsOf: values)
    }
    note(position, first: first, last: last, count: count)
  }

  private func note(_ position: RunPosition, first: Int64, last: Int64, count: Int) {
    let current = records.count - 1
    if records[current].sampleRuns == 0 { records[current].samples = position }
    records[current].sampleRuns += 1
    widen(first, last)
    rows += UInt64(count)
  }

  private func widen(_ first: Int64, _ last: Int64) {
    let current = records.count - 1
    records[current].minTime = min(records[current].minTime, first)
    records[current].maxTime = max(records[current].maxTime, last)
    minTime = min(minTime, first)
    maxTime = max(maxTime, last)
  }

  /// Adds histograms of the series, settled and later than those before.
  func append(_ all: ArraySlice<StoredHistogram>) throws(BlockError) {
    guard let first = all.first, let last = all.last else { return }
    widen(first.timestamp, last.timestamp)
    rows += UInt64(all.count)
    let current = records.count - 1
    var start = all.startIndex
    while start < all.endIndex {
      var end = start
      var bytes = 0
      while end < all.endIndex, end == start || bytes < Self.histogramRunBytes {
        bytes += all[end].bytes.count + 16
        end += 1
      }
      let position = try histograms.append { HistogramRun.encode(all[start..<end], to: &$0) }
      if records[current].histogramRuns == 0 { records[current].histograms = position }
      records[current].histogramRuns += 1
      start = end
    }
  }

  /// Adds exemplars of the series, each once; whatever their `series` says.
  func append(_ all: [StoredExemplar]) throws(BlockError) {
    for exemplar in all {
      _ = try exemplars.append { bytes in
        bytes.appendVarint(UInt64(records.count - 1))
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

  /// Writes the index and finishes the part.
  func finish(metadata: [(MetricKey, MetricMetadata)]) throws(BlockError) -> PartRecord {
    try samples.close()
    try histograms.close()
    try exemplars.close()
    try times.close()
    var content = PartContent()
    content.seriesCount = records.count
    content.tenants = tenants
    content.metadata = metadata
    content.timeFirsts = times.firsts
    content.blocks[PartBlockKind.samples] = samples.locations
    content.blocks[PartBlockKind.histograms] = histograms.locations
    content.blocks[PartBlockKind.exemplars] = exemplars.locations
    content.blocks[PartBlockKind.times] = times.locations
    let inverted = PartInversion(interner, tenantCount: tenants.count, numbers: labelNumbers, ends: labelEnds)
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
        kind: .series, format: SeriesEngine.partFormat, partition: day, level: level, rows: rows,
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
