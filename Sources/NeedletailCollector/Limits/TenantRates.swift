/// How much each tenant may send in a second; nil for as much as it likes.
package struct TenantRates: Equatable, Sendable {
  /// Bytes of bodies as they are sent.
  package var bytes: Int?
  /// Samples of metrics, histograms included.
  package var samples: Int?
  package var logRecords: Int?
  package var spans: Int?

  package init(bytes: Int? = nil, samples: Int? = nil, logRecords: Int? = nil, spans: Int? = nil) {
    self.bytes = bytes
    self.samples = samples
    self.logRecords = logRecords
    self.spans = spans
  }

  package subscript(measure: TenantMeasure) -> Int? {
    switch measure {
    case .bytes: bytes
    case .samples: samples
    case .logRecords: logRecords
    case .spans: spans
    }
  }
}

/// What of a tenant's requests is counted by the second.
package enum TenantMeasure: String, CaseIterable, Sendable {
  case bytes
  case samples
  case logRecords = "log records"
  case spans
}
