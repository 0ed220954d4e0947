import NeedletailTelemetry

/// Definitions that were read and checked once, outside of every lock.
struct CheckedDefinitions: Sendable {
  private(set) var labels: [SeriesID: LabelSet] = [:]
  private(set) var metrics: [(key: MetricKey, description: MetricMetadata)] = []

  init() {}

  /// Reads all entries; throws at the first that is malformed or whose labels do not hash to its identity.
  init(_ definitions: SeriesDefinitions) throws {
    let tenant = definitions.tenant
    try definitions.forEachSeries { id, bytes in labels[id] = LabelSet(canonicalBytes: Array(bytes)) }
    try definitions.forEachMetric { name, description in
      metrics.append((MetricKey(tenant: tenant, name: name), description))
    }
  }
}

extension SeriesRows {
  /// Checks what a batch's shape does not tell: that histograms decode and exemplars' labels are canonical.
  func checkAttachments() throws(MalformedBytes) {
    for index in 0..<histogramCount {
      var reader = ByteReader(histogram(index).bytes)
      _ = try NativeHistogram(decoding: &reader)
      guard reader.isAtEnd else { throw .invalid("a histogram has bytes left over") }
    }
    for index in 0..<exemplarCount { _ = try LabelSet(validating: exemplar(index).labels) }
  }

  /// Whether every sample and exemplar lies within the bounds, in ms.
  func isWithin(_ bounds: ClosedRange<Int64>) -> Bool {
    if seriesCount > 0 {
      for sample in 0..<samples(of: seriesCount - 1).upperBound where !bounds.contains(timestamp(sample)) {
        return false
      }
    }
    for index in 0..<histogramCount where !bounds.contains(histogram(index).timestamp) { return false }
    for index in 0..<exemplarCount where !bounds.contains(exemplar(index).timestamp) { return false }
    return true
  }
}
