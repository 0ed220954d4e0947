import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailQueryEngine

/// Series that lie in several places, some of which reduce what they have.
final class SplitSeries: ReducingSource {
  private let all: MemorySeries
  private let rest: MemorySeries
  private let places: [MemorySeries]
  /// How often something was reduced in place of being told, and the bytes that this came to.
  let reduced = Lock<(reductions: Int, bytes: Int)>((0, 0))

  /// Series by their place; those of place 0 are told, all others reduced.
  init(_ series: [LabelSet: [MemorySeries.Point]], places count: Int, _ place: (LabelSet) -> Int) {
    all = MemorySeries(series)
    rest = MemorySeries(series.filter { place($0.key) == 0 })
    places = (1..<max(2, count)).map { index in MemorySeries(series.filter { place($0.key) == index }) }
  }

  func select(_ selection: SeriesSelection) async throws -> any SeriesCursor { try await all.select(selection) }

  func select(_ selection: SeriesSelection, reducing reduction: SeriesReduction) async throws -> ReducedSelection {
    reduced.withLock { $0.reductions += 1 }
    // As it comes to another node.
    var writer = ByteWriter()
    reduction.encode(to: &writer)
    let asked = try writer.bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      return try SeriesReduction(decoding: &reader)
    }
    return ReducedSelection(rest: try await rest.select(selection)) { [self] in
      var parts: [ReducedSeries] = []
      for place in places {
        guard let part = try await part(asked, of: place, selection.tenant) else { return nil }
        parts.append(part)
      }
      return parts
    }
  }

  private func part(
    _ reduction: SeriesReduction, of place: MemorySeries, _ tenant: TenantID
  ) async throws -> ReducedSeries? {
    let engine = QueryEngine(series: place, limits: .patient, parallelism: 2)
    var messages = ReducedSeriesWriter(try await engine.open(reduction, tenant: tenant).run())
    var reader = ReducedSeriesReader(reduction, cellsMax: 1_000_000)
    while let message = messages.message() {
      reduced.withLock { $0.bytes += message.count }
      try reader.read(message)
    }
    guard reader.isAtEnd else { throw QueryError(.internal, "the messages have no end") }
    return reader.result
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await all.labelNames(scope, limit: limit)
  }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await all.labelValues(name, scope, limit: limit)
  }

  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> {
    try await all.series(scope, limit: limit)
  }

  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] { [] }
}
