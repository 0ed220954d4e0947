import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry

/// Head, frozen head and parts as they were at one instant: what one query reads, whatever a flush does meanwhile.
struct SeriesSnapshot: Sendable {
  enum Source: Sendable {
    case head(SeriesHead)
    case part(SeriesPart, PartIndex)
  }

  let tenant: TenantID
  /// The query's range without what is older than the retention; nil where nothing is left.
  let range: TimeRange?
  private(set) var sources: [Source] = []
  private(set) var damages: [SeriesDamage] = []
  /// Parts with data of the tenant that the range does not touch.
  private(set) var skippedParts = 0

  /// Parts that the range does not touch are passed over.
  init(
    tenant: TenantID, range: TimeRange?, heads: [SeriesHead], parts: [SeriesPart], damages: [SeriesDamage],
    blocks: PartBlockCache, deletions: [PartID: PartDeletions]
  ) {
    self.tenant = tenant
    self.range = range
    self.damages = damages
    sources = heads.map { .head($0) }
    guard let range else { return }
    // The oldest first: samples of a series are then mostly read in the order of time.
    for part in parts.byAge where part.content.tenants.contains(where: { $0.tenant == tenant }) {
      guard part.overlaps(range) else {
        skippedParts += 1
        continue
      }
      let index = PartIndex(part, cache: blocks, deletions: deletions[part.record.id])
      do throws(SeriesDamage) {
        // Looked up now: what cannot be told to be there still is not answered.
        _ = try index.deleted()
        sources.append(.part(part, index))
      } catch { self.damages.append(error) }
    }
  }

  /// Stops a query that is to look at some more series where nobody waits for it any more, or where it runs that is too
  /// much.
  static func pass(_ series: Int) throws(SeriesQueryError) {
    if Task.isCancelled { throw .cancelled }
    if let run = InMemoryRun.current, !run.mayLook(at: series) { throw .cancelled }
  }

  mutating func note(_ damage: SeriesDamage) { damages.append(damage) }

  /// All series that satisfy the matchers and may have samples in the range; with slots those that lie in them.
  ///
  /// `beforeListing` is for a test, which lets series come at that instant.
  mutating func gather(
    _ matchers: [LabelMatcher], limit: Int, slots: SlotFilter? = nil, beforeListing: () -> Void = {}
  ) throws(SeriesQueryError) -> SeriesGathering {
    guard let range else { return SeriesGathering() }
    beforeListing()
    var found: [(source: Int, numbers: [UInt32])] = []
    for (source, content) in sources.enumerated() {
      if Task.isCancelled { throw .cancelled }
      switch content {
      case .head(let head):
        found.append((source, try head.series(of: tenant, matchers, in: range)))
      case .part(_, let index):
        var numbers: [UInt32] = []
        do throws(SeriesDamage) {
          var damage: SeriesDamage?
          numbers = try index.series(of: tenant, matchers, in: range, &damage)
          if let damage { damages.append(damage) }
        } catch { damages.append(error) }
        try Self.pass(numbers.count)
        found.append((source, numbers))
      }
    }
    // Made last: series may have come since, and the readers must know all that were found.
    let readers = SourceReaders(sources)
    var gatherer = SeriesGatherer(readers)
    for entry in found {
      var numbers = entry.numbers
      if let slots { numbers = try only(slots, numbers, of: entry.source, readers) }
      gatherer.add(source: entry.source, numbers)
    }
    let gathering = try gatherer.gather(limit: limit)
    damages += gatherer.damages
    return gathering
  }

  /// Those of a source's series that lie in the slots; the rest of a source that cannot be read is left out.
  private mutating func only(
    _ slots: SlotFilter, _ numbers: [UInt32], of source: Int, _ readers: SourceReaders
  ) throws(SeriesQueryError) -> [UInt32] {
    if Task.isCancelled { throw .cancelled }
    var (readers, result) = (readers, [UInt32]())
    for number in numbers {
      do throws(SeriesDamage) {
        let place = SeriesGathering.Place(source: UInt32(truncatingIfNeeded: source), number: number)
        if slots.contains(try readers.id(place)) { result.append(number) }
      } catch {
        damages.append(error)
        break
      }
    }
    return result
  }

  /// Calls `body` with the canonical labels of the first series of a gathering, in order.
  mutating func forEachLabelSet(
    _ gathering: SeriesGathering, limit: Int = .max, _ body: ([UInt8]) -> Void
  ) throws(SeriesQueryError) {
    var readers = SourceReaders(sources)
    for entry in 0..<min(gathering.count, max(0, limit)) {
      if entry & 1023 == 0, Task.isCancelled { throw .cancelled }
      for index in gathering.range(of: entry) {
        do throws(SeriesDamage) {
          body(try readers.labels(gathering.places[index]))
          break
        } catch {
          if !damages.contains(error) { damages.append(error) }
        }
      }
    }
  }
}

