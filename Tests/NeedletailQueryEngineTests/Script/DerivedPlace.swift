import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailQueryEngine

/// Series that lie in a place which works out what becomes of them.
final class DerivedPlace: DerivingSource {
  private let series: MemorySeries
  private let features: QueryFeatures
  /// How often it was asked to work something out, and how many series were told as samples and as what was made of them.
  let told = Lock<(questions: Int, samples: Int, derived: Int)>((0, 0, 0))

  init(_ series: MemorySeries, features: QueryFeatures = QueryFeatures()) {
    self.series = series
    self.features = features
  }

  func select(_ selection: SeriesSelection) async throws -> any SeriesCursor { try await series.select(selection) }

  func select(_ selection: SeriesSelection, deriving derivation: SeriesDerivation) async throws -> any SeriesCursor {
    // As it comes to another node.
    var writer = ByteWriter()
    derivation.encode(to: &writer)
    let asked = try writer.bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      let derivation = try SeriesDerivation(decoding: &reader)
      try reader.expectEnd()
      return derivation
    }
    told.withLock { $0.questions += 1 }
    let engine = QueryEngine(series: series, limits: .patient, parallelism: 2, features: features)
    return Counted(try await engine.open(asked, tenant: selection.tenant), self)
  }

  private final class Counted: SeriesCursor {
    private let cursor: any SeriesCursor
    private let place: DerivedPlace

    init(_ cursor: any SeriesCursor, _ place: DerivedPlace) {
      self.cursor = cursor
      self.place = place
    }

    var coverage: Coverage { cursor.coverage }

    func next() async throws -> SeriesColumns? {
      guard var chunk = try await cursor.next() else { return nil }
      // Samples for which others stand cannot be told to another node.
      #expect(chunk.omissions.isEmpty)
      place.told.withLock { told in
        told.samples += chunk.count - chunk.derived.count
        told.derived += chunk.derived.count
      }
      // What is told beside values as it comes to another node.
      for index in chunk.derived.indices {
        var writer = ByteWriter()
        chunk.derived[index].encode(to: &writer)
        var again = try writer.bytes.withUnsafeBytes { bytes in
          var reader = ByteReader(bytes)
          let derived = try DerivedSeries(decoding: &reader)
          try reader.expectEnd()
          return derived
        }
        again.series = chunk.derived[index].series
        chunk.derived[index] = again
      }
      return chunk
    }
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await series.labelNames(scope, limit: limit)
  }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await series.labelValues(name, scope, limit: limit)
  }

  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> {
    try await series.series(scope, limit: limit)
  }

  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] { [] }
}
