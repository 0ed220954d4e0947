/// The bounds and the pace of a `HintQueue`.
package struct HintLimits: Equatable, Sendable {
  /// Hints that are kept for a node, and their bytes.
  package var countMax = 65_536
  package var bytesMax = 1 << 30
  /// How old a hint gets before the node's slots are repaired instead, in ns.
  package var ageMax: Int64 = 3 * 3600 * 1_000_000_000
  /// Hints that are on their way at once.
  package var window = 8
  /// Bytes a second, and at once after a pause.
  package var bytesPerSecond = 32 << 20
  package var burst = 4 << 20
  /// How long the node has to answer, in ns.
  package var timeout: Int64 = 10_000_000_000
  /// How long to leave the node alone after it did not take one.
  package var backoff = Backoff(base: 500_000_000, cap: 30_000_000_000)

  package init() {}
}

/// What became of the hints for a node so far.
package struct HintCounters: Equatable, Sendable {
  /// Hints that were handed to the disk.
  package var appended = 0
  /// Hints that the node has.
  package var delivered = 0
  /// Deliveries that were not answered, or with no.
  package var failures = 0
  /// Hints given up because there were too many, the disk did not take them, they were too old, or the node refuses them.
  package var tooMany = 0
  package var notStored = 0
  package var tooOld = 0
  package var refused = 0
  /// Hints for a node that was removed.
  package var removed = 0
  /// Hints of which all slots have moved from the node to others, who were filled by replicas that had the rows.
  package var superseded = 0
}
