import NeedletailEvents
import NeedletailTelemetry

/// The server's own metrics, gathered from where they are counted.
struct NodeMetrics: Sendable {
  let storage: NodeStorage
  let requests: RequestCounters
  let queries: QueryService
  let ingest: IngestService
  let maintenance: MaintenanceCounters
  /// Nil where the node belongs to none.
  let cluster: ClusterNode?
  let health: NodeHealth
  /// Nanoseconds since 1970.
  let startedNanoseconds: Int64

  /// All families as of now.
  func collect() async -> [MetricFamily] {
    requestFamilies + queryFamilies + ingest.families + seriesFamilies + eventFamilies + storageFamilies
      + (await health.families()) + (await cluster?.families() ?? [])
  }

  private var requestFamilies: [MetricFamily] {
    let values = requests.snapshot.sorted { ($0.key.route, $0.key.status) < ($1.key.route, $1.key.status) }
    func points(_ value: (RequestCounters.Value) -> Double) -> [MetricFamily.Point] {
      values.map { key, counted in
        MetricFamily.Point(
          labels: [Label("route", key.route), Label("status", String(key.status))], value: value(counted))
      }
    }
    return [
      MetricFamily(
        .counter, "needletail_requests_total", "Requests answered, by resource and status (of gRPC: its code).",
        points { Double($0.count) }),
      MetricFamily(
        .counter, "needletail_request_seconds_total", "Time spent on requests, in seconds.",
        points { Double($0.nanoseconds) / 1e9 }),
    ]
  }

  private var queryFamilies: [MetricFamily] {
    let counted = queries.counters.snapshot
    let load = queries.gate.load
    let failures = counted.failures.sorted { $0.key.rawValue < $1.key.rawValue }.map { kind, count in
      MetricFamily.Point(labels: [Label("kind", kind.rawValue)], value: Double(count))
    }
    return [
      MetricFamily(.counter, "needletail_queries_total", "Queries that ended.", Double(counted.finished)),
      MetricFamily(
        .counter, "needletail_queries_in_place_total", "Queries that ran where their request came in.",
        Double(counted.inPlace)),
      MetricFamily(
        .counter, "needletail_query_seconds_total", "Time from a query's arrival to its end, in seconds.",
        Double(counted.nanoseconds) / 1e9),
      MetricFamily(.counter, "needletail_query_failures_total", "Queries that failed, by kind.", failures),
      MetricFamily(
        .gauge, "needletail_queries_running", "Queries that run or whose answers are being written.",
        Double(load.running)),
      MetricFamily(.gauge, "needletail_queries_waiting", "Queries that wait for their turn.", Double(load.waiting)),
    ]
  }

  private var seriesFamilies: [MetricFamily] {
    let counted = storage.series.statistics
    return [
      MetricFamily(
        .counter, "needletail_samples_appended_total", "Float samples taken.", Double(counted.samplesAppended)),
      MetricFamily(
        .counter, "needletail_histograms_appended_total", "Native histograms taken.",
        Double(counted.histogramsAppended)),
      MetricFamily(
        .counter, "needletail_samples_refused_total", "Samples not taken, by reason.",
        [
          MetricFamily.Point(
            labels: [Label("reason", "out_of_retention")], value: Double(counted.samplesOutOfRetention)),
          MetricFamily.Point(
            labels: [Label("reason", "out_of_order_window")], value: Double(counted.samplesOutOfWindow)),
          MetricFamily.Point(
            labels: [Label("reason", "too_far_in_future")], value: Double(counted.samplesTooFarInFuture)),
        ]),
      MetricFamily(
        .counter, "needletail_samples_out_of_order_total", "Samples earlier than the last one of their series.",
        Double(counted.samplesOutOfOrder)),
      MetricFamily(
        .counter, "needletail_metadata_refused_total", "Descriptions of metrics not kept for want of room.",
        Double(counted.metadataRefused)),
      MetricFamily(
        .gauge, "needletail_active_series", "Series with samples since the last flush.", Double(counted.activeSeries)),
    ]
  }

