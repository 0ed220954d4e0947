import NeedletailBlocks
import NeedletailTelemetry

/// The bytes of one run of a series' float samples: the number of its timestamp column, its column of values, and when their
/// counts began where that is not what the series' record tells.
///
/// Lossless to the bit: the columns are those of the blocks' room.
enum SampleRun {
  /// Samples of a run, at most.
  ///
  /// Of 4,000 series of a day, runs of 1,024, 2,048 and 8,192 took 1.126, 1.108 and 1.109 bytes a sample, summaries
  /// included (Benchmarks/RESULTS.md): shorter ones cost size, longer ones make a query for an hour decode more.
  static let countMax = 2048
  /// Samples that a merge leaves in a run of their own: joining longer ones would cost more than it saves.
  static let countMin = countMax / 2

  /// How many runs `count` samples make, which are as even as possible: series of one scrape then share timestamps.
  static func runs(_ count: Int) -> Int { (count + countMax - 1) / countMax }

  /// Appends a run of values; `starts` are what `RunStarts` makes.
  static func encode(
    _ values: UnsafeBufferPointer<Double>, times: UInt32, starts: [UInt8] = [], scratch: inout [UInt8],
    to bytes: inout [UInt8]
  ) {
    scratch.removeAll(keepingCapacity: true)
    DoubleColumn.encode(values, to: &scratch)
    scratch.withUnsafeBytes { append($0, times: times, starts: starts, to: &bytes) }
  }

  /// Appends a run whose values are encoded already.
  static func append(
    _ values: UnsafeRawBufferPointer, times: UInt32, starts: [UInt8], to bytes: inout [UInt8]
  ) {
    bytes.appendVarint(UInt64(times) << 1 | (starts.isEmpty ? 0 : 1))
    bytes.appendVarint(UInt64(values.count))
    bytes.append(contentsOf: values)
    guard !starts.isEmpty else { return }
    bytes.appendVarint(UInt64(starts.count))
    bytes.append(contentsOf: starts)
  }

  /// Where the parts of a run lie.
  struct Header: Sendable {
    var times: UInt32
    /// In the bytes that the reader reads from.
    var values: Range<Int>
    /// The same of what there is of starts; nothing where they are what the series' record tells.
    var starts = 0..<0
  }

  /// Reads a run's head and passes over what it has.
  ///
  /// `mayHaveStarts` is false in parts before format 6.
  static func header(_ reader: inout ByteReader, mayHaveStarts: Bool) throws(MalformedBytes) -> Header {
    let number = try reader.readVarint()
    guard let times = UInt32(exactly: mayHaveStarts ? number >> 1 : number) else {
      throw .invalid("no number of timestamps")
    }
    let values = try reader.readPrefixed()
    var header = Header(times: times, values: (reader.offset - values.count)..<reader.offset)
    guard mayHaveStarts, number & 1 == 1 else { return header }
    let starts = try reader.readPrefixed()
    header.starts = (reader.offset - starts.count)..<reader.offset
    guard !starts.isEmpty else { throw .invalid("no starts") }
    return header
  }

  /// Appends the values of a run, of which there have to be `count`.
  static func decode(
    _ bytes: UnsafeRawBufferPointer, count: Int, into values: inout [Double]
  ) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    let before = values.count
    try DoubleColumn.decode(&reader, countMax: countMax, to: &values)
    guard values.count - before == count else { throw .invalid("timestamps and values of a run disagree") }
    try reader.expectEnd()
  }
}
