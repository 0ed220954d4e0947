import NeedletailBlocks
import NeedletailTelemetry

/// Writes a frozen head as parts, one for every UTC day that has anything.
struct HeadFlush {
  /// Parts that are written at the same time: each holds files open and a block in memory, and a sender may backfill
  /// years.
  private static let daysAtOnce = 16

  private let head: FrozenHead
  private let slots: SlotMap
  private let blockBytes: Int

  init(_ head: FrozenHead, slots: SlotMap, blockBytes: Int) {
    self.head = head
    self.slots = slots
    self.blockBytes = blockBytes
  }

  /// The synced parts, by day; where the head has descriptions of metrics and nothing else, one of `dayOfDescriptions`.
  ///
  /// When it throws, what it had written is removed as far as that works.
  func write(to folder: PartsFolder, dayOfDescriptions: Int64) throws(BlockError) -> [PartRecord] {
    let exemplars = Dictionary(grouping: head.exemplars(from: .min, to: .max) { _ in true }) { $0.series }
    let series = head.sortedSeries.map { Int($0) }
      .filter { head.mayHave($0, from: .min, to: .max) || exemplars[$0] != nil }
    var pass = Pass(head: head, slots: slots, blockBytes: blockBytes, folder: folder, daysAtOnce: Self.daysAtOnce)
    var records: [PartRecord] = []
    do throws(BlockError) {
      // Mostly all days are written in the first pass; each pass takes those that it meets first.
      repeat {
        try pass.run(series, exemplars)
        let days = pass.openDays
        for day in days { records.append(try pass.finish(day, metadata: sortedMetadata())) }
      } while pass.isMoreToDo
      if records.isEmpty, !head.metadata.entries.isEmpty {
        records.append(try pass.finish(empty: dayOfDescriptions, metadata: sortedMetadata()))
      }
    } catch {
      pass.discard()
      for record in records { try? folder.remove(record.id) }
      throw error
    }
    return RowSort.order(records.count) { records[$0].summary.partition < records[$1].summary.partition }
      .map { records[$0] }
  }

  private func sortedMetadata() -> [(MetricKey, MetricMetadata)] {
    head.metadata.entries.map { ($0.key, $0.value.description) }.sortedByKey()
  }

  /// One walk over the head's series, which writes some of the days.
  private struct Pass {
    let head: FrozenHead
    let slots: SlotMap
    let blockBytes: Int
    let folder: PartsFolder
    let daysAtOnce: Int
    private var builders: [Int64: SeriesPartBuilder] = [:]
    /// The series that each builder was begun with last.
    private var begun: [Int64: Int] = [:]
    private var done = Set<Int64>()
    private(set) var isMoreToDo = false

    init(head: FrozenHead, slots: SlotMap, blockBytes: Int, folder: PartsFolder, daysAtOnce: Int) {
      self.head = head
      self.slots = slots
      self.blockBytes = blockBytes
      self.folder = folder
      self.daysAtOnce = daysAtOnce
    }

    var openDays: [Int64] { builders.keys.sorted() }

    func discard() { for builder in builders.values { builder.discard() } }

    mutating func finish(_ day: Int64, metadata: [(MetricKey, MetricMetadata)]) throws(BlockError) -> PartRecord {
      guard let builder = builders[day] else { preconditionFailure("only open days are finished") }
      let record = try builder.finish(metadata: metadata)
      builders[day] = nil
      done.insert(day)
      return record
    }

    /// Writes a part that has descriptions alone.
    func finish(empty day: Int64, metadata: [(MetricKey, MetricMetadata)]) throws(BlockError) -> PartRecord {
      let builder = try SeriesPartBuilder(day: day, level: 0, slots: slots, blockBytes: blockBytes, folder: folder)
      do throws(BlockError) { return try builder.finish(metadata: metadata) } catch {
        builder.discard()
        throw error
      }
    }

    mutating func run(_ series: [Int], _ exemplars: [Int: [StoredExemplar]]) throws(BlockError) {
      isMoreToDo = false
      begun = [:]
      var columns = SampleColumns()
      for number in series {
        let id = head.registry.id(number)
        columns.removeAll()
        head.collect(number, from: .min, to: .max, into: &columns)
        try add(columns, of: number)
        let histograms = HistogramRule.settled(head.histograms(number, from: .min, to: .max))
        try forEachDay(histograms[...], \.timestamp, of: number) { (builder, part) throws(BlockError) in
          try builder.append(part)
          for histogram in part { builder.digests.add(histogram, of: id) }
        }
        guard let all = exemplars[number] else { continue }
        try forEachDay(all.sortedSet()[...], \.timestamp, of: number) { (builder, part) throws(BlockError) in
          try builder.append(Array(part))
          for exemplar in part { builder.digests.add(.exemplar(id, exemplar), of: id, at: exemplar.timestamp) }
        }
      }
    }

