import NeedletailTelemetry

/// Reads some slots of some sources within a window, series after series: by tenant, then as `SeriesOrder` has it. What
/// several sources have of a series is settled as queries settle it; but a sample that a histogram hides is told too.
///
/// In memory are a block of each kind and part, the numbers of the series, and the exemplars.
struct SlotWalk {
  private let sources: [SeriesSnapshot.Source]
  /// For each source the slots to read, and between which times.
  private let wanted: [[UInt16: ClosedRange<Int64>]]
  private let slots: SlotMap
  private let range: TimeRange
  /// Among the series of the slots.
  private let isWanted: (SeriesID) -> Bool
  private var readers: SourceReaders
  private var found: [SeriesID: Set<StoredExemplar>] = [:]
  /// The series of each tenant; nil before the walk begins.
  private var tenants: [(tenant: TenantID, numbers: [(source: Int, numbers: [UInt32])])]?
  private var nextTenant = 0
  private var gathering = SeriesGathering()
  private var nextEntry = 0
  private var isCancelled = false

  /// What was found of the current series.
  private(set) var tenant = TenantID.default
  private(set) var id = SeriesID(Hash128(high: 0, low: 0))
  private(set) var columns = SampleColumns()
  private(set) var histograms: [StoredHistogram] = []
  /// Sorted by time, then value and labels; their `series` means nothing.
  var exemplars: [StoredExemplar] {
    (found[id] ?? []).sorted { left, right in
      if left.timestamp != right.timestamp { return left.timestamp < right.timestamp }
      if left.bits != right.bits { return left.bits < right.bits }
      return left.labels.lexicographicallyPrecedes(right.labels)
    }
  }

  init(
    _ sources: [SeriesSnapshot.Source], _ wanted: [[UInt16: ClosedRange<Int64>]], _ slots: SlotMap, _ range: TimeRange,
    where isWanted: @escaping (SeriesID) -> Bool = { _ in true }
  ) {
    self.sources = sources
    self.wanted = wanted
    self.slots = slots
    self.range = range
    self.isWanted = isWanted
    readers = SourceReaders(sources)
  }

  /// The identity of the next series, which is then the current one; nil after the last. It may turn out to have nothing.
  mutating func next() throws(SeriesDigestError) -> SeriesID? {
    if Task.isCancelled { throw .cancelled }
    let next: SeriesID?
    do throws(SeriesDamage) { next = try advance() } catch { throw .damage(error) }
    if isCancelled { throw .cancelled }
    return next
  }

  /// The series that come after the current one, of which nothing is read; the walk is over then.
  mutating func remaining() throws(SeriesDigestError) -> [SeriesID] {
    var ids: [SeriesID] = []
    do throws(SeriesDamage) {
      while try isAtSeries() {
        ids.append(try readers.id(gathering.first(of: nextEntry)))
        nextEntry += 1
      }
    } catch { throw .damage(error) }
    if isCancelled { throw .cancelled }
    return ids
  }

  private mutating func advance() throws(SeriesDamage) -> SeriesID? {
    guard try isAtSeries() else { return nil }
    try read(nextEntry)
    nextEntry += 1
    return id
  }

  /// Whether there is another series; gathers those of the next tenant where one is over.
  private mutating func isAtSeries() throws(SeriesDamage) -> Bool {
    if tenants == nil {
      tenants = try listTenants()
      // Made last: series may have come since, and the readers must know all that were found.
      readers = SourceReaders(sources)
    }
    while nextEntry == gathering.count {
      guard let all = tenants, nextTenant < all.count else { return false }
      tenant = all[nextTenant].tenant
      var gatherer = SeriesGatherer(readers)
      for entry in all[nextTenant].numbers { gatherer.add(source: entry.source, entry.numbers) }
      guard let gathered = try? gatherer.gather(limit: .max) else {
        isCancelled = true
        return false
      }
      if let damage = gatherer.damages.first { throw damage }
      (gathering, nextEntry, nextTenant) = (gathered, 0, nextTenant + 1)
    }
    return true
  }

  private mutating func read(_ entry: Int) throws(SeriesDamage) {
    columns.removeAll()
    var all: [StoredHistogram] = []
    id = try readers.id(gathering.first(of: entry))
    let slot = slots.slot(of: id)
    let places = gathering.range(of: entry)
    for place in places {
      guard let times = wanted[Int(gathering.places[place].source)][slot] else { continue }
      try readers.read(
        gathering.places[place], from: times.lowerBound, to: times.upperBound, standIns: nil, into: &columns, &all)
    }
    if places.count > 1 { columns.settle(from: 0) }
    histograms = HistogramRule.settled(all)
  }

  /// That of the current series.
  var digest: SeriesDigest {
    var digest = SeriesDigest()
    columns.timestamps.withUnsafeBufferPointer { times in
      columns.values.withUnsafeBufferPointer { digest.add(id, times, $0, columns.starts, times.indices) }
    }
    for histogram in histograms { digest.add(.histogram(id, histogram)) }
    for exemplar in found[id] ?? [] { digest.add(.exemplar(id, exemplar)) }
    return digest
  }

  /// The canonical labels of the current series.
  mutating func labels() throws(SeriesDigestError) -> [UInt8] {
    do throws(SeriesDamage) { return try readers.labels(gathering.first(of: nextEntry - 1)) } catch {
      throw .damage(error)
    }
  }

  // MARK: - Which series

  private mutating func listTenants() throws(SeriesDamage) -> [(
    tenant: TenantID, numbers: [(source: Int, numbers: [UInt32])]
  )] {
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
    return numbers.keys.sorted { $0.description < $1.description }.map { ($0, numbers[$0] ?? []) }
  }

  private mutating func headSeries(_ head: SeriesHead, _ source: Int) -> [(TenantID, [UInt32])] {
    let (records, own) = (head.directory.records, wanted[source])
    // Exemplars first: whatever has one is then listed as active.
    for exemplar in head.withStorage({ storage in
      storage.exemplars(from: range.startMilliseconds, to: range.endMilliseconds) { $0 < records.count }
    }) { note(exemplar, records.id(exemplar.series), own) }
    let active = head.active(records) { own[slots.slot(of: $0)] != nil && isWanted($0) }
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
    var result: [(TenantID, [UInt32])] = []
    for tenant in part.content.tenants {
      var series: [UInt32] = []
      let all = numbers?.filter { (tenant.first..<tenant.end).contains($0) } ?? Array(tenant.first..<tenant.end)
      for number in all {
        let record = try reader.record(number)
        let isOurs = own[slots.slot(of: record.id)] != nil && isWanted(record.id)
        var hasAny = record.minTime <= range.endMilliseconds && record.maxTime >= range.startMilliseconds
        while hasExemplars, let exemplar = try scan.next(of: number) {
          guard isOurs, !deleted.times(of: number).contains(exemplar.timestamp) else { continue }
          if note(exemplar, record.id, own) { hasAny = true }
        }
        if isOurs, hasAny { series.append(UInt32(truncatingIfNeeded: number)) }
      }
      result.append((tenant.tenant, series))
    }
    return result
  }

  /// Whether it is one that is wanted.
  @discardableResult
  private mutating func note(
    _ exemplar: StoredExemplar, _ id: SeriesID, _ own: [UInt16: ClosedRange<Int64>]
  ) -> Bool {
    guard isWanted(id), let times = own[slots.slot(of: id)], times.contains(exemplar.timestamp) else { return false }
    var exemplar = exemplar
    exemplar.series = 0
    found[id, default: []].insert(exemplar)
    return true
  }
}
