/// A sparse histogram with exponential (or custom) buckets, as Prometheus and OpenTelemetry know it.
///
/// Bucket counts are absolute numbers per bucket, not cumulative and not deltas. Integer histograms are carried as whole
/// doubles, exact up to 2^53.
package struct NativeHistogram: Hashable, Sendable {
  /// A run of buckets: `offset` from the end of the previous run (from index 0 for the first), `length` buckets long.
  package struct BucketSpan: Hashable, Sendable {
    package var offset: Int32
    package var length: UInt32

    package init(offset: Int32, length: UInt32) {
      self.offset = offset
      self.length = length
    }
  }

  package enum ResetHint: UInt8, Sendable {
    case unknown = 0
    case reset = 1
    case notReset = 2
    case gauge = 3
  }

  /// The schema of a histogram with custom bucket boundaries.
  package static let customBucketsSchema: Int8 = -53
  package static let bucketCountMax = 16_384

  /// Bucket boundaries grow by 2^(2^-schema); -4...8, or `customBucketsSchema`.
  package var schema: Int8
  package var zeroThreshold: Double
  package var zeroCount: Double
  package var count: Double
  package var sum: Double
  package var resetHint: ResetHint
  package var positiveSpans: [BucketSpan]
  package var positiveBuckets: [Double]
  package var negativeSpans: [BucketSpan]
  package var negativeBuckets: [Double]
  /// Upper bounds of custom buckets; empty for exponential ones.
  package var customBounds: [Double]

  package init(
    schema: Int8, zeroThreshold: Double = 0, zeroCount: Double = 0, count: Double, sum: Double,
    resetHint: ResetHint = .unknown, positiveSpans: [BucketSpan] = [], positiveBuckets: [Double] = [],
    negativeSpans: [BucketSpan] = [], negativeBuckets: [Double] = [], customBounds: [Double] = []
  ) {
    self.schema = schema
    self.zeroThreshold = zeroThreshold
    self.zeroCount = zeroCount
    self.count = count
    self.sum = sum
    self.resetHint = resetHint
    self.positiveSpans = positiveSpans
    self.positiveBuckets = positiveBuckets
    self.negativeSpans = negativeSpans
    self.negativeBuckets = negativeBuckets
    self.customBounds = customBounds
  }

  /// Whether a histogram may have this schema.
  package static func isKnown(schema: Int8) -> Bool { (-4...8).contains(schema) || schema == customBucketsSchema }

  /// Whether this is the marker that the series ended.
  package var isStale: Bool { StaleMarker.matches(sum) }
}

extension NativeHistogram {
  private static let formatVersion: UInt8 = 1

  /// Appends the byte form that batches, the log and parts carry (docs/formats/batch.md).
  package func encode(to writer: inout ByteWriter) {
    writer.append(Self.formatVersion)
    writer.append(schema)
    writer.append(resetHint.rawValue)
    for value in [zeroThreshold, zeroCount, count, sum] { writer.append(value.bitPattern) }
    for (spans, buckets) in [(positiveSpans, positiveBuckets), (negativeSpans, negativeBuckets)] {
      writer.appendVarint(UInt64(spans.count))
      for span in spans {
        writer.appendSignedVarint(Int64(span.offset))
        writer.appendVarint(UInt64(span.length))
      }
      Self.encode(buckets, to: &writer)
    }
    Self.encode(customBounds, to: &writer)
  }

  /// How many bytes `encode` appends; other bytes that mean the same are more.
  package var byteCount: Int {
    func varint(_ value: UInt64) -> Int { (63 - (value | 1).leadingZeroBitCount) / 7 + 1 }
    var count = 3 + 4 * 8
    for spans in [positiveSpans, negativeSpans] {
      count += varint(UInt64(spans.count))
      for span in spans { count += varint(ZigZag.encode(Int64(span.offset))) + varint(UInt64(span.length)) }
    }
    for values in [positiveBuckets, negativeBuckets, customBounds] {
      count += varint(UInt64(values.count)) + values.count * 8
    }
    return count
  }

  private static func encode(_ values: [Double], to writer: inout ByteWriter) {
    writer.appendVarint(UInt64(values.count))
    for value in values { writer.append(value.bitPattern) }
  }

  /// Reads the byte form; the sums of span lengths and the numbers of buckets must agree.
  package init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    guard try reader.read(UInt8.self) == Self.formatVersion else { throw .invalid("unknown histogram version") }
    let schema = try reader.read(Int8.self)
    guard Self.isKnown(schema: schema) else { throw .invalid("unknown histogram schema") }
    guard let resetHint = ResetHint(rawValue: try reader.read(UInt8.self)) else {
      throw .invalid("unknown counter reset hint")
    }
    let zeroThreshold = Double(bitPattern: try reader.read(UInt64.self))
    let zeroCount = Double(bitPattern: try reader.read(UInt64.self))
    let count = Double(bitPattern: try reader.read(UInt64.self))
    let sum = Double(bitPattern: try reader.read(UInt64.self))
    let (positiveSpans, positiveBuckets) = try Self.decodeSide(&reader)
    let (negativeSpans, negativeBuckets) = try Self.decodeSide(&reader)
    self.init(
      schema: schema, zeroThreshold: zeroThreshold, zeroCount: zeroCount, count: count, sum: sum,
      resetHint: resetHint, positiveSpans: positiveSpans, positiveBuckets: positiveBuckets,
      negativeSpans: negativeSpans, negativeBuckets: negativeBuckets, customBounds: try Self.decodeValues(&reader))
  }

  private static func decodeSide(_ reader: inout ByteReader) throws(MalformedBytes) -> ([BucketSpan], [Double]) {
    let spanCount = try reader.readVarint()
    guard spanCount <= UInt64(bucketCountMax) else { throw .invalid("too many bucket spans") }
    var spans: [BucketSpan] = []
    var total: UInt64 = 0
    for _ in 0..<spanCount {
      guard let offset = Int32(exactly: try reader.readSignedVarint()),
        let length = UInt32(exactly: try reader.readVarint()), length <= UInt32(bucketCountMax)
      else { throw .invalid("a bucket span is out of range") }
      spans.append(BucketSpan(offset: offset, length: length))
      total += UInt64(length)
    }
    let buckets = try decodeValues(&reader)
    guard UInt64(buckets.count) == total else { throw .invalid("bucket spans and buckets disagree") }
    return (spans, buckets)
  }

  private static func decodeValues(_ reader: inout ByteReader) throws(MalformedBytes) -> [Double] {
    guard let count = Int(exactly: try reader.readVarint()), count <= bucketCountMax, count <= reader.remaining / 8
    else { throw .truncated }
    var values: [Double] = []
    values.reserveCapacity(count)
    for _ in 0..<count { values.append(Double(bitPattern: try reader.read(UInt64.self))) }
    return values
  }
}
