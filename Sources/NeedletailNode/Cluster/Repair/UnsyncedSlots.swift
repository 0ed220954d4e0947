import NeedletailCluster

/// Slots of which something was found to be there that may not be on disk yet.
///
/// A sync that began later vouches for them.
struct UnsyncedSlots: Sendable {
  /// What is counted up with each insertion, by slot.
  private var marks: [UInt16: UInt64] = [:]
  /// A sync that begins now vouches for all that was inserted up to this.
  private(set) var mark: UInt64 = 0

  var slots: SlotSet { SlotSet(marks.keys.sorted()) }

  mutating func insert(_ slot: UInt16) {
    mark += 1
    marks[slot] = mark
  }

  /// A sync is over that began at a mark. Returns whether it vouches for any slot.
  mutating func synced(upTo mark: UInt64) -> Bool {
    let count = marks.count
    marks = marks.filter { $0.value > mark }
    return marks.count < count
  }
}
