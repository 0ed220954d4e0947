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

  /// Loads the indexes of the parts that the range touches.
  ///
  /// A part whose index cannot be read is a damage.
  init(
    tenant: TenantID, range: TimeRange?, heads: [SeriesHead], parts: [SeriesPart], damages: [SeriesDamage],
    indexes: PartIndexCache
  ) {
    self.tenant = tenant
    self.range = range
    self.damages = damages
    sources = heads.map { .head($0) }
    guard let range else { return }
    for part in parts where part.overlaps(range) && part.content.tenants.contains(where: { $0.tenant == tenant }) {
      do throws(SeriesDamage) {
        sources.append(.part(part, try indexes.index(of: part)))
      } catch {
        self.damages.append(error)
      }
    }
  }

  mutating func note(_ damage: SeriesDamage) { damages.append(damage) }

  /// All series that satisfy the matchers and may have samples in the range.
  mutating func gather(_ matchers: [LabelMatcher], limit: Int) throws(SeriesQueryError) -> SeriesGathering {
    var gathering = SeriesGathering(limit: limit)
    guard let range else { return gathering }
    for (source, content) in sources.enumerated() {
      if Task.isCancelled { throw .cancelled }
      switch content {
      case .head(let head):
        try gather(head, matchers, range, source: source, into: &gathering)
      case .part(let part, let index):
        try gather(part, index, matchers, range, source: source, into: &gathering)
      }
    }
    gathering.sort()
    return gathering
  }

  private func gather(
    _ head: SeriesHead, _ matchers: [LabelMatcher], _ range: TimeRange, source: Int,
    into gathering: inout SeriesGathering
  ) throws(SeriesQueryError) {
    guard let view = head.directory.view(of: tenant) else { return }
    try gathering.add(head.only(view.select(matchers), in: range), of: view, source: source)
  }

  private mutating func gather(
    _ part: SeriesPart, _ index: PartIndex, _ matchers: [LabelMatcher], _ range: TimeRange, source: Int,
    into gathering: inout SeriesGathering
  ) throws(SeriesQueryError) {
    guard let view = index.view(of: tenant) else { return }
    var problem: SeriesQueryError?
    var damage: SeriesDamage?
    var labels = ByteWriter()
    view.select(matchers).forEach { number in
      guard problem == nil, let record = index.record(number),
        record.minTime <= range.endMilliseconds, record.maxTime >= range.startMilliseconds,
        !gathering.addKnown(record.id, source: source, number: number)
      else { return }
      labels.removeAll()
      do throws(MalformedBytes) { try index.appendLabels(of: record, to: &labels) } catch {
        damage = part.damage("\(error)", kind: PartBlockKind.labels)
        return
      }
      labels.bytes.withUnsafeBytes { labels in
        do throws(SeriesQueryError) {
          try gathering.add(record.id, labels: labels, source: source, number: number)
        } catch { problem = error }
      }
    }
    if let damage { damages.append(damage) }
    if let problem { throw problem }
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
        guard let view = head.directory.view(of: tenant) else { continue }
        view.records.forEachPair(of: head.only(view.select(matchers), in: range), named: name, body)
      case .part(let part, let index):
        forEachLabel(part, index, matchers, range, named: name, body)
      }
    }
  }

  private mutating func forEachLabel(
    _ part: SeriesPart, _ index: PartIndex, _ matchers: [LabelMatcher], _ range: TimeRange, named name: String?,
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
  ) {
    guard let view = index.view(of: tenant) else { return }
    var damage: SeriesDamage?
    var labels = ByteWriter()
    view.select(matchers).forEach { number in
      guard let record = index.record(number), record.minTime <= range.endMilliseconds,
        record.maxTime >= range.startMilliseconds
      else { return }
      labels.removeAll()
      do throws(MalformedBytes) { try index.appendLabels(of: record, to: &labels) } catch {
        damage = part.damage("\(error)", kind: PartBlockKind.labels)
        return
      }
      LabelSet(canonicalBytes: labels.bytes).forEach { found, value in
        if name.map({ found.elementsEqual($0.utf8) }) ?? true { body(found, value) }
      }
    }
    if let damage { note(damage) }
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
