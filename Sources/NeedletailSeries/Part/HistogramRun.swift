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

  /// Appends a run; `starts` are what `RunStarts` makes.
  static func encode(
    _ histograms: ArraySlice<StoredHistogram>, starts told: [UInt8] = [], scratch: inout [UInt8],
    to bytes: inout [UInt8]
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
    scratch.withUnsafeBytes { append($0, starts: told, to: &bytes) }
  }

  /// Appends a run that is a column already.
  static func append(_ column: UnsafeRawBufferPointer, starts: [UInt8], to bytes: inout [UInt8]) {
    bytes.appendVarint(UInt64(column.count) << 1 | (starts.isEmpty ? 0 : 1))
    bytes.append(contentsOf: column)
    guard !starts.isEmpty else { return }
    bytes.appendVarint(UInt64(starts.count))
    bytes.append(contentsOf: starts)
  }

  /// The form of a part's runs.
  enum Form: Sendable {
    /// Format 4.
    case list
    /// Format 5.
    case column
    /// A column, and behind it starts where there are some.
    case started

    init(_ part: SeriesPart) { self = part.hasRunStarts ? .started : part.hasHistogramLists ? .list : .column }
  }

  /// Reads a run that is no list: its column, and what there is of starts.
  static func columns(
    _ reader: inout ByteReader, _ form: Form
  ) throws(MalformedBytes) -> (column: UnsafeRawBufferPointer, starts: UnsafeRawBufferPointer) {
    guard form == .started else { return (try reader.readPrefixed(), UnsafeRawBufferPointer(start: nil, count: 0)) }
    let head = try reader.readVarint()
    guard let length = Int(exactly: head >> 1) else { throw .truncated }
    let column = try reader.read(count: length)
    guard head & 1 == 1 else { return (column, UnsafeRawBufferPointer(start: nil, count: 0)) }
    let starts = try reader.readPrefixed()
    guard !starts.isEmpty else { throw .invalid("no starts") }
    return (column, starts)
  }

  private static func times(_ column: UnsafeRawBufferPointer) throws(MalformedBytes) -> [Int64] {
    if let times = try HistogramColumn.times(column) { return times }
    var all: [StoredHistogram] = []
    try StoredHistogram.decode(column, from: .min, to: .max, into: &all)
    return all.map(\.timestamp)
  }

  /// Appends the histograms of a run whose times are within the range, in ms, and where that is wanted the one before the
  /// first of them; the reader stands behind the run then.
  ///
  /// `common` is when their counts began where the run says nothing of it. Where it throws, some may have been appended.
  static func decode<Histogram: HistogramAtTime>(
    _ reader: inout ByteReader, _ form: Form, common: Int64, from start: Int64, to end: Int64,
    withOneBefore: Bool = false, into histograms: inout [Histogram]
  ) throws(MalformedBytes) {
    let first = histograms.count
    guard form == .list else {
      let (column, told) = try columns(&reader, form)
      var start = start
      var starts: StartMarks?
      var times: [Int64] = []
      if withOneBefore || !told.isEmpty {
        times = try Self.times(column)
        let next = times.firstIndex(notBefore: start)
        if withOneBefore, next > 0, next < times.count, times[next] <= end { start = times[next - 1] }
      }
      if !told.isEmpty { starts = try RunStarts.decode(told, count: times.count) }
      try Histogram.decode(column, from: start, to: end, into: &histograms)
      for index in first..<histograms.count {
        let time = histograms[index].timestamp
        let isOld = form != .started && common >= time
        histograms[index].start = starts.map { $0.start(of: times.firstIndex(notBefore: time)) } ?? (isOld ? 0 : common)
      }
      return
    }
    defer {
      for index in first..<histograms.count where common < histograms[index].timestamp {
        histograms[index].start = common
      }
    }
    try HistogramList.forEach(&reader) { (time, bytes) throws(MalformedBytes) in
      let histogram = try Histogram(timestamp: time, bytes: bytes)
      if time >= start, time <= end { histograms.append(histogram) }
    }
  }
}
