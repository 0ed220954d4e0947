/// How much each tenant may send in a second; nil for as much as it likes.
package struct TenantRates: Equatable, Sendable {
  /// Bytes of bodies as they are sent.
  package var bytes: Int?
  /// Samples of metrics, histograms included.
  package var samples: Int?
  package var logRecords: Int?
  package var spans: Int?
  /// Series of metrics that were not sent for half an hour or more.
  package var newSeries: Int?

  package init(
    bytes: Int? = nil, samples: Int? = nil, logRecords: Int? = nil, spans: Int? = nil, newSeries: Int? = nil
  ) {
    self.bytes = bytes
    self.samples = samples
    self.logRecords = logRecords
    self.spans = spans
    self.newSeries = newSeries
  }

  package subscript(measure: TenantMeasure) -> Int? {
    switch measure {
    case .bytes: bytes
    case .samples: samples
    case .logRecords: logRecords
    case .spans: spans
    case .newSeries: newSeries
    }
  }
}

/// What of a tenant's requests is counted by the second.
package enum TenantMeasure: String, CaseIterable, Sendable {
  case bytes
  case samples
  case logRecords = "log records"
  case spans
  case newSeries = "new series"
}
