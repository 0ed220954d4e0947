import NeedletailTelemetry

/// What a source tells of a series of which it worked out the values: what there is to know beside these.
package struct DerivedSeries: Sendable {
  /// Which of the chunk's series.
  package var series = 0
  /// How many samples were read for it.
  package private(set) var samplesRead = 0
  /// What there is to remark on it.
  private(set) var remarks: [RangeKernel.Remark] = []
  /// Whether any window of it held numbers.
  private(set) var sawNumbers = false

  init(
    _ series: Int, samplesRead: Int, remarks: [RangeKernel.Remark] = [], sawNumbers: Bool = false
  ) {
    self.series = series
    self.samplesRead = samplesRead
    self.remarks = remarks
    self.sawNumbers = sawNumbers
  }
}

extension SeriesColumns {
  /// The samples that were read for it, of which not all are told.
  var samplesRead: Int {
    derived.reduce(timestamps.count) { sum, derived in
      sum + derived.samplesRead - (offsets[derived.series + 1] - offsets[derived.series])
    }
  }

  /// Adds a series of another chunk, whose histograms are some of the other's.
  ///
  /// It is told as what it was, samples or what was made of them; what is left out of it (`omissions`) is not told.
  package mutating func append(_ series: Int, of other: SeriesColumns, histograms: Range<Int>) {
    let (samples, first) = (other.offsets[series]..<other.offsets[series + 1], timestamps.count)
    if var derived = other.derivation(of: series) {
      derived.series = count
      self.derived.append(derived)
    }
    starts.append(other.starts, samples, at: first)
    for index in histograms {
      histogramIndexes.append(other.histogramIndexes[index] - samples.lowerBound + first)
      self.histograms.append(other.histograms[index])
    }
    timestamps += other.timestamps[samples]
    values += other.values[samples]
    finishSeries(other.labels[series])
  }

  /// What a series is said to be derived by, if it is.
  ///
  /// O(log n).
  package func derivation(of series: Int) -> DerivedSeries? {
    guard !derived.isEmpty else { return nil }
    var (low, high) = (0, derived.count)
    while low < high {
      let middle = (low + high) / 2
      if derived[middle].series < series { low = middle + 1 } else { high = middle }
    }
    return low < derived.count && derived[low].series == series ? derived[low] : nil
  }
}

extension VectorGrid {
  /// Takes over what a source worked out of a series as the cells of a row; `histogram` walks the chunk's histograms along.
  mutating func set(_ row: Int, derived series: Int, of chunk: SeriesColumns, _ histogram: inout Int) {
    for index in chunk.offsets[series]..<chunk.offsets[series + 1] {
      var value: NativeHistogram?
      if histogram < chunk.histogramIndexes.count, chunk.histogramIndexes[histogram] == index {
        value = chunk.histograms[histogram]
        histogram += 1
      }
      guard let step = Int(exactly: chunk.timestamps[index]), (0..<width).contains(step) else { continue }
      if let value { set(row, step, value) } else { set(row, step, chunk.values[index]) }
    }
  }
}

// MARK: - The byte form: docs/formats/peer.md

extension DerivedSeries {
  /// Remarks on one series at the most: there are fewer kinds of them.
  private static let remarksMax = 16
  private static let remarkBytesMax = 1024
  /// Samples beyond this are taken for this: all series of a query may have as many.
  private static let samplesMax: UInt64 = 1 << 32

  /// All of it but which series it is.
  package func encode(to writer: inout ByteWriter) {
    writer.appendVarint(UInt64(clamping: samplesRead))
    writer.append(sawNumbers ? UInt8(1) : 0)
    let told = remarks.prefix(Self.remarksMax)
    writer.appendVarint(UInt64(told.count))
    for remark in told {
      writer.append(remark.subject.rawValue)
      writer.append(remark.isWarning ? UInt8(1) : 0)
      writer.appendPrefixed(remark.message)
    }
  }

  /// What `encode` wrote.
  package init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    samplesRead = Int(min(try reader.readVarint(), Self.samplesMax))
    sawNumbers = try reader.read(UInt8.self) != 0
    let count = try reader.readCount(elementBytes: 3)
    guard count <= Self.remarksMax else { throw .invalid("more remarks than there are on one series") }
    for _ in 0..<count {
      guard let subject = RangeKernel.Remark.Subject(rawValue: try reader.read()) else {
        throw .invalid("a remark on nothing that is known")
      }
      let isWarning = try reader.read(UInt8.self) != 0
      let bytes = try reader.readPrefixed()
      guard bytes.count <= Self.remarkBytesMax else { throw .invalid("a remark is too long") }
      remarks.append(
        RangeKernel.Remark(message: String(decoding: bytes, as: UTF8.self), subject: subject, isWarning: isWarning))
    }
  }

  /// About how many bytes it comes to.
  var byteCount: Int { remarks.reduce(6) { $0 + $1.message.utf8.count + 4 } }
}
