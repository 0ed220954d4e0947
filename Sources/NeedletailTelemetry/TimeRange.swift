/// A range of sample time, both ends included, in milliseconds since 1970 (negative before it).
package struct TimeRange: Hashable, Sendable {
  package static let all = TimeRange(trusted: .min, .max)

  package let startMilliseconds: Int64
  package let endMilliseconds: Int64

  private init(trusted start: Int64, _ end: Int64) {
    startMilliseconds = start
    endMilliseconds = end
  }

  /// Nil where the end is before the start.
  package init?(startMilliseconds: Int64, endMilliseconds: Int64) {
    guard startMilliseconds <= endMilliseconds else { return nil }
    self.init(trusted: startMilliseconds, endMilliseconds)
  }

  package func contains(_ milliseconds: Int64) -> Bool {
    startMilliseconds <= milliseconds && milliseconds <= endMilliseconds
  }

  package func overlaps(_ other: TimeRange) -> Bool {
    startMilliseconds <= other.endMilliseconds && other.startMilliseconds <= endMilliseconds
  }
}

/// A range of event time, both ends included, in nanoseconds since 1970.
package struct EventTimeRange: Hashable, Sendable {
  package static let all = EventTimeRange(trusted: .min, .max)

  package let startNanoseconds: Int64
  package let endNanoseconds: Int64

  private init(trusted start: Int64, _ end: Int64) {
    startNanoseconds = start
    endNanoseconds = end
  }

  /// Nil where the end is before the start.
  package init?(startNanoseconds: Int64, endNanoseconds: Int64) {
    guard startNanoseconds <= endNanoseconds else { return nil }
    self.init(trusted: startNanoseconds, endNanoseconds)
  }

  package func contains(_ nanoseconds: Int64) -> Bool {
    startNanoseconds <= nanoseconds && nanoseconds <= endNanoseconds
  }

  package func overlaps(_ other: EventTimeRange) -> Bool {
    startNanoseconds <= other.endNanoseconds && other.startNanoseconds <= endNanoseconds
  }
}
