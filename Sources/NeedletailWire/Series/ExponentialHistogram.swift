import NeedletailOTLP
import NeedletailTelemetry

/// Turns OpenTelemetry's exponential histograms into native ones.
///
/// Both have buckets that grow by 2^(2^-scale); OpenTelemetry's bucket i ends where Prometheus' bucket i+1 does.
/// Scales above 8 are brought down by merging buckets, which is exact.
///
/// A bucket that no number can lie in is refused with its point, not folded into the outermost one: whoever sends it is
/// mistaken about its scale or offset, and folding would show observations that nobody made.
enum ExponentialHistogram {
  private static let schemaMax: Int64 = 8
  private static let schemaMin: Int64 = -4
  /// More empty buckets than this between two full ones begin a new span.
  private static let gapMax: Int64 = 2

  enum Outcome {
    case valid(NativeHistogram)
    case invalid(String)
  }

  static func convert(_ point: OTLPExponentialPoint) throws(ProtobufError) -> Outcome {
    guard point.scale >= schemaMin else { return .invalid("histogram scale \(point.scale) is below \(schemaMin)") }
    guard point.scale <= schemaMax + 31 else { return .invalid("histogram scale \(point.scale) is out of range") }
    guard point.zeroThreshold >= 0, point.zeroThreshold < .infinity else {
      return .invalid("histogram zero threshold \(point.zeroThreshold) is not a finite number from zero up")
    }
    let shift = max(0, point.scale - schemaMax)
    let sum = point.sum ?? 0
    var histogram = NativeHistogram(
      schema: Int8(truncatingIfNeeded: point.scale - shift), zeroThreshold: point.zeroThreshold,
      zeroCount: Double(point.zeroCount), count: Double(point.count),
      // The stale marker is a NaN, and only the flag means it.
      sum: sum.isNaN ? .nan : sum)
    if point.common.hasNoRecordedValue {
      histogram.sum = StaleMarker.value
      return .valid(histogram)
    }
    let indexes = indexes(scale: point.scale - shift)
    guard let positive = try side(point.positive, shift: shift, within: indexes),
      let negative = try side(point.negative, shift: shift, within: indexes)
    else {
      return .invalid(
        "histogram buckets lie where no number can, or are more than \(NativeHistogram.bucketCountMax)")
    }
    (histogram.positiveSpans, histogram.positiveBuckets) = positive
    (histogram.negativeSpans, histogram.negativeBuckets) = negative
    return .valid(histogram)
  }

  /// The buckets, in Prometheus' numbering, that a number can lie in: from that which ends at the smallest one above
  /// zero, 2^-1074, to that which ends at 2^1024, and one more, where Prometheus' clients keep infinity.
  private static func indexes(scale: Int64) -> ClosedRange<Int64> {
    scale < 0 ? -(1074 >> -scale)...(1024 >> -scale) + 1 : -(1074 << scale)...(1024 << scale) + 1
  }

  /// The spans and counts of one side; nil where they are too many, or one is not within `indexes`.
  private static func side(
    _ buckets: OTLPExponentialPoint.Buckets, shift: Int64, within indexes: ClosedRange<Int64>
  ) throws(ProtobufError) -> ([NativeHistogram.BucketSpan], [Double])? {
    guard var index = Int32(exactly: buckets.offset).map({ Int64($0) }) else { return nil }
    var spans: [NativeHistogram.BucketSpan] = []
    var counts: [Double] = []
    // The bucket that the last count of `counts` belongs to, in Prometheus' numbering.
    var last: Int64 = -1
    var cursor = buckets.counts
    while let count = try cursor.next() {
      let target = (index >> shift) + 1
      index += 1
      guard count > 0 else { continue }
      guard indexes.contains(target) else { return nil }
      if !counts.isEmpty, target == last {
        counts[counts.count - 1] += Double(count)
        continue
      }
      let gap = target - last - 1
      if !counts.isEmpty, gap <= gapMax {
        for _ in 0..<gap { counts.append(0) }
        spans[spans.count - 1].length += UInt32(truncatingIfNeeded: gap) + 1
      } else {
        guard let offset = Int32(exactly: spans.isEmpty ? target : gap) else { return nil }
        spans.append(NativeHistogram.BucketSpan(offset: offset, length: 1))
      }
      counts.append(Double(count))
      last = target
      guard counts.count <= NativeHistogram.bucketCountMax else { return nil }
    }
    return (spans, counts)
  }
}
