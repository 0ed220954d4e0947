import NeedletailTelemetry

// Every query here blocks for as long as reading takes, so it belongs on a thread of the query pool and not on an
// event loop, unless in an `InMemoryRun`. Each reads one snapshot. The range is cut at the retention: what is older is invisible even while its
// part still exists.

extension SeriesEngine {
  /// Finds the series that satisfy all matchers and returns a cursor over their samples within the range.
  ///
  /// With `kept` only labels of these names are told, which may then be the same for several series. With a histogram
  /// before: of a series with histograms within the range the last one before it is told too, where it comes cheaply.
  /// With stand-ins these may come in place of samples, where a series has many. With slots only series that lie in
  /// them. Throws `.tooManySeries` or `.cancelled`.
  package func select(
    tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange, limits: SeriesQueryLimits = SeriesQueryLimits(),
    keeping kept: [String]? = nil, withHistogramBefore: Bool = false, standIns: StandIns? = nil,
    slots: SlotFilter? = nil
  ) throws(SeriesQueryError) -> SeriesCursor {
    var snapshot = snapshot(tenant, range)
    let gathering = try snapshot.gather(matchers, limit: limits.seriesMax, slots: slots)
    return SeriesCursor(
      snapshot, gathering, samplesMax: limits.samplesMax, keeping: kept,
      withHistogramBefore: withHistogramBefore, standIns: standIns)
  }

  /// A mark of what the engine holds now, for `changedTimes`; it means nothing after a restart.
  package var changeMark: UInt64 {
    let earliest = options.retention.earliest(now: now)
    return changes.withLock { changes in
      changes.moveEdge(to: earliest)
      return changes.mark
    }
  }

  /// The times within a range, in ms, of which an answer may not be what it was when `changeMark` was `mark`: something
  /// was appended or deleted since, or has left the retention. In order.
  package func changedTimes(since mark: UInt64, within range: ClosedRange<Int64>) -> [ClosedRange<Int64>] {
    let earliest = options.retention.earliest(now: now)
    var changed = changes.withLock { changes in
      changes.moveEdge(to: earliest)
      return changes.changed(since: mark, within: range)
    }
    if range.lowerBound < earliest { changed.insert(range.lowerBound...min(range.upperBound, earliest - 1), at: 0) }
    return changed
  }

  /// The label sets that satisfy all matchers and may have samples in the range, in order, at most `limit`.
  package func series(
    tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange, limit: Int = .max
  ) throws(SeriesQueryError) -> SeriesAnswer<LabelSet> {
    var snapshot = snapshot(tenant, range)
    let gathering = try snapshot.gather(matchers, limit: .max)
    var answer = SeriesAnswer<LabelSet>(elements: [], damages: [])
    try snapshot.forEachLabelSet(gathering, limit: limit) { answer.elements.append(LabelSet(canonicalBytes: $0)) }
    answer.damages = snapshot.damages
    return answer
  }

  /// The label names of series with data in the range, sorted, at most `limit`; with matchers, of those series only.
  package func labelNames(
    tenant: TenantID, _ matchers: [LabelMatcher] = [], _ range: TimeRange, limit: Int = .max
  ) throws(SeriesQueryError) -> SeriesAnswer<String> {
    try texts(
      tenant, matchers, range, limit, named: nil, count: { $0.nameCount },
      fromIndex: { view, add in view.forEachName(add) }, fromLabel: { name, _ in name })
  }

  /// The values of a label, sorted, at most `limit`; with matchers, of those series only.
  package func labelValues(
    tenant: TenantID, name: String, _ matchers: [LabelMatcher] = [], _ range: TimeRange, limit: Int = .max
  ) throws(SeriesQueryError) -> SeriesAnswer<String> {
    try texts(
      tenant, matchers, range, limit, named: name, count: { $0.valueCount(of: name) ?? 0 },
      fromIndex: { view, add in view.forEachValue(of: name) { value, _ in add(value) } },
      fromLabel: { _, value in value })
  }

