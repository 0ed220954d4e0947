import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry

/// What this node has of some slots, as a reduction or a derivation for another node reads it.
struct SlotSeries: SeriesSource {
  let store: SeriesStore
  /// Nil for all.
  let slots: SlotFilter?
  /// What is asked for beside it, which has to select the same.
  let asked: SeriesSelection

  func select(_ selection: SeriesSelection) async throws -> any NeedletailQueryEngine.SeriesCursor {
    guard selection.matchers == asked.matchers, selection.range == asked.range else {
      throw QueryError(.badData, "what is to be worked out selects what was not asked for")
    }
    var selection = selection
    // What lies before a range may be in hours that were not compared: of it replicas may know different things.
    selection.hints.takesHistogramBefore = false
    return try store.select(selection, slots: slots)
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> { throw Self.noList }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    throw Self.noList
  }

  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> { throw Self.noList }

  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] { throw Self.noList }

  private static let noList = QueryError(.internal, "only samples are needed here")
}
