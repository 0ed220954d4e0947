import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry

/// The series engine as the source that the query engine knows.
///
/// Its calls block while parts are read: queries run on threads of their own.
struct SeriesStore: SeriesSource, ExemplarSource {
  let engine: SeriesEngine

  func select(_ selection: SeriesSelection) async throws -> any NeedletailQueryEngine.SeriesCursor {
    let limits = SeriesQueryLimits(seriesMax: selection.limits.series, samplesMax: selection.limits.samples)
    let cursor = try Self.translating { () throws(SeriesQueryError) in
      try engine.select(tenant: selection.tenant, selection.matchers, selection.range, limits: limits)
    }
    return EngineSeriesCursor(cursor)
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> [String] {
    let lists = try Self.each(scope) { matchers throws(SeriesQueryError) in
      try engine.labelNames(tenant: scope.tenant, matchers, scope.range, limit: limit).elements
    }
    return Self.union(lists, limit)
  }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> [String] {
    let lists = try Self.each(scope) { matchers throws(SeriesQueryError) in
      try engine.labelValues(tenant: scope.tenant, name: name, matchers, scope.range, limit: limit).elements
    }
    return Self.union(lists, limit)
  }

  func series(_ scope: MetadataScope, limit: Int) async throws -> [LabelSet] {
    let lists = try Self.each(scope) { matchers throws(SeriesQueryError) in
      try engine.series(tenant: scope.tenant, matchers, scope.range, limit: limit).elements
    }
    let all = lists.count == 1 ? lists[0] : Array(Set(lists.joined()))
    let sorted = all.sorted { $0.canonicalBytes.lexicographicallyPrecedes($1.canonicalBytes) }
    return Array(sorted.prefix(limit))
  }

  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] {
    engine.metadata(tenant: tenant, metric: metric, limit: limit)
      .map { NamedMetadata(metric: $0.name, metadata: $0.metadata) }
  }

  func exemplars(
    tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange, limit: Int
  ) async throws -> [(labels: LabelSet, exemplar: Exemplar)] {
    try Self.translating { () throws(SeriesQueryError) in
      try engine.exemplars(tenant: tenant, matchers, range, limit: limit).elements
    }
  }

  private static func each<Element>(
    _ scope: MetadataScope, _ list: ([LabelMatcher]) throws(SeriesQueryError) -> [Element]
  ) throws -> [[Element]] {
    var lists: [[Element]] = []
    for matchers in scope.selectors.isEmpty ? [[]] : scope.selectors {
      lists.append(try translating { () throws(SeriesQueryError) in try list(matchers) })
    }
    return lists
  }

  private static func union(_ lists: [[String]], _ limit: Int) -> [String] {
    guard lists.count != 1 else { return lists[0] }
    return Array(Set(lists.joined()).sorted().prefix(limit))
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
  ) async throws -> [(labels: LabelSet, exemplar: Exemplar)]
}

/// The engine's chunks as the query engine's columns.
final class EngineSeriesCursor: NeedletailQueryEngine.SeriesCursor {
  private var cursor: NeedletailSeries.SeriesCursor

  init(_ cursor: NeedletailSeries.SeriesCursor) { self.cursor = cursor }

  /// Incomplete where something stored could not be read.
  var coverage: Coverage {
    cursor.damages.isEmpty
      ? .complete : Coverage(slotsAsked: 1, slotsAnswered: 0, replicasAgreed: 1, replicasAsked: 1)
  }

  func next() async throws -> SeriesColumns? {
    let chunk = try SeriesStore.translating { () throws(SeriesQueryError) in try cursor.next() }
    guard let chunk else { return nil }
    return Self.columns(of: chunk)
  }

  /// Numbers and histograms of a series merged by time; the engine never has both at one time.
  private static func columns(of chunk: SeriesChunk) -> SeriesColumns {
    var columns = SeriesColumns()
    columns.timestamps.reserveCapacity(chunk.sampleCount)
    columns.values.reserveCapacity(chunk.sampleCount)
    let timestamps = chunk.timestamps
    let bits = chunk.valueBits
    var nextHistogram = 0
    for series in 0..<chunk.seriesCount {
      func appendHistograms(before time: Int64?) {
        while nextHistogram < chunk.histograms.count, chunk.histograms[nextHistogram].series == series {
          let sample = chunk.histograms[nextHistogram]
          if let time, sample.timestamp >= time { return }
          columns.append(timestamp: sample.timestamp, histogram: sample.histogram)
          nextHistogram += 1
        }
      }
      for sample in chunk.samples(series) {
        appendHistograms(before: timestamps[sample])
        columns.append(timestamp: timestamps[sample], value: Double(bitPattern: bits[sample]))
      }
      appendHistograms(before: nil)
      columns.finishSeries(chunk.labels(series))
    }
    return columns
  }
}
