import NeedletailQueryEngine
import NeedletailTelemetry

@testable import NeedletailNode

/// A source that is only ever asked for samples.
struct SamplesOnly: SeriesSource {
  let source: any SeriesSource

  func select(_ selection: SeriesSelection) async throws -> any NeedletailQueryEngine.SeriesCursor {
    try await source.select(selection)
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await source.labelNames(scope, limit: limit)
  }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await source.labelValues(name, scope, limit: limit)
  }

  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> {
    try await source.series(scope, limit: limit)
  }

  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] {
    try await source.metadata(tenant: tenant, metric: metric, limit: limit)
  }
}

/// A source that is asked for samples and for what becomes of series, and never for what groups are reduced to.
struct DerivationsOnly: DerivingSource {
  let source: any DerivingSource

  func select(_ selection: SeriesSelection) async throws -> any NeedletailQueryEngine.SeriesCursor {
    try await source.select(selection)
  }

  func select(
    _ selection: SeriesSelection, deriving derivation: SeriesDerivation
  ) async throws -> any NeedletailQueryEngine.SeriesCursor {
    try await source.select(selection, deriving: derivation)
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await source.labelNames(scope, limit: limit)
  }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await source.labelValues(name, scope, limit: limit)
  }

  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> {
    try await source.series(scope, limit: limit)
  }

  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] {
    try await source.metadata(tenant: tenant, metric: metric, limit: limit)
  }
}
