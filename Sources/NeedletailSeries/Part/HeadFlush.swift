import NeedletailBlocks
import NeedletailTelemetry

/// Writes a frozen head as parts, one for every UTC day that has anything.
struct HeadFlush {
  /// A label name of a tenant with its values in order, by their numbers in the head's index.
  struct SortedName {
    var tenant: TenantID
    var text: [UInt8]
    var values: [Int]
  }

  private let head: FrozenHead
  private let slots: SlotMap
  private let blockBytes: Int

  init(_ head: FrozenHead, slots: SlotMap, blockBytes: Int) {
    self.head = head
    self.slots = slots
    self.blockBytes = blockBytes
  }

  /// The synced parts.
  ///
  /// When it throws, what it had written is removed as far as that works.
  func write(to folder: PartsFolder) throws(BlockError) -> [PartRecord] {
    let names = sortedNames()
    let metadata = sortedMetadata()
    var records: [PartRecord] = []
    var builders: [Int64: SeriesPartBuilder] = [:]
    do throws(BlockError) {
      let days = self.days()
      for start in stride(from: 0, to: days.count, by: Self.daysAtOnce) {
        builders = [:]
        let batch = days[start..<min(start + Self.daysAtOnce, days.count)]
        try addAll(to: &builders, in: folder, days: Set(batch))
        for day in batch {
          if let record = try builders[day]?.finish(head, names: names, metadata: metadata) { records.append(record) }
        }
      }
      return records
    } catch {
      for builder in builders.values { builder.discard() }
      for record in records { try? folder.remove(record.id) }
      throw error
    }
  }

  /// Parts that are written at the same time: each holds files open and a block in memory, and a sender may backfill years.
  private static let daysAtOnce = 16

  /// The UTC days that the head has anything of, in order. O(samples).
  private func days() -> [Int64] {
    var days = Set(head.exemplars(from: .min, to: .max) { _ in true }.map { Self.day($0.timestamp) })
    var columns = SampleColumns()
    for series in head.sortedSeries.map({ Int($0) }) {
      columns.removeAll()
      head.collect(series, from: .min, to: .max, into: &columns)
      for time in columns.timestamps { days.insert(Self.day(time)) }
      for histogram in head.histograms(series, from: .min, to: .max) { days.insert(Self.day(histogram.timestamp)) }
    }
    let found = Array(days)
    return RowSort.order(found.count) { found[$0] < found[$1] }.map { found[$0] }
  }

  private static func day(_ time: Int64) -> Int64 {
    let day = time / SeriesEngine.dayMilliseconds
    return time % SeriesEngine.dayMilliseconds < 0 ? day - 1 : day
  }

  private func addAll(
    to builders: inout [Int64: SeriesPartBuilder], in folder: PartsFolder, days: Set<Int64>
  ) throws(BlockError) {
    let exemplars = Dictionary(grouping: head.exemplars(from: .min, to: .max) { _ in true }) { $0.series }
    var columns = SampleColumns()
    for series in head.sortedSeries.map({ Int($0) }) {
      columns.removeAll()
      head.collect(series, from: .min, to: .max, into: &columns)
      let histograms = HistogramRule.settled(head.histograms(series, from: .min, to: .max))
      let ofSeries = Self.sorted(exemplars[series] ?? [])
      var ranges: [Int64: Range<Int>] = [:]
      var start = 0
      while start < columns.count {
        let day = Self.day(columns.timestamps[start])
        let end = columns.timestamps[start...].firstIndex { Self.day($0) != day } ?? columns.count
        ranges[day] = start..<end
        start = end
      }
      let histogramDays = Dictionary(grouping: histograms) { Self.day($0.timestamp) }
      let exemplarDays = Dictionary(grouping: ofSeries) { Self.day($0.timestamp) }
      let id = head.registry.id(series)
      for day in Set(ranges.keys).union(histogramDays.keys).union(exemplarDays.keys).intersection(days) {
        let builder: SeriesPartBuilder
        if let open = builders[day] {
          builder = open
        } else {
          builder = try SeriesPartBuilder(day: day, blockBytes: blockBytes, folder: folder)
          builders[day] = builder
        }
        try builder.add(
          PartSeriesRecord(
            id: id, minTime: .max, maxTime: .min, startTimestamp: head.startTimestamp(series),
            slot: slots.slot(of: id)),
          number: series, tenant: head.registry.tenants[head.registry.tenant(series)], columns: columns,
          range: ranges[day] ?? 0..<0, histograms: histogramDays[day] ?? [], exemplars: exemplarDays[day] ?? [])
      }
    }
  }

  /// The exemplars of a series, each once.
  private static func sorted(_ exemplars: [StoredExemplar]) -> [StoredExemplar] {
    guard !exemplars.isEmpty else { return [] }
    let distinct = Array(Set(exemplars))
    return RowSort.order(distinct.count) { left, right in
      let (one, other) = (distinct[left], distinct[right])
      return (one.timestamp, one.bits) < (other.timestamp, other.bits)
    }.map { distinct[$0] }
  }

  private func sortedMetadata() -> [(MetricKey, MetricMetadata)] {
    let all = head.metadata.entries.map { ($0.key, $0.value.description) }
    return RowSort.order(all.count) { left, right in
      let (one, other) = (all[left].0, all[right].0)
      return (one.tenant.description, one.name) < (other.tenant.description, other.name)
    }.map { all[$0] }
  }

  private func sortedNames() -> [SortedName] {
    let registry = head.registry
    var pairs = [[Int]](repeating: [], count: registry.names.count)
    for pair in 0..<registry.pairs.count { pairs[Int(registry.pairs[pair].name)].append(pair) }
    let names = pairs.indices.map { name in
      let all = pairs[name]
      let values = RowSort.order(all.count) { left, right in
        registry.withValue(all[left]) { left in registry.withValue(all[right]) { left.precedes($0) } }
      }.map { all[$0] }
      return SortedName(
        tenant: registry.tenants[Int(registry.names[name].tenant)], text: registry.withName(name) { Array($0) },
        values: values)
    }
    return RowSort.order(names.count) { left, right in
      let (one, other) = (names[left], names[right])
      return one.tenant == other.tenant
        ? one.text.lexicographicallyPrecedes(other.text) : one.tenant.description < other.tenant.description
    }.map { names[$0] }
  }
}
