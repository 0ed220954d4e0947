// What of a histogram neighbours mostly have in common. It tells where in the byte form each number stands, so that the
// numbers of a histogram whose layout is known are read and written without looking at anything else.

import NeedletailTelemetry

/// All of a histogram but its numbers and its reset hint: which buckets there are.
struct HistogramLayout {
  private static let spansOffset = 35
  static let hintOffset = 2
  static let zeroThresholdOffset = 3
  static let zeroCountOffset = 11
  static let countOffset = 19
  static let sumOffset = 27
  /// A span takes at least as many bytes, a bound so many.
  private static let spanBytesMin = 2
  private static let numberBytes = 8

  /// A histogram of this layout, whose numbers are all 0.
  let prototype: NativeHistogram
  /// Where the values of positive buckets begin in the byte form.
  let positiveOffset: Int
  /// The same of negative buckets.
  let negativeOffset: Int
  /// Bytes of the byte form.
  let byteCount: Int

  var positiveCount: Int { prototype.positiveBuckets.count }
  var negativeCount: Int { prototype.negativeBuckets.count }
  var bucketCount: Int { positiveCount + negativeCount }
  /// Where what comes behind the values of positive and of negative buckets begins.
  private var positiveEnd: Int { positiveOffset + positiveCount * Self.numberBytes }
  private var negativeEnd: Int { negativeOffset + negativeCount * Self.numberBytes }

  /// Spans whose lengths add up to at most `NativeHistogram.bucketCountMax` on each side, and at most as many bounds.
  private init(
    schema: Int8, zeroThreshold: Double, positive: [NativeHistogram.BucketSpan],
    negative: [NativeHistogram.BucketSpan], bounds: [Double]
  ) {
    func buckets(_ spans: [NativeHistogram.BucketSpan]) -> [Double] {
      [Double](repeating: 0, count: spans.reduce(0) { $0 + Int($1.length) })
    }
    prototype = NativeHistogram(
      schema: schema, zeroThreshold: zeroThreshold, count: 0, sum: 0, positiveSpans: positive,
      positiveBuckets: buckets(positive), negativeSpans: negative, negativeBuckets: buckets(negative),
      customBounds: bounds)
    func head(_ spans: [NativeHistogram.BucketSpan], _ buckets: [Double]) -> Int {
      spans.reduce(Self.varintBytes(UInt64(spans.count)) + Self.varintBytes(UInt64(buckets.count))) {
        $0 + Self.varintBytes(ZigZag.encode(Int64($1.offset))) + Self.varintBytes(UInt64($1.length))
      }
    }
    positiveOffset = Self.spansOffset + head(positive, prototype.positiveBuckets)
    negativeOffset =
      positiveOffset + prototype.positiveBuckets.count * Self.numberBytes + head(negative, prototype.negativeBuckets)
    byteCount =
      negativeOffset + prototype.negativeBuckets.count * Self.numberBytes + Self.varintBytes(UInt64(bounds.count))
      + bounds.count * Self.numberBytes
  }

  private static func varintBytes(_ value: UInt64) -> Int { (63 - (value | 1).leadingZeroBitCount) / 7 + 1 }

  /// The byte form of a histogram of this layout whose numbers are all 0.
  func template() -> [UInt8] {
    var writer = ByteWriter(reserving: byteCount)
    prototype.encode(to: &writer)
    return writer.bytes
  }

  /// Whether a histogram has the layout that `template` is of, and the byte form that `NativeHistogram` writes.
  func isLayout(of bytes: UnsafeRawBufferPointer, template: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count == byteCount, bytes[Self.hintOffset] <= NativeHistogram.ResetHint.gauge.rawValue else {
      return false
    }
    @inline(__always) func isSame(_ start: Int, _ end: Int) -> Bool {
      UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        .hasSameBytes(as: UnsafeRawBufferPointer(rebasing: template[start..<end]))
    }
    return isSame(0, Self.hintOffset) && isSame(Self.zeroThresholdOffset, Self.zeroCountOffset)
      && isSame(Self.spansOffset, positiveOffset) && isSame(positiveEnd, negativeOffset)
      && isSame(negativeEnd, byteCount)
  }

  // MARK: - Bytes

  /// The layout of a histogram in its byte form; nil where that is none.
  init?(of bytes: UnsafeRawBufferPointer) {
    var reader = ByteReader(bytes)
    guard let histogram = try? NativeHistogram(decoding: &reader) else { return nil }
    self.init(
      schema: histogram.schema, zeroThreshold: histogram.zeroThreshold, positive: histogram.positiveSpans,
      negative: histogram.negativeSpans, bounds: histogram.customBounds)
  }

  /// Appends the schema, the zero threshold, the spans of both sides and the bounds.
  func encode(to bytes: inout [UInt8]) {
    bytes.append(UInt8(bitPattern: prototype.schema))
    bytes.appendInteger(prototype.zeroThreshold.bitPattern)
    for spans in [prototype.positiveSpans, prototype.negativeSpans] {
      bytes.appendVarint(UInt64(spans.count))
      for span in spans {
        bytes.appendVarint(ZigZag.encode(Int64(span.offset)))
        bytes.appendVarint(UInt64(span.length))
      }
    }
    bytes.appendVarint(UInt64(prototype.customBounds.count))
    for bound in prototype.customBounds { bytes.appendInteger(bound.bitPattern) }
  }

  /// Reads what `encode` wrote; its buckets and bounds take at most about 400 KiB.
  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    let schema = try reader.read(Int8.self)
    guard NativeHistogram.isKnown(schema: schema) else { throw .invalid("unknown histogram schema") }
    let zeroThreshold = Double(bitPattern: try reader.read(UInt64.self))
    let positive = try Self.spans(&reader)
    let negative = try Self.spans(&reader)
    let boundCount = try reader.readCount(elementBytes: Self.numberBytes)
    guard boundCount <= NativeHistogram.bucketCountMax else { throw .invalid("too many bounds") }
    var bounds: [Double] = []
    bounds.reserveCapacity(boundCount)
    for _ in 0..<boundCount { bounds.append(Double(bitPattern: try reader.read(UInt64.self))) }
    self.init(
      schema: schema, zeroThreshold: zeroThreshold, positive: positive, negative: negative, bounds: bounds)
  }

  private static func spans(
    _ reader: inout ByteReader
  ) throws(MalformedBytes) -> [NativeHistogram.BucketSpan] {
    let count = try reader.readCount(elementBytes: spanBytesMin)
    guard count <= NativeHistogram.bucketCountMax else { throw .invalid("too many bucket spans") }
    var spans: [NativeHistogram.BucketSpan] = []
    spans.reserveCapacity(count)
    var left = UInt32(NativeHistogram.bucketCountMax)
    for _ in 0..<count {
      guard let offset = Int32(exactly: try reader.readSignedVarint()),
        let length = UInt32(exactly: try reader.readVarint()), length <= left
      else { throw .invalid("a bucket span is out of range") }
      left -= length
      spans.append(NativeHistogram.BucketSpan(offset: offset, length: length))
    }
    return spans
  }
}
