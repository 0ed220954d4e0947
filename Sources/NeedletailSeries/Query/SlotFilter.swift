import NeedletailTelemetry

/// Which series a question concerns, by their slots: a bit for each slot.
package struct SlotFilter: Sendable {
  private let map: SlotMap
  private var words: [UInt64]

  /// The series of these slots; a slot beyond the map has none.
  package init(_ slots: some Sequence<UInt16>, of map: SlotMap) {
    self.map = map
    words = [UInt64](repeating: 0, count: (map.count + 63) / 64)
    for slot in slots where Int(slot) < map.count { words[Int(slot) / 64] |= 1 << (UInt64(slot) % 64) }
  }

  /// Whether no series is left out.
  var isOfAll: Bool { words.reduce(0) { $0 + $1.nonzeroBitCount } == map.count }

  /// Whether a series lies in one of the slots.
  @inline(__always) package func contains(_ id: SeriesID) -> Bool {
    let slot = Int(map.slot(of: id))
    return words[slot / 64] & (1 << (UInt64(slot) % 64)) != 0
  }
}
