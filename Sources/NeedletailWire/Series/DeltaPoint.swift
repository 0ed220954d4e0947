import NeedletailTelemetry

/// What a sender that reports changes sends: a number, or a whole native histogram.
package enum DeltaValue: Hashable, Sendable {
  case number(Double)
  indirect case histogram(NativeHistogram)

  /// About what it takes in memory beside itself, in bytes.
  package var memoryBytes: Int {
    guard case .histogram(let histogram) = self else { return 0 }
    let words =
      histogram.positiveSpans.count + histogram.positiveBuckets.count + histogram.negativeSpans.count
      + histogram.negativeBuckets.count + histogram.customBounds.count
    // Arrays and the box have headers of their own; two arrays is what most have.
    return MemoryLayout<NativeHistogram>.stride + 128 + words * 8
  }
}

/// A value of a series whose sender reports changes: it becomes a sample once it is added to what came before.
package struct DeltaPoint: Hashable, Sendable {
  package let series: SeriesID
  /// When the change began, in ms since 1970; 0 where the sender did not say.
  package let start: Int64
  /// When it ended, in ms since 1970.
  package let time: Int64
  package let value: DeltaValue
  /// Numbers the points of a request: the series of one histogram have the same.
  package let point: Int

  /// About what it takes in memory, in bytes.
  package var memoryBytes: Int { MemoryLayout<DeltaPoint>.stride + value.memoryBytes }

  package init(series: SeriesID, start: Int64, time: Int64, value: DeltaValue, point: Int) {
    self.series = series
    self.start = start
    self.time = time
    self.value = value
    self.point = point
  }
}
