import NeedletailTelemetry

extension SeriesSnapshot {
  /// The exemplars within the range of the series that satisfy the matchers.
  mutating func exemplars(_ matchers: [LabelMatcher]) throws(SeriesQueryError) -> [LabelSet: Set<Exemplar>] {
    var result: [LabelSet: Set<Exemplar>] = [:]
    guard let range else { return result }
    for source in sources {
      if Task.isCancelled { throw .cancelled }
      switch source {
      case .head(let head):
        guard let view = head.directory.view(of: tenant) else { continue }
        let selected = view.select(matchers)
        let found = head.withStorage { storage in
          // A series may have come since the view was taken.
          storage.exemplars(from: range.startMilliseconds, to: range.endMilliseconds) {
            $0 < selected.universe && selected.contains($0)
          }
        }
        for stored in found { result[view.records.labels(stored.series), default: []].insert(Exemplar(stored)) }
      case .part(let part, let index):
        try add(part, index, matchers, range, to: &result)
      }
    }
    return result
  }

  private mutating func add(
    _ part: SeriesPart, _ index: PartIndex, _ matchers: [LabelMatcher], _ range: TimeRange,
    to result: inout [LabelSet: Set<Exemplar>]
  ) throws(SeriesQueryError) {
    guard let view = index.view(of: tenant) else { return }
    let selected = view.select(matchers)
    if let damage = index.takeDamage() {
      note(damage)
      return
    }
    if selected.isEmpty { return }
    let deleted: DeletedSeries
    do throws(SeriesDamage) { deleted = try index.deleted() } catch {
      note(error)
      return
    }
    var reader = PartSeriesReader(index)
    for block in part.content.blocks(PartBlockKind.exemplars).indices {
      if Task.isCancelled { throw .cancelled }
      do throws(SeriesDamage) {
        let bytes = try part.block(block, kind: PartBlockKind.exemplars)
        for stored in try part.exemplars(bytes, block, where: selected) where range.contains(stored.timestamp) {
          if !deleted.isEmpty, deleted.times(of: stored.series).contains(stored.timestamp) { continue }
          let labels = LabelSet(canonicalBytes: try reader.labels(of: stored.series))
          result[labels, default: []].insert(Exemplar(stored))
        }
      } catch {
        note(error)
      }
    }
  }
}

extension SeriesPart {
  /// The exemplars of a block that belong to the wanted series.
  fileprivate func exemplars(
    _ bytes: [UInt8], _ block: Int, where wanted: SeriesBitmap
  ) throws(SeriesDamage) -> [StoredExemplar] {
    var result: [StoredExemplar] = []
    var problem: MalformedBytes?
    bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      do throws(MalformedBytes) {
        while !reader.isAtEnd {
          let stored = try StoredExemplar(decoding: &reader, seriesCount: wanted.universe)
          if wanted.contains(stored.series) { result.append(stored) }
        }
      } catch { problem = error }
    }
    if let problem { throw damage("\(problem)", kind: PartBlockKind.exemplars, block: block) }
    return result
  }
}

extension Exemplar {
  fileprivate init(_ stored: StoredExemplar) {
    self.init(
      timestampMilliseconds: stored.timestamp, value: Double(bitPattern: stored.bits),
      labels: LabelSet(canonicalBytes: stored.labels))
  }
}
