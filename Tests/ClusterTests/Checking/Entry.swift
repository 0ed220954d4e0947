/// One sample, line or span that a test sent, as far as it can be recognised when it is read back.
///
/// Everything that one run sends is another entry.
struct Entry: Hashable, Comparable, Sendable, CustomStringConvertible {
  enum Signal: Int, Sendable { case sample, line, span }

  var signal: Signal
  /// The series of a sample, the number of a trace.
  var series: Int
  /// In ms.
  var time: Int64
  /// The value of a sample, the number of a line, the number of a span within its trace.
  var value: Double

  static func < (left: Entry, right: Entry) -> Bool {
    (left.signal.rawValue, left.series, left.time, left.value)
      < (right.signal.rawValue, right.series, right.time, right.value)
  }

  var description: String { "\(signal) of \(series) at \(time): \(value)" }
}
