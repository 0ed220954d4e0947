import NeedletailTelemetry

/// Which series a head knows: identity, tenant and labels, numbered densely in order of arrival.
///
/// A value: the registry of the head before outlives that head's samples, so that senders which rely on the engine
/// knowing a series need not send its labels again after a flush.
struct SeriesRegistry: Sendable {
  private struct Entry {
    var id: SeriesID
    var labels: ByteArena.Reference
    var tenant: UInt32
  }

  private var entries: [Entry] = []
  private var slots = HashSlots()
  private(set) var arena = ByteArena()
  /// The tenants, in order of arrival; few.
  private(set) var tenants: [TenantID] = []

  var count: Int { entries.count }

  var byteCount: Int { entries.capacity * MemoryLayout<Entry>.stride + slots.byteCount + arena.byteCount }

  /// The number of a series, or nil where it is not known.
  ///
  /// Expected O(1).
  @inline(__always) func find(_ id: SeriesID) -> Int? {
    slots.find(id.hash.low) { entries[$0].id == id }
  }

  /// Adds a series that is not known.
  ///
  /// The labels are canonical.
  mutating func add(_ id: SeriesID, tenant: Int, labels: UnsafeRawBufferPointer) -> Int {
    let series = entries.count
    entries.append(
      Entry(id: id, labels: arena.append(labels), tenant: UInt32(truncatingIfNeeded: tenant)))
    // Another reference to the same array: the closure may not borrow what the call changes.
    let entries = entries
    slots.insert(id.hash.low, series) { entries[$0].id.hash.low }
    return series
  }

  /// The number of a tenant, given on first use.
  mutating func number(of tenant: TenantID) -> Int {
    if let known = tenants.firstIndex(of: tenant) { return known }
    tenants.append(tenant)
    return tenants.count - 1
  }

  func id(_ series: Int) -> SeriesID { entries[series].id }

  func tenant(_ series: Int) -> Int { Int(entries[series].tenant) }

  func labelReference(_ series: Int) -> ByteArena.Reference { entries[series].labels }

  /// Lends the canonical label bytes of a series.
  func withLabels<Result>(_ series: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try arena.withBytes(entries[series].labels, body)
  }
}
