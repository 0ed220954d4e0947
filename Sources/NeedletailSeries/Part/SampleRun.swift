import NeedletailBlocks
import NeedletailTelemetry

/// The bytes of one run of a series' float samples: the number of its timestamp column, then its column of values.
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

  /// Appends a run of values.
  static func encode(
    _ values: UnsafeBufferPointer<Double>, times: UInt32, scratch: inout [UInt8], to bytes: inout [UInt8]
  ) {
    scratch.removeAll(keepingCapacity: true)
    DoubleColumn.encode(values, to: &scratch)
    bytes.appendVarint(UInt64(times))
    bytes.appendVarint(UInt64(scratch.count))
    bytes.append(contentsOf: scratch)
  }

  /// Where the parts of a run lie.
  struct Header: Sendable {
    var times: UInt32
    /// In the bytes that the reader reads from.
    var values: Range<Int>
  }

  /// Reads a run's head and passes over its values.
  static func header(_ reader: inout ByteReader) throws(MalformedBytes) -> Header {
    guard let times = UInt32(exactly: try reader.readVarint()) else { throw .invalid("no number of timestamps") }
    let values = try reader.readPrefixed()
    return Header(times: times, values: (reader.offset - values.count)..<reader.offset)
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
