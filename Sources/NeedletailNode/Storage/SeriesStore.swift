import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry

/// The series engine as the source that the query engine knows.
///
/// Its calls block while parts are read: queries run on threads of their own, or in an `InMemoryRun`.
struct SeriesStore: SeriesSource, ExemplarSource {
  let engine: SeriesEngine
  /// What every list may lack; what answers to queries may, the query engine tells.
  let losses: [String]

  func select(_ selection: SeriesSelection) async throws -> any NeedletailQueryEngine.SeriesCursor {
    try select(selection, slots: nil)
  }

  /// The samples of the matching series of some slots; nil for all.
  func select(_ selection: SeriesSelection, slots: SlotFilter?) throws -> any NeedletailQueryEngine.SeriesCursor {
    let limits = SeriesQueryLimits(seriesMax: selection.limits.series, samplesMax: selection.limits.samples)
    let cursor = try Self.translating { () throws(SeriesQueryError) in
      try engine.select(
        tenant: selection.tenant, selection.matchers, selection.range, limits: limits,
        keeping: selection.hints.labels, withHistogramBefore: selection.hints.takesHistogramBefore,
        standIns: selection.hints.standIns, slots: slots)
    }
    return EngineSeriesCursor(cursor, tellsStarts: selection.hints.needsStarts)
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try union(scope, limit) { matchers throws(SeriesQueryError) in
      try engine.labelNames(tenant: scope.tenant, matchers, scope.range, limit: limit)
    }
  }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try union(scope, limit) { matchers throws(SeriesQueryError) in
      try engine.labelValues(tenant: scope.tenant, name: name, matchers, scope.range, limit: limit)
    }
  }

  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> {
    var found: [LabelSet] = []
    // What the first selector found is in order, and has nothing twice.
    var known: Set<LabelSet>?
    let coverage = try eachSelector(of: scope) { matchers throws(SeriesQueryError) in
      let answer = try engine.series(tenant: scope.tenant, matchers, scope.range, limit: limit)
      if found.isEmpty {
        found = answer.elements
      } else {
        if known == nil { known = Set(found) }
        for labels in answer.elements where found.count < limit && known?.insert(labels).inserted == true {
          found.append(labels)
        }
      }
      return answer.damages
    }
    if known != nil { found.sort(by: SeriesOrder.precedes) }
    return Listing(found, coverage: coverage)
  }

  var changeMark: UInt64? { engine.changeMark }

  func changedTimes(since mark: UInt64, within range: ClosedRange<Int64>) -> [ClosedRange<Int64>] {
    engine.changedTimes(since: mark, within: range)
  }

  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] {
    engine.metadata(tenant: tenant, metric: metric, limit: limit)
      .map { NamedMetadata(metric: $0.name, metadata: $0.metadata) }
  }

  func exemplars(
    tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange, limit: Int
  ) async throws -> Listing<(labels: LabelSet, exemplar: Exemplar)> {
    let answer = try Self.translating { () throws(SeriesQueryError) in
      try engine.exemplars(tenant: tenant, matchers, range, limit: limit)
    }
    return Listing(answer.elements, coverage: Coverage(damages: answer.damages, losses: losses))
  }

  /// Asks once for each selector, and once without any where there are none; one list at a time is held.
  private func eachSelector(
    of scope: MetadataScope, _ ask: ([LabelMatcher]) throws(SeriesQueryError) -> [SeriesDamage]
  ) throws -> Coverage {
    var coverage = Coverage.complete
    for matchers in scope.selectors.isEmpty ? [[]] : scope.selectors {
      let damages = try Self.translating { () throws(SeriesQueryError) in try ask(matchers) }
      coverage.merge(Coverage(damages: damages, losses: losses))
    }
    return coverage
  }

  private func union(
    _ scope: MetadataScope, _ limit: Int, _ list: ([LabelMatcher]) throws(SeriesQueryError) -> SeriesAnswer<String>
  ) throws -> Listing<String> {
    var texts = SortedTexts(limit: limit)
    let coverage = try eachSelector(of: scope) { matchers throws(SeriesQueryError) in
      let answer = try list(matchers)
      texts.add(answer.elements)
      return answer.damages
    }
    return Listing(texts.elements, coverage: coverage)
  }

  static func translating<Result>(_ body: () throws(SeriesQueryError) -> Result) throws -> Result {
    do throws(SeriesQueryError) {
      return try body()
    } catch {
      switch error {
      case .cancelled: throw CancellationError()
      case .tooManySeries, .tooManySamples: throw QueryError(.execution, "\(error)")
      }
    }
  }
}

