// A metric has one description. Which one stays of several must not hang on which came first, since replicas get them in
// any order; and no clock may decide, so that it is not the newest either.

extension MetricMetadata {
  /// Which of two descriptions of a metric stays: the one that says more of type, unit and help; of two that say as much the
  /// one with the greater type, then unit, then help, as bytes.
  package static func winner(_ left: Self, _ right: Self) -> Self { left.yields(to: right) ? right : left }

  private func yields(to other: Self) -> Bool {
    if said != other.said { return said < other.said }
    if kind != other.kind { return kind.rawValue < other.kind.rawValue }
    if !unit.utf8.elementsEqual(other.unit.utf8) { return unit.utf8.lexicographicallyPrecedes(other.unit.utf8) }
    return help.utf8.lexicographicallyPrecedes(other.help.utf8)
  }

  /// How many of type, unit and help say something.
  private var said: Int { (kind == .unknown ? 0 : 1) + (unit.isEmpty ? 0 : 1) + (help.isEmpty ? 0 : 1) }

  /// What the description of a tenant's metric goes by among the keys of slots: by it, it lies in a slot, as a series does by
  /// its identity. Part of what nodes agree on (docs/formats/batch.md).
  package static func key(of metric: String, tenant: TenantID) -> Hash128 {
    var writer = ByteWriter(reserving: metric.utf8.count + tenant.description.utf8.count + 4)
    writer.appendPrefixed(tenant.description)
    writer.appendPrefixed(metric)
    return writer.bytes.withUnsafeBytes { Hash128.of($0, seed: 3) }
  }

  /// What it comes to as the description of the metric with this key.
  package func digest(of key: Hash128) -> RangeDigest {
    var writer = ByteWriter(reserving: unit.utf8.count + help.utf8.count + 24)
    writer.append(key)
    writer.append(kind.rawValue)
    writer.appendPrefixed(unit)
    writer.appendPrefixed(help)
    return RangeDigest(of: writer.bytes.withUnsafeBytes { Hash128.of($0, seed: 4) })
  }
}