  /// The descriptions of the tenant's metrics, by name; of one metric where `metric` is given.
  package func metadata(
    tenant: TenantID, metric: String? = nil, limit: Int = .max
  ) -> [(name: String, metadata: MetricMetadata)] {
    let all = state.withLock { $0.metadata.entries }
    let found = all.filter { $0.key.tenant == tenant && (metric == nil || $0.key.name == metric) }
      .map { (name: $0.key.name, metadata: $0.value.description) }
    return RowSort.order(found.count) { found[$0].name < found[$1].name }.prefix(limit).map { found[$0] }
  }

  /// A filter for series that lie in some slots; nil where these are all that there are.
  package func filter(_ wanted: some Sequence<UInt16>) -> SlotFilter? {
    let filter = SlotFilter(wanted, of: slots)
    return filter.isOfAll ? nil : filter
  }

  /// The exemplars within the range of the series that satisfy all matchers, by series and time, none twice.
  package func exemplars(
    tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange, limit: Int = .max
  ) throws(SeriesQueryError) -> SeriesAnswer<(labels: LabelSet, exemplar: Exemplar)> {
    var snapshot = snapshot(tenant, range)
    let found = try snapshot.exemplars(matchers)
    var answer = SeriesAnswer<(labels: LabelSet, exemplar: Exemplar)>(elements: [], damages: snapshot.damages)
    let series = Array(found)
    let order = RowSort.order(series.count) { left, right in
      series[left].key.withUnsafeBytes { left in
        series[right].key.withUnsafeBytes { SeriesOrder.precedes(left, $0) }
      }
    }
    for index in order {
      let exemplars = Array(series[index].value)
      let sorted = RowSort.order(exemplars.count) { left, right in
        let (one, other) = (exemplars[left], exemplars[right])
        return (one.timestampMilliseconds, one.value.bitPattern)
          < (other.timestampMilliseconds, other.value.bitPattern)
      }
      for position in sorted.prefix(limit - answer.elements.count) {
        answer.elements.append((series[index].key, exemplars[position]))
      }
    }
    return answer
  }

  // MARK: - Parts of the above

  func snapshot(_ tenant: TenantID, _ range: TimeRange) -> SeriesSnapshot {
    let earliest = options.retention.earliest(now: now)
    let visible = TimeRange(
      startMilliseconds: max(earliest, range.startMilliseconds), endMilliseconds: range.endMilliseconds)
    let (heads, parts, deletions, damages) = state.withLock { state in
      (
        [state.head] + (state.frozen.map { [$0] } ?? []), state.parts, state.deletions,
        state.unreadable.filter { entry in visible.map { entry.record.summary.overlaps($0) } ?? false }
          .map(\.damage)
      )
    }
    return SeriesSnapshot(
      tenant: tenant, range: visible, heads: heads, parts: parts, damages: damages, blocks: blocks,
      deletions: deletions)
  }

  /// Sorted distinct texts: out of the indexes alone without matchers, out of the labels (of one name, or all) of the
  /// series found with them. `count` is how many texts a part's index has.
  private func texts(
    _ tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange, _ limit: Int, named name: String?,
    count: (PartIndexView) -> Int,
    fromIndex: (any SeriesIndexView, (UnsafeRawBufferPointer) -> Void) -> Void,
    fromLabel: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer
  ) throws(SeriesQueryError) -> SeriesAnswer<String> {
    var snapshot = snapshot(tenant, range)
    var found = TextSet()
    if matchers.isEmpty {
      for source in snapshot.sources {
        if Task.isCancelled { throw .cancelled }
        switch source {
        // A head looks through its series for those that are its own, a part has them listed.
        case .head(let head):
          try SeriesSnapshot.pass(head.withStorage { $0.activeCount })
          if let view = HeadIndexView(head, of: tenant) { fromIndex(view) { found.add($0) } }
        case .part(_, let index):
          if let view = index.view(of: tenant) {
            try SeriesSnapshot.pass(count(view))
            fromIndex(view) { found.add($0) }
          }
          if let damage = index.takeDamage() { snapshot.note(damage) }
        }
      }
    } else {
      try snapshot.forEachLabel(matchers, named: name) { name, value in found.add(fromLabel(name, value)) }
    }
    return SeriesAnswer(elements: found.sorted(limit: limit), damages: snapshot.damages)
  }
}
