import NeedletailTelemetry

/// The newest sample of each tenant: what an out-of-order window is counted back from.
///
/// Kept only where there is a window. It is a tenant's own, so that one tenant's clock costs no other its samples. What a
/// log replays and what parts hold tell it again, so that it outlives a restart; not what is deleted.
struct NewestTimes: Sendable {
  private var byTenant: [TenantID: Int64] = [:]

  /// In ms since 1970; nil where the tenant has nothing.
  subscript(tenant: TenantID) -> Int64? { byTenant[tenant] }

  mutating func note(_ time: Int64?, of tenant: TenantID) {
    guard let time else { return }
    byTenant[tenant] = max(byTenant[tenant] ?? time, time)
  }

  /// Takes what parts tell, each as far as it can be read.
  ///
  /// O(series) of the parts that may hold a tenant's newest sample; the newest parts are read first.
  mutating func note(_ parts: [SeriesPart]) {
    for part in parts.byAge.reversed() {
      var reader = PartSeriesReader(PartIndex(part))
      for tenant in part.content.tenants where (byTenant[tenant.tenant] ?? .min) < part.record.summary.maxTime {
        for number in tenant.first..<tenant.end {
          guard let record = try? reader.record(number) else { break }
          if record.minTime <= record.maxTime { note(record.maxTime, of: tenant.tenant) }
        }
      }
    }
  }
}

extension SeriesRows {
  /// The latest time of the samples and histograms within the bounds, in ms; nil where there is none.
  func latest(within bounds: ClosedRange<Int64>) -> Int64? {
    var latest: Int64?
    forEachTime { time in
      if bounds.contains(time) { latest = max(latest ?? time, time) }
    }
    return latest
  }

  /// How many samples and histograms lie between two times, the first included, the second not.
  func count(from start: Int64, upTo end: Int64) -> Int {
    var count = 0
    forEachTime { time in
      if time >= start, time < end { count += 1 }
    }
    return count
  }

  /// How many samples and histograms lie within the bounds.
  func count(within bounds: ClosedRange<Int64>) -> Int {
    var count = 0
    forEachTime { time in
      if bounds.contains(time) { count += 1 }
    }
    return count
  }

  private func forEachTime(_ body: (Int64) -> Void) {
    if seriesCount > 0 { for sample in 0..<samples(of: seriesCount - 1).upperBound { body(timestamp(sample)) } }
    for index in 0..<histogramCount { body(histogram(index).timestamp) }
  }
}
