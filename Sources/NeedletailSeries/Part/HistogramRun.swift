import NeedletailBlocks
import NeedletailTelemetry

/// The bytes of one run of a series' histograms: a column, or in parts of format 4 a list.
enum HistogramRun {
  /// Histograms of a run, at most: two hours at 15 s, eight at a minute.
  ///
  /// A query for an instant unpacks all of one, 21 us for 51 buckets. Half as long it would take half of that, and of integers
  /// 1 to 8 % more bytes (Benchmarks/RESULTS.md).
  static let countMax = 480

  /// Histograms that a merge leaves in a run of their own: joining longer ones would cost more than it saves.
  static let countMin = countMax / 2

  /// How many of the first histograms make the next run: of evenly long ones, as many as a column may have.
  static func count(_ histograms: ArraySlice<StoredHistogram>) -> Int {
    let runs = (histograms.count + countMax - 1) / countMax
    guard runs > 0 else { return 0 }
    var count = 0
    var bytes = 0
    for histogram in histograms.prefix((histograms.count + runs - 1) / runs) {
      bytes += histogram.bytes.count
      if count > 0, bytes > HistogramColumn.bytesMax { break }
      count += 1
    }
    return count
  }

  /// Appends a run.
  static func encode(
    _ histograms: ArraySlice<StoredHistogram>, scratch: inout [UInt8], to bytes: inout [UInt8]
  ) {
    var all: [UInt8] = []
    all.reserveCapacity(histograms.reduce(0) { $0 + $1.bytes.count })
    var times: [Int64] = []
    var ends: [Int] = []
    for histogram in histograms {
      times.append(histogram.timestamp)
      all += histogram.bytes
      ends.append(all.count)
    }
    scratch.removeAll(keepingCapacity: true)
    times.withUnsafeBufferPointer { times in
      all.withUnsafeBytes { all in
        ends.withUnsafeBufferPointer { ends in
          HistogramColumn.encode(HistogramRows(times: times, bytes: all, ends: ends), to: &scratch)
        }
      }
    }
    bytes.appendVarint(UInt64(scratch.count))
    bytes.append(contentsOf: scratch)
  }

  /// Appends the histograms of a run whose times are within the range, in ms; the reader stands behind the run then.
  ///
  /// Where it throws, some may have been appended.
  static func decode<Histogram: HistogramAtTime>(
    _ reader: inout ByteReader, isList: Bool, from start: Int64, to end: Int64, into histograms: inout [Histogram]
  ) throws(MalformedBytes) {
    guard isList else {
      return try Histogram.decode(try reader.readPrefixed(), from: start, to: end, into: &histograms)
    }
    try HistogramList.forEach(&reader) { (time, bytes) throws(MalformedBytes) in
      let histogram = try Histogram(timestamp: time, bytes: bytes)
      if time >= start, time <= end { histograms.append(histogram) }
    }
  }
}
