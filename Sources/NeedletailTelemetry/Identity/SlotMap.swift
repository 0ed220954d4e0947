/// Assigns every series, trace and log stream to one of a fixed number of slots, the unit that the cluster replicates and moves.
///
/// The count is fixed when a data folder is made: a part's slot index is only as good as the map that wrote it.
@usableFromInline package struct SlotMap: Equatable, Sendable {
  package static let defaultCount = 1024
  package static let countMax = 65_536
  /// Shares of a slot's keys, by which replicas compare a window of it: part of what nodes agree on.
  package static let bucketCount = 64

  @usableFromInline package let count: Int

  /// A map of `count` slots; nil outside 1...65,536.
  package init?(count: Int) {
    guard (1...Self.countMax).contains(count) else { return nil }
    self.count = count
  }

  private init(trusted count: Int) { self.count = count }

  package static let standard = SlotMap(trusted: defaultCount)

  /// The slot of an identity: its upper 64 bits, scaled to the number of slots without a division.
  @inlinable package func slot(of hash: Hash128) -> UInt16 {
    UInt16(truncatingIfNeeded: hash.high.multipliedFullWidth(by: UInt64(truncatingIfNeeded: count)).high)
  }

  /// The bucket of a series, a trace or a stream within its slot. The upper half of the hash tells the slot.
  @inlinable package static func bucket(of hash: Hash128) -> UInt8 { UInt8(truncatingIfNeeded: hash.low & 63) }

  package func slot(of series: SeriesID) -> UInt16 { slot(of: series.hash) }

  package func slot(of trace: TraceID, tenant: TenantID) -> UInt16 { slot(of: trace.key(in: tenant)) }

  /// The slot of an event: of a span that of its trace, of a log record that of its stream.
  ///
  /// `tenantSeed` is the `hashSeed` of the tenant.
  package func slot(
    isSpan: Bool, trace: TraceID, stream: @autoclosure () -> Hash128, tenantSeed: @autoclosure () -> UInt64
  ) -> UInt16 {
    slot(of: isSpan ? trace.key(tenantSeed: tenantSeed()) : stream())
  }
}
