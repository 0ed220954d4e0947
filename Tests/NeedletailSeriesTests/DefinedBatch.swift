import NeedletailTelemetry
import Testing

/// A batch, and the definitions of its series.
struct DefinedBatch {
  let batch: SeriesBatch
  let definitions: SeriesDefinitions

  /// A batch of series with these labels, whose counts began at `start` (ms), where that is told; `add` gives each of them,
  /// by its place among them, what it has.
  init(
    _ series: some Sequence<LabelSet>, tenant: TenantID = .default, id: UInt64 = 1, start: Int64? = nil,
    _ add: (_ index: Int, _ builder: inout SeriesBatchBuilder) -> Void
  ) throws {
    var builder = SeriesBatchBuilder()
    var definitions = SeriesDefinitionsBuilder()
    for (index, labels) in series.enumerated() {
      let id = SeriesID(labels, tenant: tenant)
      definitions.append(id, labels: labels)
      builder.beginSeries(id, startTimestamp: start)
      add(index, &builder)
    }
    let built = builder.build(tenant: tenant, batchID: Hash128(high: 1, low: id))
    let defined = definitions.build(tenant: tenant)
    batch = try #require(built)
    self.definitions = try #require(defined)
  }

  /// A batch of one sample for each series, whose bits are its place among them.
  init(_ series: some Sequence<LabelSet>, time: Int64) throws {
    try self.init(series, id: UInt64(bitPattern: time)) { index, builder in
      builder.append(timestamp: time, valueBits: UInt64(index))
    }
  }
}
