import NeedletailTelemetry

/// The order of series everywhere in this room: by the text of the metric's name, so that what resembles and is asked
/// for together lies together, then by the labels in their canonical sequence.
///
/// A series without a metric name counts as one with an empty one. Labels are compared one by one, each by the text of
/// its name, then by that of its value, as unsigned bytes; a set that is a prefix of another precedes it. Where the
/// labels of one tenant are numbered in the order of (name, value), series therefore compare as the arrays of their
/// labels' numbers, once the metric's names are equal.
package enum SeriesOrder {
  /// Whether one label set comes before another.
  package static func precedes(_ left: LabelSet, _ right: LabelSet) -> Bool {
    left.withUnsafeBytes { left in right.withUnsafeBytes { precedes(left, $0) } }
  }

  static func precedes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    compare(left, right) < 0
  }

  /// Less than, equal to or greater than 0, for two canonical forms. O(bytes).
  static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
    let names = ByteOrder.compare(metricName(left), metricName(right))
    if names != 0 { return names }
    var one = ByteReader(left)
    var other = ByteReader(right)
    while true {
      // Names and values stand in turns, so comparing text by text is comparing label by label.
      guard let text = try? one.readPrefixed() else { return other.isAtEnd ? 0 : -1 }
      guard let otherText = try? other.readPrefixed() else { return 1 }
      let texts = ByteOrder.compare(text, otherText)
      if texts != 0 { return texts }
    }
  }

  /// The value of the label that holds the metric's name; nothing where there is none.
  private static func metricName(_ labels: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    var reader = ByteReader(labels)
    while let name = try? reader.readPrefixed(), let value = try? reader.readPrefixed() {
      if isMetricName(name) { return value }
    }
    return UnsafeRawBufferPointer(start: nil, count: 0)
  }

  /// Whether a label's name is that of the label with the metric's name.
  static func isMetricName(_ name: UnsafeRawBufferPointer) -> Bool {
    name.count == 8 && name.loadUnaligned(as: UInt64.self) == nameBits
  }

  /// `__name__`, as it lies in memory.
  private static let nameBits: UInt64 = LabelSet.nameLabel.utf8.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    .littleEndian
}