extension SeriesHead {
  /// The numbers of the tenant's series that satisfy the matchers and may have samples in the range, in `SeriesOrder`.
  fileprivate func series(
    of tenant: TenantID, _ matchers: [LabelMatcher], in range: TimeRange
  ) throws(SeriesQueryError) -> [UInt32] {
    // A directory outlives its heads: it may have thousands of series of which an empty one has nothing.
    guard hasSeries, let view = directory.view(of: tenant) else { return [] }
    let found = only(view.select(matchers), in: range)
    try SeriesSnapshot.pass(found.count)
    return view.records.sorted(found.map { UInt32(truncatingIfNeeded: $0) })
  }
}

extension PartIndex {
  /// The numbers of the tenant's series that satisfy the matchers and may have samples in the range, in `SeriesOrder`.
  ///
  /// Throws where the matchers cannot be answered; `damage` tells of series that are left out.
  fileprivate func series(
    of tenant: TenantID, _ matchers: [LabelMatcher], in range: TimeRange, _ damage: inout SeriesDamage?
  ) throws(SeriesDamage) -> [UInt32] {
    guard let view = view(of: tenant) else { return [] }
    let selected = view.select(matchers)
    // A list that is missing may have kept series out, or let some in: nothing of the answer can be believed.
    if let met = takeDamage() { throw met }
    var numbers: [UInt32] = []
    let summary = part.record.summary
    let isWhole = summary.minTime >= range.startMilliseconds && summary.maxTime <= range.endMilliseconds
    let deleted = try deleted()
    if isWhole, deleted.isEmpty, content.blocks(PartBlockKind.exemplars).isEmpty {
      selected.forEach { numbers.append(UInt32(truncatingIfNeeded: $0)) }
      return numbers
    }
    var reader = PartSeriesReader(self)
    var failed = -1
    var met: SeriesDamage?
    selected.forEach { number in
      let block = number / SeriesBlock.seriesMax
      guard block != failed else { return }
      do throws(SeriesDamage) {
        if try reader.block(of: number).mayHave(
          number % SeriesBlock.seriesMax, from: range.startMilliseconds, to: range.endMilliseconds)
        {
          if !deleted.isEmpty, deleted.takesAll(number, try reader.record(number), in: range) { return }
          numbers.append(UInt32(truncatingIfNeeded: number))
        }
      } catch {
        failed = block
        met = error
      }
    }
    damage = met
    return numbers
  }
}

extension SeriesSnapshot {
  /// Calls `body` with labels of the series that satisfy the matchers and may have samples in the range: those of one
  /// name, or all of them. A head's are told pair by pair, each once, without putting label sets together.
  mutating func forEachLabel(
    _ matchers: [LabelMatcher], named name: String?,
    _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
  ) throws(SeriesQueryError) {
    guard let range else { return }
    for source in sources {
      if Task.isCancelled { throw .cancelled }
      switch source {
      case .head(let head):
        guard head.hasSeries, let view = head.directory.view(of: tenant) else { continue }
        let numbers = head.only(view.select(matchers), in: range)
        try Self.pass(numbers.count)
        view.records.forEachPair(of: numbers, named: name, body)
      case .part(_, let index):
        var damage: SeriesDamage?
        var numbers: [UInt32] = []
        do throws(SeriesDamage) {
          numbers = try index.series(of: tenant, matchers, in: range, &damage)
        } catch { note(error) }
        try Self.pass(numbers.count)
        do throws(SeriesDamage) {
          try forEachLabel(index, numbers, named: name, body)
          if let damage { note(damage) }
        } catch { note(error) }
      }
    }
  }

  private func forEachLabel(
    _ index: PartIndex, _ numbers: [UInt32], named name: String?,
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
  ) throws(SeriesDamage) {
    var reader = PartSeriesReader(index)
    for number in numbers {
      LabelSet(canonicalBytes: try reader.labels(of: Int(number))).forEach { found, value in
        if name.map({ found.elementsEqual($0.utf8) }) ?? true { body(found, value) }
      }
    }
  }
}

extension SeriesHead {
  /// Those of some series of the directory that may have samples within the range.
  ///
  /// Holds the lock for some thousands of them at a time.
  func only(_ series: SeriesBitmap, in range: TimeRange) -> [Int] {
    var candidates: [Int] = []
    series.forEach { candidates.append($0) }
    var result: [Int] = []
    for start in stride(from: 0, to: candidates.count, by: 16_384) {
      let some = candidates[start..<min(start + 16_384, candidates.count)]
      withStorage { storage in
        for number in some
        where storage.mayHave(number, from: range.startMilliseconds, to: range.endMilliseconds) {
          result.append(number)
        }
      }
    }
    return result
  }
}
