// What became of records, under the names of the semantic conventions ("OpenTelemetry SDK metrics"): `processed` counts the
// queue's verdicts, `exported` the exporter's; a failure carries `error.type`. For refused metrics these have no name.

import NeedletailOTLP

/// The SDK's account of what it dropped, lost and delivered.
struct SelfMetrics: Sendable {
  /// One signal whose records are counted.
  struct Source: Sendable {
    /// `span` or `log`, or `metric_data_point`.
    let noun: String
    let queue: RecordQueue?
    let exporter: SignalExporter
  }

  private let sources: [Source]
  private let registry: MetricRegistry
  private let start: UInt64

  init(sources: [Source], registry: MetricRegistry, start: UInt64) {
    self.sources = sources
    self.registry = registry
    self.start = start
  }

  /// Appends all counts.
  ///
  /// - Returns: the number of series.
  func collect(into batch: inout RecordBatch, time: UInt64) -> Int {
    var count = 1
    append("needletail.sdk.metric.refused", unit: "{metric}", [("", registry.refusedCount)], to: &batch, time)
    for source in sources {
      if let queue = source.queue?.counts {
        count += 2
        append(
          "otel.sdk.processor.\(source.noun).processed", unit: "{\(source.noun)}",
          [("", queue.accepted), ("queue_full", queue.dropped)], to: &batch, time)
      }
      let exporter = source.exporter.counts
      count += 3
      append(
        "otel.sdk.exporter.\(source.noun).exported", unit: "{\(source.noun)}",
        [("", exporter.exported), ("refused", exporter.refused), ("undeliverable", exporter.lost)], to: &batch, time)
    }
    return count
  }

  private func append(
    _ name: String, unit: String, _ values: [(error: String, value: UInt64)], to batch: inout RecordBatch,
    _ time: UInt64
  ) {
    batch.append { writer in
      writer.metric(name: name, unit: unit, description: "", kind: .sum(isMonotonic: true)) { points in
        for (error, value) in values {
          let identity = SeriesIdentity(dimensions: error.isEmpty ? [] : [("error.type", error)], start: start)
          points.numberPoint(
            .integer(Int64(clamping: value)), attributes: identity.attributes, start: start, time: time)
        }
      }
    }
  }
}
