// Native histograms of one series. What they have in common is written once; of their numbers, each bucket is a column
// over time: a counter, that is, whose steps are small. Steps of all buckets are packed as one sequence, bucket after
// bucket, so that short columns and buckets that hardly move cost no heads of their own.

import NeedletailTelemetry

/// A column of native histograms and their times, lossless to the bit, and to the byte of their byte form.
package enum HistogramColumn {
  enum Form: UInt8 {
    /// As they are.
    case list = 0
    /// Counts are integers within 2^51, as those of all histograms are that count something.
    case integers = 1
    /// Any counts.
    case floats = 2
  }

  /// Bytes of all histograms of a column in the byte form, at most, but for the form that is no shorter: what may be
  /// allocated for few bytes that say much. A single histogram has fewer.
  package static let bytesMax = 1 << 20
  /// The bytes of a histogram without buckets.
  private static let histogramBytesMin = 40
  /// So many histograms have as many bytes.
  static let countMax = bytesMax / histogramBytesMin

  /// Appends the column to `output`: at most 13 bytes a histogram beyond their byte form, and 12.
  ///
  /// O(bytes); where each histogram has a layout of its own, O(histograms^2) beyond that.
  package static func encode(_ rows: HistogramRows, to output: inout [UInt8]) {
    let before = output.count
    if rows.count > 0, rows.bytes.count <= bytesMax, let layouts = HistogramLayouts(of: rows) {
      encode(rows, layouts, to: &output)
      let size = output.count - before
      // A list takes two bytes more for each, or three where histograms are long.
      if size <= rows.bytes.count + 2 * rows.count { return }
      output.removeLast(size)
    }
    output.append(Form.list.rawValue)
    HistogramList.encode(rows, to: &output)
  }

  private static func encode(_ rows: HistogramRows, _ layouts: HistogramLayouts, to output: inout [UInt8]) {
    let form = output.count
    output.append(Form.integers.rawValue)
    TimestampColumn.encode(rows.times, to: &output)
    layouts.encode(to: &output)
    HistogramHints.encode(rows, to: &output)
    let buckets = HistogramBuckets(layouts)
    HistogramNumbers.encodeSums(rows, to: &output)
    if !HistogramNumbers.encodeIntegers(rows, layouts, buckets, to: &output) {
      output[form] = Form.floats.rawValue
      HistogramNumbers.encodeFloats(rows, layouts, buckets, to: &output)
    }
  }

  // MARK: - Decoding

  /// Calls `body` with time and value of each histogram of the column that `bytes` are whose time is within the range.
  ///
  /// Where it throws, `body` may have been called with some.
  package static func decode(
    _ bytes: UnsafeRawBufferPointer, from start: Int64, to end: Int64, _ body: (Int64, NativeHistogram) -> Void
  ) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    guard let content = try content(&reader, from: start, to: end) else {
      try HistogramList.forEach(&reader) { (time, bytes) throws(MalformedBytes) in
        guard time >= start, time <= end else { return }
        var reader = ByteReader(bytes)
        body(time, try NativeHistogram(decoding: &reader))
      }
      return try reader.expectEnd()
    }
    content.forEach(from: start, to: end) { index, layout, numbers in
      var histogram = content.layouts.all[layout].prototype
      histogram.resetHint = content.hints[index]
      histogram.zeroCount = numbers.zeroCount
      histogram.count = numbers.count
      histogram.sum = numbers.sum
      let positive = histogram.positiveBuckets.count
      histogram.positiveBuckets = numbers.buckets(0..<positive)
      histogram.negativeBuckets = numbers.buckets(positive..<(positive + histogram.negativeBuckets.count))
      body(content.times[index], histogram)
    }
  }

  /// The same with the byte form of each, which is lent and good, or what was encoded.
  package static func decodeBytes(
    _ bytes: UnsafeRawBufferPointer, from start: Int64, to end: Int64,
    _ body: (Int64, UnsafeRawBufferPointer) -> Void
  ) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    guard let content = try content(&reader, from: start, to: end) else {
      try HistogramList.forEach(&reader) { (time, bytes) throws(MalformedBytes) in
        guard time >= start, time <= end else { return }
        var reader = ByteReader(bytes)
        _ = try NativeHistogram(decoding: &reader)
        body(time, bytes)
      }
      return try reader.expectEnd()
    }
    var templates = content.layouts.all.map { $0.template() }
    content.forEach(from: start, to: end) { index, layout, numbers in
      templates[layout].withUnsafeMutableBytes { bytes in
        numbers.write(content.layouts.all[layout], content.hints[index], to: bytes)
        body(content.times[index], UnsafeRawBufferPointer(bytes))
      }
    }
  }

  /// The times of the histograms of a column; nil where it is a list, of which nothing is known.
  package static func times(_ bytes: UnsafeRawBufferPointer) throws(MalformedBytes) -> [Int64]? {
    var reader = ByteReader(bytes)
    return try times(&reader)?.times
  }

  private static func times(
    _ reader: inout ByteReader
  ) throws(MalformedBytes) -> (times: [Int64], isInteger: Bool)? {
    guard let form = Form(rawValue: try reader.read(UInt8.self)) else { throw .invalid("unknown form") }
    guard form != .list else { return nil }
    var times: [Int64] = []
    try TimestampColumn.decode(&reader, countMax: countMax, to: &times)
    return (times, form == .integers)
  }

  /// The numbers, with no histogram where none is within the range; nil where a list follows.
  private static func content(
    _ reader: inout ByteReader, from start: Int64, to end: Int64
  ) throws(MalformedBytes) -> HistogramContent? {
    guard let (times, isInteger) = try times(&reader) else { return nil }
    guard times.contains(where: { $0 >= start && $0 <= end }) else { return HistogramContent() }
    return try HistogramContent(decoding: &reader, times, isInteger: isInteger)
  }
}
