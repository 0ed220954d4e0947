import NeedletailCollector
import NeedletailTelemetry

extension IngestService {
  /// What came in and what became of it, as metrics: the books of the ledger.
  var families: [MetricFamily] {
    let accounts = ledger.accounts.map { key, account in
      (labels: [Label("signal", key.signal.name), Label("tenant", key.tenant?.description ?? "")], account: account)
    }
    func total(_ value: (LedgerAccount) -> Int) -> [MetricFamily.Point] {
      accounts.map { MetricFamily.Point(labels: $0.labels, value: Double(value($0.account))) }
    }
    func byReason(_ values: (LedgerAccount) -> [String: Int]) -> [MetricFamily.Point] {
      accounts.flatMap { labels, account in
        values(account).sorted { $0.key < $1.key }.map { reason, count in
          MetricFamily.Point(labels: labels + [Label("reason", reason)], value: Double(count))
        }
      }
    }
    return [
      MetricFamily(.counter, "needletail_ingest_requests_total", "Requests with data.", total(\.requests)),
      MetricFamily(.counter, "needletail_ingest_bytes_total", "Bytes of their bodies, as sent.", total(\.bytes)),
      MetricFamily(
        .counter, "needletail_ingest_received_total", "Samples, spans and log records that were read in them.",
        total(\.received)),
      MetricFamily(
        .counter, "needletail_ingest_accepted_total", "Samples, spans and log records stored.", total(\.acknowledged)),
      MetricFamily(
        .counter, "needletail_ingest_rejected_total", "Samples, spans and log records refused for good, by reason.",
        byReason(\.refused)),
      MetricFamily(
        .counter, "needletail_ingest_left_out_total",
        "Exemplars, and series of the receiver's own making, left out of what was stored, by reason.",
        byReason(\.leftOut)),
      MetricFamily(
        .counter, "needletail_ingest_dropped_total", "Records not stored whose sender was asked to come again.",
        byReason(\.failed)),
      MetricFamily(
        .gauge, "needletail_ingest_under_way", "Records of which nothing was told yet.", total(\.underWay)),
      MetricFamily(
        .counter, "needletail_ingest_failures_total", "Requests refused as a whole, by reason.",
        byReason(\.requestsFailed)),
      MetricFamily(
        .gauge, "needletail_ingest_bytes_in_flight", "Bytes of bodies that are being worked on.",
        Double(budget.bytesInFlight)),
    ] + seriesFamilies
  }

  /// Where there is a limit on the series of tenants, or on how many begin.
  private var seriesFamilies: [MetricFamily] {
    guard let (max, counts) = activeSeries else { return [] }
    func points(_ value: (ActiveSeries.Count) -> Int) -> [MetricFamily.Point] {
      counts.map {
        MetricFamily.Point(labels: [Label("tenant", $0.tenant?.description ?? "")], value: Double(value($0)))
      }
    }
    let limit = max.map {
      MetricFamily(.gauge, "needletail_tenant_series_max", "How many series each tenant may have.", Double($0))
    }
    return [
      MetricFamily(
        .gauge, "needletail_tenant_series", "Series that a tenant sent within the last half hour, or hour at most.",
        points(\.active)),
      MetricFamily(
        .gauge, "needletail_tenant_series_refused", "Series that were refused within the last half hour for the limit.",
        points(\.refused)),
    ] + (limit.map { [$0] } ?? [])
  }
}
