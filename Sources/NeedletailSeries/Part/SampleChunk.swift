import NeedletailBlocks
import NeedletailTelemetry

/// The bytes of one run of a series' float samples: a column of timestamps, then a column of values, each after its
/// length.
///
/// Lossless to the bit: the columns are those of the blocks' room.
enum SampleChunk {
  static let countMax = 16_384

  /// Appends the samples of `range`, at most `countMax`, which are sorted by time.
  static func encode(_ columns: SampleColumns, _ range: Range<Int>, to writer: inout ByteWriter) {
    var column: [UInt8] = []
    column.reserveCapacity(range.count * 4 + 16)
    columns.timestamps.withUnsafeBufferPointer { times in
      TimestampColumn.encode(UnsafeBufferPointer(rebasing: times[range]), to: &column)
    }
    column.withUnsafeBytes { writer.appendPrefixed($0) }
    column.removeAll(keepingCapacity: true)
    columns.values.withUnsafeBufferPointer { bits in
      bits.withMemoryRebound(to: Double.self) { values in
        DoubleColumn.encode(UnsafeBufferPointer(rebasing: values[range]), to: &column)
      }
    }
    column.withUnsafeBytes { writer.appendPrefixed($0) }
  }

  /// Reads one run and appends what lies within the range, in ms.
  static func decode(
    _ reader: inout ByteReader, from start: Int64, to end: Int64, into columns: inout SampleColumns
  ) throws(MalformedBytes) {
    var times: [Int64] = []
    var values: [Double] = []
    var timeReader = ByteReader(try reader.readPrefixed())
    var valueReader = ByteReader(try reader.readPrefixed())
    try TimestampColumn.decode(&timeReader, countMax: countMax, to: &times)
    try DoubleColumn.decode(&valueReader, countMax: countMax, to: &values)
    guard times.count == values.count, times.count <= countMax else {
      throw .invalid("timestamps and values of a run disagree")
    }
    try timeReader.expectEnd()
    try valueReader.expectEnd()
    if let first = times.first, let last = times.last, first >= start, last <= end, isAscending(times) {
      columns.timestamps.append(contentsOf: times)
      values.withUnsafeBufferPointer { doubles in
        doubles.withMemoryRebound(to: UInt64.self) { columns.values.append(contentsOf: $0) }
      }
      return
    }
    for (time, value) in zip(times, values) where time >= start && time <= end {
      columns.append(time, value.bitPattern)
    }
  }

  private static func isAscending(_ times: [Int64]) -> Bool {
    for index in 1..<max(1, times.count) where times[index - 1] >= times[index] { return false }
    return true
  }
}

/// The bytes of one run of a series' histograms: a count, then for each its time and `NativeHistogram`'s byte form.
enum HistogramChunk {
  static func encode(_ histograms: ArraySlice<StoredHistogram>, to writer: inout ByteWriter) {
    writer.appendVarint(UInt64(histograms.count))
    var previous: Int64 = 0
    for histogram in histograms {
      writer.appendSignedVarint(histogram.timestamp &- previous)
      histogram.bytes.withUnsafeBytes { writer.appendPrefixed($0) }
      previous = histogram.timestamp
    }
  }

  static func decode(
    _ reader: inout ByteReader, from start: Int64, to end: Int64, into histograms: inout [StoredHistogram]
  ) throws(MalformedBytes) {
    var previous: Int64 = 0
    for _ in 0..<(try reader.readVarint()) {
      let time = previous &+ (try reader.readSignedVarint())
      let bytes = try reader.readPrefixed()
      // Checked here, where damage can still be told, so that later decoding cannot fail.
      var check = ByteReader(bytes)
      _ = try NativeHistogram(decoding: &check)
      if time >= start, time <= end { histograms.append(StoredHistogram(timestamp: time, bytes: Array(bytes))) }
      previous = time
    }
  }
}
