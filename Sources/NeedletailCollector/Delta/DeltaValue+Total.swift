import NeedletailTelemetry
import NeedletailWire

extension DeltaValue {
  /// Buckets that a total keeps: twice what SDKs send at most; a sum over ever wider ranges grows coarser instead.
  static let bucketsMax = 320
  private static let schemaMin: Int8 = -4

  /// The total after one more change; nil where it has too many buckets at the coarsest resolution, too.
  ///
  /// A series whose sender turns to another kind of value, or to buckets that cannot be added to those before, begins
  /// anew, as after a counter reset.
  func adding(_ change: DeltaValue) -> (total: DeltaValue, beginsAnew: Bool)? {
    switch (self, change) {
    case (.number(let total), .number(let number)): return (Self.total(total + number), false)
    case (.histogram(let total), .histogram(let histogram)):
      let sum = total.adding(histogram)?.histogram
      return Self.total(sum ?? histogram).map { ($0, sum == nil) }
    case (.number, .histogram(let histogram)): return Self.total(histogram).map { ($0, true) }
    case (.histogram, .number(let number)): return (Self.total(number), true)
    }
  }

  /// The same value no finer than a total may be; nil where it is no finer anyway.
  var coarsened: DeltaValue? {
    guard case .histogram(let histogram) = self, histogram.bucketCount > Self.bucketsMax else { return nil }
    return .histogram(Self.coarsened(histogram))
  }

  private static func coarsened(_ histogram: NativeHistogram) -> NativeHistogram {
    var histogram = histogram
    while histogram.bucketCount > bucketsMax, histogram.schema > schemaMin {
      histogram = histogram.reduced(toSchema: histogram.schema - 1)
    }
    return histogram
  }

  // No total ends a series, even if a change has the bits of the stale marker: any NaN becomes the plain one.

  private static func total(_ number: Double) -> DeltaValue { .number(number.isNaN ? .nan : number) }

  private static func total(_ histogram: NativeHistogram) -> DeltaValue? {
    var total = coarsened(histogram)
    guard total.bucketCount <= bucketsMax else { return nil }
    if total.sum.isNaN { total.sum = .nan }
    return .histogram(total)
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
    case .histogram(let histogram): 4 + (histogram.bucketCount + histogram.spanCount) / 8
    }
  }

  /// About what a sample of it takes in a batch, in bytes; at least what it does.
  var byteCount: Int {
    switch self {
    case .number: 16
    case .histogram(let histogram): 72 + (histogram.bucketCount + histogram.spanCount) * 8
    }
  }
}

extension NativeHistogram {
  /// Buckets of both sides, and bounds of custom ones.
  fileprivate var bucketCount: Int { positiveBuckets.count + negativeBuckets.count + customBounds.count }
  fileprivate var spanCount: Int { positiveSpans.count + negativeSpans.count }
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
