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
        gathering = try head.withStorage { [tenant, gathering] storage throws(SeriesQueryError) in
          var result = gathering
          try Self.gather(storage, tenant, matchers, range, source: source, into: &result)
          return result
        }
      case .part(let part, let index):
        try gather(part, index, matchers, range, source: source, into: &gathering)
      }
    }
    gathering.sort()
    return gathering
  }

  private static func gather(
    _ storage: borrowing HeadStorage, _ tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange, source: Int,
    into gathering: inout SeriesGathering
  ) throws(SeriesQueryError) {
    guard let view = storage.view(of: tenant) else { return }
    let found = view.select(matchers)
    var problem: SeriesQueryError?
    found.forEach { number in
      guard problem == nil,
        storage.mayHave(number, from: range.startMilliseconds, to: range.endMilliseconds)
      else { return }
      let id = view.registry.id(number)
      guard !gathering.addKnown(id, source: source, number: number) else { return }
      view.registry.withLabels(number) { labels in
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
