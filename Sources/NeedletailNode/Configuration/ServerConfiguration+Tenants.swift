import NeedletailBlocks

extension ServerConfiguration {
  /// Reads one setting of what each tenant may send.
  ///
  /// Returns what is wrong and what to write instead, or nil.
  mutating func setTenants(_ setting: Setting, to text: String) -> String? {
    switch setting {
    case .tenantBytes:
      if text == "off" { tenantRates.bytes = nil; return nil }
      return Self.assign(
        Self.size(text, in: 1024...(1 << 50)).map(Optional.some), to: &tenantRates.bytes,
        "write a size of 1KiB or more, such as 10MiB, or off")
    case .tenantSamples: return Self.assign(limit: text, to: &tenantRates.samples)
    case .tenantLogRecords: return Self.assign(limit: text, to: &tenantRates.logRecords)
    case .tenantSpans: return Self.assign(limit: text, to: &tenantRates.spans)
    case .tenantNewSeries: return Self.assign(limit: text, to: &tenantRates.newSeries)
    case .tenantRateStrategy:
      return Self.assign(["global": true, "local": false][text], to: &sharesTenantRates, "write global or local")
    case .tenantSeries: return Self.assign(limit: text, to: &tenantSeriesMax)
    default: return nil
    }
  }

  /// The text of such a setting's effective value.
  func tenantsText(of setting: Setting) -> String {
    func text(_ limit: Int?) -> String { limit.map { String($0) } ?? "off" }
    return switch setting {
    case .tenantBytes: tenantRates.bytes.map { ByteSize.text($0) } ?? "off"
    case .tenantSamples: text(tenantRates.samples)
    case .tenantLogRecords: text(tenantRates.logRecords)
    case .tenantSpans: text(tenantRates.spans)
    case .tenantNewSeries: text(tenantRates.newSeries)
    case .tenantRateStrategy: sharesTenantRates ? "global" : "local"
    case .tenantSeries: text(tenantSeriesMax)
    default: ""
    }
  }

  private static func assign(limit text: String, to place: inout Int?) -> String? {
    if text == "off" { place = nil; return nil }
    return assign(count(text).map(Optional.some), to: &place, "write a number of 1 or more, or off")
  }
}
