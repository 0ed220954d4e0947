import NeedletailTelemetry

/// One UTC hour, the span of time over which digests are told.
package struct SeriesWindow: Hashable, Comparable, Sendable {
  package static let milliseconds: Int64 = 3_600_000
  static let perDay: Int64 = 24

  /// Hours since 1970, negative before.
  package let number: Int64

  /// The hour that a time (ms since 1970) lies in.
  package init(of time: Int64) {
    let hour = time / Self.milliseconds
    number = time % Self.milliseconds < 0 ? hour - 1 : hour
  }

  /// The hour with this number; nil where no time lies in it.
  package init?(number: Int64) {
    guard (Self(of: .min).number...Self(of: .max).number).contains(number) else { return nil }
    self.number = number
  }

  /// The hours, cut at both ends of time; nil where none is left.
  static func range(_ numbers: ClosedRange<Int64>) -> ClosedRange<SeriesWindow>? {
    let all = Self(of: .min).number...Self(of: .max).number
    guard all.overlaps(numbers) else { return nil }
    let cut = numbers.clamped(to: all)
    guard let first = Self(number: cut.lowerBound), let last = Self(number: cut.upperBound) else { return nil }
    return first...last
  }

  /// An hour of a UTC day; nil where it begins or ends outside of what a time can be.
  init?(day: Int64, hour: Int64) {
    let (first, isFar) = day.multipliedReportingOverflow(by: Self.perDay)
    let (number, isFarther) = first.addingReportingOverflow(hour)
    let (_, isOut) = number.multipliedReportingOverflow(by: Self.milliseconds)
    // The hours at both ends of time are cut off, and are as good as any other.
    guard !isFar, !isFarther, !isOut || number == Self(of: .min).number else { return nil }
    self.number = number
  }

  /// Its times in ms, both ends included.
  package var range: TimeRange {
    let (start, isBefore) = number.multipliedReportingOverflow(by: Self.milliseconds)
    let (end, isAfter) = (isBefore ? Int64.min : start).addingReportingOverflow(Self.milliseconds - 1)
    if isBefore {
      // The first hour of all begins late.
      let next = (number + 1) * Self.milliseconds
      return TimeRange(startMilliseconds: .min, endMilliseconds: next - 1) ?? .all
    }
    return TimeRange(startMilliseconds: start, endMilliseconds: isAfter ? .max : end) ?? .all
  }

  /// The same.
  var times: ClosedRange<Int64> { range.startMilliseconds...range.endMilliseconds }

  /// The UTC day that it is an hour of.
  var day: Int64 { SeriesEngine.day(of: range.endMilliseconds) }

  /// Which hour of its day it is, from 0.
  var hour: Int64 { number - day * Self.perDay }

  package static func < (left: SeriesWindow, right: SeriesWindow) -> Bool { left.number < right.number }
}
