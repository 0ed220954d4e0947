import NeedletailTelemetry

/// The bytes of one run of a series' float samples: a count, a column of timestamps, a column of values. Lossless to the bit.
///
/// Timestamps are varints of the delta of the delta, which a regular scrape makes zeros. Values are one constant, or integers by
/// delta of delta, or the exclusive-or with the value before with its bytes reversed, whichever fits first; zstd over many
/// neighbouring runs does the rest.
enum SampleChunk {
  static let countMax = 16_384

  private enum ValueCodec: UInt8 {
    case constant = 1
    case integer = 2
    case exclusiveOr = 3
  }

  /// Appends the samples of `range`, at most `countMax`, which are sorted by time.
  static func encode(_ columns: SampleColumns, _ range: Range<Int>, to writer: inout ByteWriter) {
    writer.appendVarint(UInt64(range.count))
    var column = ByteWriter(reserving: range.count * 2 + 16)
    encode(columns.timestamps[range], to: &column)
    column.bytes.withUnsafeBytes { writer.appendPrefixed($0) }
    column.removeAll()
    encode(columns.values[range], to: &column)
    column.bytes.withUnsafeBytes { writer.appendPrefixed($0) }
  }

  /// Differences wrap around, so that any two 64-bit numbers have one.
  private static func encode(_ times: ArraySlice<Int64>, to writer: inout ByteWriter) {
    var previous: Int64 = 0
    var step: Int64 = 0
    for time in times {
      let delta = time &- previous
      writer.appendSignedVarint(delta &- step)
      (previous, step) = (time, delta)
    }
  }

  private static func encode(_ values: ArraySlice<UInt64>, to writer: inout ByteWriter) {
    guard let first = values.first else { return }
    if values.allSatisfy({ $0 == first }) {
      writer.append(ValueCodec.constant.rawValue)
      writer.append(first)
    } else if values.allSatisfy({ integer($0) != nil }) {
      writer.append(ValueCodec.integer.rawValue)
      encode(ArraySlice(values.compactMap(integer)), to: &writer)
    } else {
      writer.append(ValueCodec.exclusiveOr.rawValue)
      var previous: UInt64 = 0
      for bits in values {
        writer.appendVarint((bits ^ previous).byteSwapped)
        previous = bits
      }
    }
  }

  /// The whole number that has exactly these bits as a double.
  private static func integer(_ bits: UInt64) -> Int64? {
    guard let number = Int64(exactly: Double(bitPattern: bits)), Double(number).bitPattern == bits else { return nil }
    return number
  }

  /// Reads one run and appends what lies within the range, in ms.
  static func decode(
    _ reader: inout ByteReader, from start: Int64, to end: Int64, into columns: inout SampleColumns
  ) throws(MalformedBytes) {
    guard let count = Int(exactly: try reader.readVarint()), count <= countMax else {
      throw .invalid("a run of samples is too long")
    }
    var times = ByteReader(try reader.readPrefixed())
    var values = ByteReader(try reader.readPrefixed())
    guard count > 0 else { return }
    let codec = ValueCodec(rawValue: try values.read(UInt8.self))
    var bits = codec == .constant ? try values.read(UInt64.self) : 0
    var (time, step): (Int64, Int64) = (0, 0)
    var (number, numberStep): (Int64, Int64) = (0, 0)
    for _ in 0..<count {
      step = step &+ (try times.readSignedVarint())
      time = time &+ step
      switch codec {
      case .constant: break
      case .integer:
        numberStep = numberStep &+ (try values.readSignedVarint())
        number = number &+ numberStep
        bits = Double(number).bitPattern
      case .exclusiveOr: bits ^= (try values.readVarint()).byteSwapped
      case nil: throw .invalid("unknown codec of values")
      }
      if time >= start, time <= end { columns.append(time, bits) }
    }
    guard times.isAtEnd, values.isAtEnd else { throw .invalid("a run of samples has bytes left over") }
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