  private var eventFamilies: [MetricFamily] {
    let engines = [("logs", storage.logs.statistics), ("spans", storage.spans.statistics)]
    func family(
      _ kind: MetricMetadata.Kind, _ name: String, _ help: String, _ value: (EventEngineStatistics) -> Double
    ) -> MetricFamily {
      MetricFamily(
        kind, name, help,
        engines.map { MetricFamily.Point(labels: [Label("signal", $0.0)], value: value($0.1)) })
    }
    return [
      family(.counter, "needletail_events_appended_total", "Log records and spans taken.") { Double($0.acceptedRows) },
      family(.counter, "needletail_events_duplicate_total", "Log records and spans that were there already.") {
        Double($0.duplicateRows)
      },
      MetricFamily(
        .counter, "needletail_events_refused_total", "Log records and spans not taken, by reason.",
        engines.flatMap { signal, counted in
          [("out_of_retention", counted.tooOldRows), ("too_far_in_future", counted.tooNewRows)].map { reason, count in
            MetricFamily.Point(labels: [Label("signal", signal), Label("reason", reason)], value: Double(count))
          }
        }),
      family(.gauge, "needletail_event_streams", "Streams known.") { Double($0.streams) },
      family(.counter, "needletail_event_read_failures_total", "Reads that met something damaged.") {
        Double($0.failedReads)
      },
    ]
  }

  private var storageFamilies: [MetricFamily] {
    let series = storage.series.statistics
    let (logs, spans) = (storage.logs.statistics, storage.spans.statistics)
    let work = maintenance.snapshot
    let merging = storage.mergePace.statistics
    let steps = queries.cache.statistics
    func by(_ name: String, _ texts: [String], _ values: (Double, Double, Double)) -> [MetricFamily.Point] {
      zip(texts, [values.0, values.1, values.2]).map { text, value in
        MetricFamily.Point(labels: [Label(name, text)], value: value)
      }
    }
    func bySignal(_ values: (Double, Double, Double)) -> [MetricFamily.Point] {
      by("signal", ["metrics", "logs", "spans"], values)
    }
    func byCache(_ values: (Double, Double, Double)) -> [MetricFamily.Point] {
      by("cache", ["indexes", "samples", "steps"], values)
    }
    return [
      MetricFamily(
        .gauge, "needletail_head_bytes", "Memory of what is in no part yet, in bytes.",
        bySignal((Double(series.headBytes), Double(logs.headBytes), Double(spans.headBytes)))),
      MetricFamily(
        .gauge, "needletail_parts", "Parts on disk.",
        bySignal((Double(series.parts), Double(logs.parts), Double(spans.parts)))),
      MetricFamily(
        .gauge, "needletail_part_bytes", "Size of the parts on disk, in bytes.",
        bySignal((Double(series.partBytes), Double(logs.partBytes), Double(spans.partBytes)))),
      MetricFamily(
        .counter, "needletail_merged_parts_total", "Parts that were merged into others.",
        bySignal((Double(series.mergedParts), Double(logs.mergedParts), Double(spans.mergedParts)))),
      MetricFamily(
        .counter, "needletail_dropped_parts_total", "Parts that retention removed.",
        bySignal((Double(series.droppedParts), Double(logs.droppedParts), Double(spans.droppedParts)))),
      MetricFamily(
        .gauge, "needletail_cache_bytes", "Size of what is kept of blocks of metrics and of answers, in bytes.",
        byCache((Double(series.indexCacheBytes), Double(series.sampleCacheBytes), Double(steps.bytes)))),
      MetricFamily(
        .counter, "needletail_cache_hits_total", "How often what was asked for was kept.",
        byCache((Double(series.indexCacheHits), Double(series.sampleCacheHits), Double(steps.hits)))),
      MetricFamily(
        .counter, "needletail_cache_misses_total", "How often what was asked for had to be read or worked out.",
        byCache((Double(series.indexCacheMisses), Double(series.sampleCacheMisses), Double(steps.misses)))),
      MetricFamily(
        .gauge, "needletail_log_pending_bytes", "Bytes that wait for the disk.", Double(storage.journal.pendingBytes)),
      MetricFamily(.counter, "needletail_flushes_total", "Flushes done.", Double(work.flushes)),
      MetricFamily(
        .counter, "needletail_flush_seconds_total", "Time spent on flushes, in seconds.",
        Double(work.flushNanoseconds) / 1e9),
      MetricFamily(.counter, "needletail_merges_total", "Passes that merged parts.", Double(work.merges)),
      MetricFamily(
        .counter, "needletail_merge_seconds_total", "Time spent on passes that merged parts, in seconds.",
        Double(work.mergeNanoseconds) / 1e9),
      MetricFamily(
        .counter, "needletail_merge_bytes_total", "Bytes that merges read and wrote.", Double(merging.bytes)),
      MetricFamily(
        .counter, "needletail_merge_paused_seconds_total", "Time that merges paused for their limits, in seconds.",
        Double(merging.pausedNanoseconds) / 1e9),
      MetricFamily(
        .counter, "needletail_maintenance_failures_total", "Flushes, retention passes and merges that failed.",
        Double(work.failures)),
      MetricFamily(
        .gauge, "needletail_start_time_seconds", "When the server started, in seconds since 1970.",
        (Double(startedNanoseconds) / 1e6).rounded() / 1e3),
    ]
  }
}
