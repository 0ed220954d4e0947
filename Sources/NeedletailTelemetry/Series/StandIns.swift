/// What may stand in place of many neighbouring samples of a series where a question needs no more of them.
///
/// Two samples stand for all that lie from the first of them to the last, at the times of these two. They may where each
/// window of the question has all of what they stand for, or nothing.
package struct StandIns: Sendable, Hashable {
  /// Which values the two have.
  package enum Values: Sendable, Hashable {
    /// The first and the last.
    case ends
    /// Both the least, or both the greatest.
    case least, greatest
  }

  /// Which values the two have.
  package let values: Values
  private let start: Int64
  private let end: Int64
  private let interval: Int64
  private let count: Int64

  /// Stand-ins for windows that begin after `start` and end with `end`, in ms, and so many times an interval later.
  package init(_ values: Values, after start: Int64, through end: Int64, interval: Int64, count: Int) {
    self.values = values
    (self.start, self.end) = (start, end)
    self.interval = count > 1 ? interval : 0
    self.count = Int64(count)
  }

  /// The longest time between two samples, in ms, that no window may part; longer ones are parted for sure.
  package var longest: Int64 {
    let (range, overflow) = end.subtractingReportingOverflow(start)
    guard !overflow, interval > 0 else { return overflow ? 0 : range }
    let (later, isFar) = interval.multipliedReportingOverflow(by: count - 1)
    return isFar ? interval : max(interval, range.subtractingReportingOverflow(later).partialValue)
  }

  /// Whether they may stand for samples from one time to another, in ms.
  package func mayReplace(from first: Int64, to last: Int64) -> Bool {
    !parts(start, first, last) && !parts(end, first, last)
  }

  /// Whether one of the bounds, of which `bound` is the first, lies between two times so that only one of them is after it.
  private func parts(_ bound: Int64, _ first: Int64, _ last: Int64) -> Bool {
    guard bound < last else { return false }
    if bound >= first { return true }
    guard interval > 0 else { return false }
    let (distance, overflow) = first.subtractingReportingOverflow(bound)
    // What is that far apart is not replaced.
    guard !overflow else { return true }
    let steps = (distance - 1) / interval + 1
    guard steps < count else { return false }
    let (later, isFar) = steps.multipliedReportingOverflow(by: interval)
    let (next, isFarther) = bound.addingReportingOverflow(later)
    return isFar || isFarther || next < last
  }
}

/// Samples that are left out right before the sample at an index, which stands for them.
package struct SampleOmission: Sendable, Hashable {
  /// Of the sample behind them.
  package var index: Int
  /// How many.
  package var count: Int

  /// An omission before a sample.
  package init(index: Int, count: Int) {
    self.index = index
    self.count = count
  }
}
