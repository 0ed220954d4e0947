// What start timestamps tell of counters. A start is when a sample's count was zero: whatever the samples before it were, this
// one counts from there. That makes series of changes (delta temporality), where each sample has a start of its own, and
// counters one and the same.

/// What the starts of two neighbouring samples come to; times in ms, a start of 0 is none.
enum CountStart {
  /// Whether the count began anew between a sample and the one before it.
  static func isReset(
    previousStart: Int64, previousTime: Int64, start: Int64, time: Int64
  ) -> Bool {
    // A start at the sample's own time is how OpenTelemetry says that it is not known; a later one is nonsense.
    guard start != 0, start < time, start >= previousTime else { return false }
    if start > previousTime { return true }
    // Right where the one before was taken: so begin all changes, and also the second sample of a counter whose start is not
    // known.
    return previousStart != 0 && previousStart < previousTime
  }

  /// Whether a sample counts over part of what the one before it counts over, and not all of it.
  static func overlaps(previousStart: Int64, previousTime: Int64, start: Int64) -> Bool {
    start != 0 && start < previousTime && start != previousStart
  }
}
