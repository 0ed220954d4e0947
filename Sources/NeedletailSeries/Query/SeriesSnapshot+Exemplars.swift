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
    if selected.isEmpty { return }
    for block in part.content.blocks(PartBlockKind.exemplars).indices {
      if Task.isCancelled { throw .cancelled }
      do throws(SeriesDamage) {
        let bytes = try part.block(block, kind: PartBlockKind.exemplars)
        do throws(MalformedBytes) {
          for stored in try StoredExemplar.decode(bytes, where: selected) {
            guard range.contains(stored.timestamp), let record = index.record(stored.series) else { continue }
            var labels = ByteWriter()
            try index.appendLabels(of: record, to: &labels)
            result[LabelSet(canonicalBytes: labels.bytes), default: []].insert(Exemplar(stored))
          }
        } catch {
          throw part.damage("\(error)", kind: PartBlockKind.exemplars, block: block)
        }
      } catch {
        note(error)
      }
    }
  }
}

extension StoredExemplar {
  /// The exemplars of a part's block that belong to the wanted series.
  fileprivate static func decode(
    _ bytes: [UInt8], where wanted: SeriesBitmap
  ) throws(MalformedBytes) -> [StoredExemplar] {
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
    if let problem { throw problem }
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
