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
    let found = head.only(view.select(matchers), in: range)
    var problem: SeriesQueryError?
    var labels = ByteWriter(reserving: 256)
    found.forEach { number in
      guard problem == nil else { return }
      let id = view.records.id(number)
      guard !gathering.addKnown(id, source: source, number: number) else { return }
      labels.removeAll()
      view.records.appendLabels(number, to: &labels)
      labels.bytes.withUnsafeBytes { labels in
        do throws(SeriesQueryError) {
          try gathering.add(id, labels: labels, source: source, number: number)
        } catch { problem = error }
      }
    }
    if let problem { throw problem }
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
