import NeedletailBlocks
import NeedletailTelemetry

/// What a part knows of one of its series, but for the labels.
struct PartSeriesRecord: Equatable, Sendable {
  var id: SeriesID
  /// Of samples and histograms, in ms; `minTime > maxTime` where there are only exemplars.
  var minTime = Int64.max
  var maxTime = Int64.min
  /// When its count began, in ms; 0: not told.
  var startTimestamp: Int64
  /// Where its first run of samples lies among the bytes of all runs; the following ones follow it.
  var samples: UInt64 = 0
  var sampleRuns: UInt32 = 0
  /// The same of its histograms.
  var histograms: UInt64 = 0
  var histogramRuns: UInt32 = 0
  /// The number of the first summary of its runs; the following ones follow it.
  var summaries: UInt64 = 0
  var summaryCount: UInt32 = 0

  /// Whether some of its runs, which are about equally long, may be no longer than a time in ms.
  func mayHaveRuns(within longest: Int64) -> Bool {
    let (span, overflow) = maxTime.subtractingReportingOverflow(minTime)
    return !overflow && span / Int64(max(1, sampleRuns)) / 2 <= longest
  }
}

/// The records of 1,024 neighbouring series of a part: identities as they are, all else in columns.
struct SeriesBlock: Sendable {
  static let seriesMax = 1024
  private static let columnCount = 9

  let count: Int
  private let ids: [Hash128]
  /// The columns one behind the other.
  private let columns: [Int64]

  var byteCount: Int { count * (16 + Self.columnCount * 8) }

  static func encode(_ records: [PartSeriesRecord]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(records.count * 24)
    for record in records {
      bytes.appendInteger(record.id.hash.low)
      bytes.appendInteger(record.id.hash.high)
    }
    for column in 0..<columnCount {
      let values = records.map { $0.number(column) }
      values.withUnsafeBufferPointer { IntegerColumn.encode($0, to: &bytes) }
    }
    return bytes
  }

  init(decoding bytes: UnsafeRawBufferPointer, count: Int) throws(MalformedBytes) {
    self.count = count
    var reader = ByteReader(bytes)
    // The bytes of the identities bound what is allocated.
    guard count <= bytes.count / 16 else { throw .truncated }
    var ids: [Hash128] = []
    ids.reserveCapacity(count)
    let words = try reader.read(count: count * 16)
    for index in 0..<count {
      let low = words.loadUnaligned(fromByteOffset: index * 16, as: UInt64.self)
      let high = words.loadUnaligned(fromByteOffset: index * 16 + 8, as: UInt64.self)
      ids.append(Hash128(high: UInt64(littleEndian: high), low: UInt64(littleEndian: low)))
    }
    var columns: [Int64] = []
    columns.reserveCapacity(count * Self.columnCount)
    for _ in 0..<Self.columnCount { columns += try IntegerColumn.decode(&reader, count: count) }
    try reader.expectEnd()
    self.ids = ids
    self.columns = columns
  }

  @inline(__always) func id(_ index: Int) -> SeriesID { SeriesID(ids[index]) }

  /// Whether a series may have a sample within the range, in ms.
  @inline(__always) func mayHave(_ index: Int, from start: Int64, to end: Int64) -> Bool {
    columns[index] <= end && columns[count + index] >= start
  }

  func record(_ index: Int) -> PartSeriesRecord {
    func column(_ number: Int) -> Int64 { columns[number * count + index] }
    return PartSeriesRecord(
      id: id(index), minTime: column(0), maxTime: column(1), startTimestamp: column(2),
      samples: UInt64(bitPattern: column(3)), sampleRuns: UInt32(truncatingIfNeeded: column(4)),
      histograms: UInt64(bitPattern: column(5)), histogramRuns: UInt32(truncatingIfNeeded: column(6)),
      summaries: UInt64(bitPattern: column(7)), summaryCount: UInt32(truncatingIfNeeded: column(8)))
  }
}

extension PartSeriesRecord {
  fileprivate func number(_ column: Int) -> Int64 {
    switch column {
    case 0: minTime
    case 1: maxTime
    case 2: startTimestamp
    case 3: Int64(bitPattern: samples)
    case 4: Int64(sampleRuns)
    case 5: Int64(bitPattern: histograms)
    case 6: Int64(histogramRuns)
    case 7: Int64(bitPattern: summaries)
    default: Int64(summaryCount)
    }
  }
}
