import NeedletailTelemetry

/// The order of series everywhere in this room: metric name first, so that what resembles and is asked for together
/// lies together, then the bytes of the canonical labels.
enum SeriesOrder {
  static func precedes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    let (one, other) = (metricName(left), metricName(right))
    if !one.elementsEqual(other) { return one.precedes(other) }
    return left.precedes(right)
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
