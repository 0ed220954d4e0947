import NeedletailTelemetry
import NeedletailWire

extension DeltaValue {
  /// Buckets that a total keeps: twice what SDKs send at most; a sum over ever wider ranges grows coarser instead.
  private static let bucketsMax = 320

  /// The total after one more change.
  ///
  /// A series whose sender turns to another kind of value begins again, as after a counter reset.
  func adding(_ change: DeltaValue) -> DeltaValue {
    switch (self, change) {
    case (.number(let total), .number(let number)): return .number(total + number)
    case (.histogram(let total), .histogram(let histogram)):
      return .histogram(Self.limited(total.adding(histogram)?.histogram ?? histogram))
    case (.number, .histogram(let histogram)): return .histogram(Self.limited(histogram))
    case (.histogram, .number): return change
    }
  }

  private static func limited(_ histogram: NativeHistogram) -> NativeHistogram {
    var histogram = histogram
    while histogram.positiveBuckets.count + histogram.negativeBuckets.count > bucketsMax, histogram.schema > -4 {
      histogram = histogram.reduced(toSchema: histogram.schema - 1)
    }
    return histogram
  }

  /// What a counter of this kind shows before anything was counted.
  var zero: DeltaValue {
    switch self {
    case .number: .number(0)
    case .histogram(let histogram):
      .histogram(
        NativeHistogram(schema: histogram.schema, zeroThreshold: histogram.zeroThreshold, count: 0, sum: 0))
    }
  }

  /// What keeping it costs, in entries of about 64 bytes.
  var weight: Int {
    switch self {
    case .number: 1
    case .histogram(let histogram): 4 + (histogram.positiveBuckets.count + histogram.negativeBuckets.count) / 8
    }
  }
}

extension SeriesBatchBuilder {
  /// Appends a total to the series that was begun; the time is in ms since 1970.
  mutating func append(timestamp: Int64, _ value: DeltaValue) {
    switch value {
    case .number(let number): append(timestamp: timestamp, valueBits: number.bitPattern)
    case .histogram(let histogram): append(timestamp: timestamp, histogram: histogram)
    }
  }
}
