import NeedletailTelemetry

/// The order of series everywhere in this room: by the text of the metric's name, so that what resembles and is asked
/// for together lies together, then by the labels in their canonical sequence.
///
/// A series without a metric name counts as one with an empty one. Labels are compared one by one, each by the text of
/// its name, then by that of its value, as unsigned bytes; a set that is a prefix of another precedes it.
enum SeriesOrder {
  static func precedes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    let (one, other) = (metricName(left), metricName(right))
    if !one.elementsEqual(other) { return one.precedes(other) }
    var (first, second) = (ByteReader(left), ByteReader(right))
    while let text = try? second.readPrefixed() {
      guard let own = try? first.readPrefixed() else { return true }
      if !own.elementsEqual(text) { return own.precedes(text) }
    }
    return false
  }

  private static func metricName(_ labels: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    var reader = ByteReader(labels)
    while let name = try? reader.readPrefixed(), let value = try? reader.readPrefixed() {
      if name.elementsEqual(nameLabel) { return value }
    }
    return UnsafeRawBufferPointer(start: nil, count: 0)
  }

  private static let nameLabel = Array(LabelSet.nameLabel.utf8)
}
