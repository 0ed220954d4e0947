import NeedletailOTLP
import NeedletailTelemetry

/// Reads the Histogram message of remote write: integer ones, whose buckets are differences from bucket to bucket,
/// and float ones.
enum RemoteWriteHistogram {
  enum Outcome {
    case valid(NativeHistogram, timestamp: Int64)
    case invalid(String)
  }

  private struct Side {
    var spans: [NativeHistogram.BucketSpan] = []
    var counts: [Double] = []
    var running: Int64 = 0
    var problem: String?

    mutating func add(span bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
      var span = (offset: Int64(0), length: UInt64(0))
      var reader = ProtobufReader(bytes)
      while let tag = try reader.nextTag() {
        switch tag {
        case 1 << 3: span.offset = try reader.readZigzag()
        case 2 << 3: span.length = try reader.readVarint()
        default: try reader.skip(tag)
        }
      }
      guard let offset = Int32(exactly: span.offset), let length = UInt32(exactly: span.length),
        spans.count < NativeHistogram.bucketCountMax, length <= UInt32(NativeHistogram.bucketCountMax),
        spans.isEmpty || offset >= 0
      else {
        problem = "a histogram's bucket span is out of range"
        return
      }
      spans.append(NativeHistogram.BucketSpan(offset: offset, length: length))
    }

    mutating func add(count: Double) {
      guard counts.count < NativeHistogram.bucketCountMax else {
        problem = "a histogram has more than \(NativeHistogram.bucketCountMax) buckets"
        return
      }
      if count < 0 { problem = "a histogram's bucket count is negative" }
      counts.append(count)
    }

    mutating func add(delta raw: UInt64) {
      let delta = Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
      let (sum, overflow) = running.addingReportingOverflow(delta)
      if overflow { problem = "a histogram's bucket count is out of range" }
      running = sum
      add(count: Double(sum))
    }

    /// The reason why spans and buckets do not fit each other.
    var finding: String? {
      if let problem { return problem }
      let total = spans.reduce(UInt64(0)) { $0 + UInt64($1.length) }
      return total == UInt64(counts.count) ? nil : "a histogram's spans and buckets disagree"
    }
  }

  static func decode(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> Outcome {
    var histogram = NativeHistogram(schema: 0, count: 0, sum: 0)
    var schema: Int64 = 0
    var time: Int64 = 0
    var (positive, negative) = (Side(), Side())
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3: histogram.count = Double(try reader.readVarint())
      case 2 << 3 | 1: histogram.count = Double(bitPattern: try reader.readFixed64())
      case 3 << 3 | 1: histogram.sum = Double(bitPattern: try reader.readFixed64())
      case 4 << 3: schema = try reader.readZigzag()
      case 5 << 3 | 1: histogram.zeroThreshold = Double(bitPattern: try reader.readFixed64())
      case 6 << 3: histogram.zeroCount = Double(try reader.readVarint())
      case 7 << 3 | 1: histogram.zeroCount = Double(bitPattern: try reader.readFixed64())
      case 8 << 3 | 2: try negative.add(span: try reader.readBytes())
      case 11 << 3 | 2: try positive.add(span: try reader.readBytes())
      case 14 << 3: histogram.resetHint = resetHint(try reader.readVarint())
      case 15 << 3: time = Int64(bitPattern: try reader.readVarint())
      default: try reader.skip(tag)
      }
    }
    try readCounts(bytes, deltaField: 9, countField: 10, into: &negative)
    try readCounts(bytes, deltaField: 12, countField: 13, into: &positive)
    var bounds = ProtobufWordCursor(bytes, field: 16)
    while let word = try bounds.next() {
      guard histogram.customBounds.count < NativeHistogram.bucketCountMax else {
        return .invalid("a histogram has too many custom bounds")
      }
      histogram.customBounds.append(Double(bitPattern: word))
    }
    guard let narrow = Int8(exactly: schema), (-4...8).contains(narrow) || narrow == NativeHistogram.customBucketsSchema
    else { return .invalid("histogram schema \(schema) is not known") }
    if let finding = positive.finding ?? negative.finding { return .invalid(finding) }
    histogram.schema = narrow
    (histogram.positiveSpans, histogram.positiveBuckets) = (positive.spans, positive.counts)
    (histogram.negativeSpans, histogram.negativeBuckets) = (negative.spans, negative.counts)
    return .valid(histogram, timestamp: time)
  }

  private static func readCounts(
    _ bytes: UnsafeRawBufferPointer, deltaField: UInt64, countField: UInt64, into side: inout Side
  ) throws(ProtobufError) {
    var deltas = ProtobufVarintCursor(bytes, field: deltaField)
    while let raw = try deltas.next() { side.add(delta: raw) }
    var counts = ProtobufWordCursor(bytes, field: countField)
    while let word = try counts.next() { side.add(count: Double(bitPattern: word)) }
  }

  private static func resetHint(_ number: UInt64) -> NativeHistogram.ResetHint {
    NativeHistogram.ResetHint(rawValue: UInt8(clamping: number)) ?? .unknown
  }
}
