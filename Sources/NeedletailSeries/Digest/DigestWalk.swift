import NeedletailTelemetry

/// Reads some slots of some sources within a window, series after series in order, and adds what it finds to digests.
///
/// In memory are a block of each kind and part, the numbers of the series, and the exemplars.
struct DigestWalk {
  private struct FoundExemplar: Hashable {
    var id: SeriesID
    var exemplar: StoredExemplar
  }

  private let sources: [SeriesSnapshot.Source]
  /// For each source the slots to read, and between which times.
  private let wanted: [[UInt16: ClosedRange<Int64>]]
  private let slots: SlotMap
  private let range: TimeRange
  private var readers: SourceReaders
  private var exemplars = Set<FoundExemplar>()
  private(set) var isCancelled = false

  init(
    _ sources: [SeriesSnapshot.Source], _ wanted: [[UInt16: ClosedRange<Int64>]], _ slots: SlotMap, _ range: TimeRange
  ) {
    self.sources = sources
    self.wanted = wanted
    self.slots = slots
    self.range = range
    readers = SourceReaders(sources)
  }

  mutating func run(into digests: inout [SeriesDigest]) throws(SeriesDamage) {
    // By tenant, since only series of one tenant are in one order.
    var numbers: [TenantID: [(source: Int, numbers: [UInt32])]] = [:]
    for source in sources.indices where !wanted[source].isEmpty {
      let found: [(TenantID, [UInt32])]
      switch sources[source] {
      case .head(let head): found = headSeries(head, source)
      case .part(let part, let index): found = try partSeries(part, index, source)
      }
      for (tenant, series) in found where !series.isEmpty { numbers[tenant, default: []].append((source, series)) }
    }
    // Made last: series may have come since, and the readers must know all that were found.
    readers = SourceReaders(sources)
    for tenant in numbers.keys.sorted(by: { $0.description < $1.description }) {
      var gatherer = SeriesGatherer(readers)
      for entry in numbers[tenant] ?? [] { gatherer.add(source: entry.source, entry.numbers) }
      guard let gathering = try? gatherer.gather(limit: .max) else {
        isCancelled = true
        return
      }
      if let damage = gatherer.damages.first { throw damage }
      try add(gathering, to: &digests)
      if isCancelled { return }
    }
    for found in exemplars {
      digests[Int(slots.slot(of: found.id))].add(SeriesDigest.exemplar(found.id, found.exemplar))
    }
  }

  private mutating func add(
    _ gathering: SeriesGathering, to digests: inout [SeriesDigest]
  ) throws(SeriesDamage) {
    var columns = SampleColumns()
    for entry in 0..<gathering.count {
      if Task.isCancelled {
        isCancelled = true
        return
      }
      columns.removeAll()
      var found: [StoredHistogram] = []
      let id = try readers.id(gathering.first(of: entry))
      let slot = slots.slot(of: id)
      let places = gathering.range(of: entry)
      for place in places {
        guard let times = wanted[Int(gathering.places[place].source)][slot] else { continue }
        try readers.read(
          gathering.places[place], from: times.lowerBound, to: times.upperBound, standIns: nil, into: &columns, &found)
      }
      if places.count > 1 { columns.settle(from: 0) }
      var digest = SeriesDigest()
      for index in 0..<columns.count {
        digest.add(SeriesDigest.sample(id, columns.timestamps[index], columns.values[index]))
      }
      for histogram in HistogramRule.settled(found) {
        digest.add(SeriesDigest.histogram(id, histogram))
      }
      digests[Int(slot)].add(digest)
    }
  }

  // MARK: - Which series

  private mutating func headSeries(_ head: SeriesHead, _ source: Int) -> [(TenantID, [UInt32])] {
    let (records, own) = (head.directory.records, wanted[source])
    let active = head.withStorage { $0.activeSeries }.filter {
      Int($0) < records.count && own[slots.slot(of: records.id(Int($0)))] != nil
    }
    for exemplar in head.withStorage({ storage in
      storage.exemplars(from: range.startMilliseconds, to: range.endMilliseconds) { $0 < records.count }
    }) { note(exemplar, records.id(exemplar.series), own) }
    let groups = Dictionary(grouping: active) { records.tenant(Int($0)) }
    return groups.keys.sorted().map { (records.tenants[$0], records.sorted(groups[$0] ?? [])) }
  }

  private mutating func partSeries(
    _ part: SeriesPart, _ index: PartIndex, _ source: Int
  ) throws(SeriesDamage) -> [(TenantID, [UInt32])] {
    let own = wanted[source]
    let hasExemplars = !part.content.blocks(PartBlockKind.exemplars).isEmpty
    let deleted = try index.deleted()
    var reader = PartSeriesReader(index)
    var scan = ExemplarScan(part)
    var numbers: [Int]?
    if own.count == 1, let slot = own.keys.first, !hasExemplars { numbers = try index.series(inSlot: slot) }
    var found: [(TenantID, [UInt32])] = []
    for tenant in part.content.tenants {
      var series: [UInt32] = []
      let all = numbers?.filter { (tenant.first..<tenant.end).contains($0) } ?? Array(tenant.first..<tenant.end)
      for number in all {
        let record = try reader.record(number)
        let isWanted = own[slots.slot(of: record.id)] != nil
        while hasExemplars, let exemplar = try scan.next(of: number) {
          if isWanted, !deleted.times(of: number).contains(exemplar.timestamp) { note(exemplar, record.id, own) }
        }
        if isWanted, record.minTime <= range.endMilliseconds, record.maxTime >= range.startMilliseconds {
          series.append(UInt32(truncatingIfNeeded: number))
        }
      }
      found.append((tenant.tenant, series))
    }
    return found
  }

  private mutating func note(_ exemplar: StoredExemplar, _ id: SeriesID, _ own: [UInt16: ClosedRange<Int64>]) {
    guard let times = own[slots.slot(of: id)], times.contains(exemplar.timestamp) else { return }
    var exemplar = exemplar
    exemplar.series = 0
    exemplars.insert(FoundExemplar(id: id, exemplar: exemplar))
  }
}