/// Whatever keeps exemplars.
protocol ExemplarSource: Sendable {
  /// The exemplars of matching series within the range, at most `limit`.
  func exemplars(
    tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange, limit: Int
  ) async throws -> Listing<(labels: LabelSet, exemplar: Exemplar)>
}

extension Coverage {
  /// Incomplete where something stored could not be read, or is lost.
  init(damages: [SeriesDamage], losses: [String]) { self.init(failures: losses + damages.map(\.description)) }
}

/// The engine's chunks as the query engine's columns.
final class EngineSeriesCursor: NeedletailQueryEngine.SeriesCursor {
  private var cursor: NeedletailSeries.SeriesCursor
  private let tellsStarts: Bool

  init(_ cursor: NeedletailSeries.SeriesCursor, tellsStarts: Bool) {
    self.cursor = cursor
    self.tellsStarts = tellsStarts
  }

  var coverage: Coverage { Coverage(damages: cursor.damages, losses: []) }

  var work: SelectionWork {
    var work = SelectionWork()
    let extent = cursor.extent
    (work.partsTouched, work.partsSkipped) = (extent.partsTouched, extent.partsSkipped)
    (work.blocksRead, work.blocksTotal) = (cursor.blocksRead, extent.blocks)
    return work
  }

  func next() async throws -> SeriesColumns? {
    let chunk = try SeriesStore.translating { () throws(SeriesQueryError) in try cursor.next() }
    guard let chunk else { return nil }
    return columns(of: chunk)
  }

  var seriesMax: Int? { cursor.seriesLeft }

  var samplesExpected: Int? { cursor.samplesExpected }

  func shares(_ countMax: Int) -> [any SeriesShare] {
    cursor.shares(countMax).map { EngineSeriesShare(engineCursor: $0, tellsStarts: tellsStarts) }
  }

  private func columns(of chunk: SeriesChunk) -> SeriesColumns {
    guard chunk.histograms.isEmpty else { return merged(chunk) }
    var columns = SeriesColumns()
    columns.timestamps = chunk.timestamps
    columns.omissions = chunk.omissions
    if tellsStarts { columns.starts = chunk.starts }
    columns.values = chunk.valueBits.withUnsafeBufferPointer { bits in
      bits.withMemoryRebound(to: Double.self) { Array($0) }
    }
    columns.offsets.reserveCapacity(chunk.seriesCount + 1)
    columns.labels.reserveCapacity(chunk.seriesCount)
    for series in 0..<chunk.seriesCount {
      columns.labels.append(chunk.labels(series))
      columns.offsets.append(chunk.samples(series).upperBound)
    }
    return columns
  }

  /// Numbers and histograms of a series merged by time; the engine never has both at one time.
  private func merged(_ chunk: SeriesChunk) -> SeriesColumns {
    var columns = SeriesColumns()
    columns.timestamps.reserveCapacity(chunk.sampleCount)
    columns.values.reserveCapacity(chunk.sampleCount)
    let timestamps = chunk.timestamps
    let bits = chunk.valueBits
    let starts = chunk.starts
    var nextHistogram = 0
    var omitted = Array(chunk.omissions.reversed())
    for series in 0..<chunk.seriesCount {
      func appendHistograms(before time: Int64?) {
        while nextHistogram < chunk.histograms.count, chunk.histograms[nextHistogram].series == series {
          let sample = chunk.histograms[nextHistogram]
          if let time, sample.timestamp >= time { return }
          if tellsStarts { columns.starts.append(sample.start, from: columns.timestamps.count) }
          columns.append(timestamp: sample.timestamp, histogram: sample.histogram)
          nextHistogram += 1
        }
      }
      for sample in chunk.samples(series) {
        appendHistograms(before: timestamps[sample])
        if let omission = omitted.last, omission.index == sample {
          columns.omissions.append(SampleOmission(index: columns.timestamps.count, count: omission.count))
          omitted.removeLast()
        }
        if tellsStarts {
          columns.starts.append(starts.isEmpty ? 0 : starts.start(of: sample), from: columns.timestamps.count)
        }
        columns.append(timestamp: timestamps[sample], value: Double(bitPattern: bits[sample]))
      }
      appendHistograms(before: nil)
      columns.finishSeries(chunk.labels(series))
    }
    return columns
  }
}

/// A part of what a selection found.
private struct EngineSeriesShare: SeriesShare {
  let engineCursor: NeedletailSeries.SeriesCursor
  let tellsStarts: Bool

  func cursor() -> any NeedletailQueryEngine.SeriesCursor { EngineSeriesCursor(engineCursor, tellsStarts: tellsStarts) }
}
