import NeedletailTelemetry

/// The digests of distinct records by window and slot, added up as they come: of a head, and of a part in the making.
struct EventDigestTable: Sendable {
  private struct Window: Sendable {
    var total = RangeDigest()
    var rows: [UInt16: TimedDigest] = [:]
  }

  private var entries: [Int64: Window] = [:]
  /// Of windows and slots that have anything.
  private(set) var pairCount = 0

  /// Adds a record that is not in it.
  mutating func add(_ digest: RangeDigest, slot: UInt16, time: Int64) {
    let window = EventWindow.of(time)
    pairCount -= entries[window]?.rows.count ?? 0
    entries[window, default: Window()].total.add(digest)
    entries[window]?.rows[slot, default: TimedDigest()].add(digest, time...time)
    pairCount += entries[window]?.rows.count ?? 0
  }

  /// The windows that have anything, ascending.
  var windows: [Int64] { entries.keys.sorted() }

  /// The digest of all slots together.
  func total(_ window: Int64) -> RangeDigest { entries[window]?.total ?? RangeDigest() }

  /// What a window has of each slot, by slot.
  func rows(_ window: Int64) -> [(slot: UInt16, row: TimedDigest)] {
    (entries[window]?.rows ?? [:]).map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 }
  }
}