    private mutating func add(_ columns: SampleColumns, of series: Int) throws(BlockError) {
      let id = head.registry.id(series)
      var start = 0
      while start < columns.count {
        let day = SeriesEngine.day(of: columns.timestamps[start])
        var end = columns.count
        if SeriesEngine.day(of: columns.timestamps[end - 1]) != day {
          // A later day begins within the range of times.
          end = columns.timestamps.firstIndex(
            notBefore: (day + 1) * SeriesEngine.dayMilliseconds, in: start..<columns.count)
        }
        if let builder = try builder(of: day, for: series) {
          var problem: BlockError?
          let starts = columns.starts.piece(start..<end)
          columns.withBuffers { times, values in
            let (times, values) = (
              UnsafeBufferPointer(rebasing: times[start..<end]), UnsafeBufferPointer(rebasing: values[start..<end])
            )
            do throws(BlockError) { try builder.append(times, values, starts: starts) } catch { problem = error }
            values.withMemoryRebound(to: UInt64.self) { bits in
              builder.digests.add(id, times, bits, starts) { head.undigested(series, id, in: $0) }
            }
          }
          if let problem { throw problem }
        }
        start = end
      }
    }

    private mutating func forEachDay<Element>(
      _ all: ArraySlice<Element>, _ time: (Element) -> Int64, of series: Int,
      _ body: (SeriesPartBuilder, ArraySlice<Element>) throws(BlockError) -> Void
    ) throws(BlockError) {
      var start = all.startIndex
      while start < all.endIndex {
        let day = SeriesEngine.day(of: time(all[start]))
        let end = all[start...].firstIndex { SeriesEngine.day(of: time($0)) != day } ?? all.endIndex
        if let builder = try builder(of: day, for: series) { try body(builder, all[start..<end]) }
        start = end
      }
    }

    /// The builder of a day, in which the series is begun; nil where the day is another pass's.
    private mutating func builder(of day: Int64, for series: Int) throws(BlockError) -> SeriesPartBuilder? {
      if done.contains(day) { return nil }
      let builder: SeriesPartBuilder
      if let open = builders[day] {
        builder = open
      } else {
        guard builders.count < daysAtOnce else {
          isMoreToDo = true
          return nil
        }
        builder = try SeriesPartBuilder(day: day, level: 0, slots: slots, blockBytes: blockBytes, folder: folder)
        builder.digests.take(head.digests, day: day)
        builders[day] = builder
      }
      if begun[day] != series {
        begun[day] = series
        let registry = head.registry
        var problem: BlockError?
        registry.withLabels(series) { labels in
          do throws(BlockError) {
            try builder.begin(
              registry.id(series), tenant: registry.tenants[registry.tenant(series)], labels: labels,
              start: head.startTimestamp(series))
          } catch { problem = error }
        }
        if let problem { throw problem }
      }
      return builder
    }
  }
}

extension SeriesEngine {
  /// The UTC day of a time in ms, negative before 1970.
  @inline(__always) static func day(of time: Int64) -> Int64 {
    let day = time / dayMilliseconds
    return time % dayMilliseconds < 0 ? day - 1 : day
  }
}

extension SampleColumns {
  /// Lends both columns, the values as numbers.
  @inline(__always) func withBuffers(
    _ body: (UnsafeBufferPointer<Int64>, UnsafeBufferPointer<Double>) -> Void
  ) {
    timestamps.withUnsafeBufferPointer { times in
      values.withUnsafeBufferPointer { bits in
        bits.withMemoryRebound(to: Double.self) { body(times, $0) }
      }
    }
  }
}

extension [StoredExemplar] {
  /// Each once, by time, value and labels.
  func sortedSet() -> [StoredExemplar] {
    let distinct = Array(Set(self))
    return RowSort.order(distinct.count) { left, right in
      let (one, other) = (distinct[left], distinct[right])
      if (one.timestamp, one.bits) != (other.timestamp, other.bits) {
        return (one.timestamp, one.bits) < (other.timestamp, other.bits)
      }
      return one.labels.lexicographicallyPrecedes(other.labels)
    }.map { distinct[$0] }
  }
}

extension [(MetricKey, MetricMetadata)] {
  /// By tenant and name.
  func sortedByKey() -> [(MetricKey, MetricMetadata)] {
    RowSort.order(count) { left, right in
      let (one, other) = (self[left].0, self[right].0)
      return (one.tenant.description, one.name) < (other.tenant.description, other.name)
    }.map { self[$0] }
  }
}
