import NeedletailTelemetry

/// What a set of samples, histograms and exemplars comes to, whatever order they came in.
///
/// The hashes of its elements are part of the part format (docs/formats/series-part.md) and of what nodes tell each
/// other.
package typealias SeriesDigest = RangeDigest

// MARK: - Elements

extension SeriesDigest {
  private static let histogramSeed: UInt64 = 1
  private static let exemplarSeed: UInt64 = 2

  /// What samples and histograms of a series are hashed by, whose counts began at `start`, in ms: the series' identity where
  /// nobody told (0).
  ///
  /// A start is mostly that of many samples, so that it is mixed in once for all of them.
  @inline(__always) static func key(_ id: SeriesID, start: Int64) -> Hash128 {
    start == 0 ? id.hash : startedKey(id, start)
  }

  @inline(never) private static func startedKey(_ id: SeriesID, _ start: Int64) -> Hash128 {
    let mixed = SeriesDigest(of: id.hash, time: start, bits: 0x9e37_79b9_7f4a_7c15)
    return Hash128(high: mixed.high, low: mixed.low)
  }

  /// That of one float sample of a series, whose count began at `start`, in ms; 0 where nobody told.
  @inline(__always) static func sample(
    _ id: SeriesID, _ time: Int64, _ bits: UInt64, start: Int64 = 0
  ) -> SeriesDigest { SeriesDigest(of: key(id, start: start), time: time, bits: bits) }

  /// Adds those samples of a key that are within the range; time and value stand one behind the other.
  mutating func add(_ words: UnsafeBufferPointer<UInt64>, of key: Hash128, in range: TimeRange) {
    for index in stride(from: 0, to: words.count, by: 2) {
      let time = Int64(bitPattern: words[index])
      if range.contains(time) { add(SeriesDigest(of: key, time: time, bits: words[index + 1])) }
    }
  }

  /// Adds some of the samples of a series.
  mutating func add(
    _ id: SeriesID, _ times: UnsafeBufferPointer<Int64>, _ values: UnsafeBufferPointer<UInt64>, _ starts: StartMarks,
    _ range: Range<Int>
  ) {
    starts.forEachPiece(of: range) { piece, start in
      let key = Self.key(id, start: start)
      for index in piece { add(SeriesDigest(of: key, time: times[index], bits: values[index])) }
    }
  }

  /// That of a native histogram, by its bytes as they are stored.
  static func histogram(_ id: SeriesID, _ histogram: StoredHistogram) -> SeriesDigest {
    histogram.bytes.withUnsafeBytes { Self.histogram(id, histogram.timestamp, $0, start: histogram.start) }
  }

  /// That of a native histogram at this time with these bytes.
  static func histogram(
    _ id: SeriesID, _ time: Int64, _ bytes: UnsafeRawBufferPointer, start: Int64
  ) -> SeriesDigest {
    var writer = ByteWriter(reserving: bytes.count + 24)
    writer.append(key(id, start: start))
    writer.append(time)
    writer.append(bytes)
    return of(writer.bytes, seed: histogramSeed)
  }

  /// That of an exemplar; whatever its `series` says.
  static func exemplar(_ id: SeriesID, _ exemplar: StoredExemplar) -> SeriesDigest {
    var writer = ByteWriter(reserving: exemplar.labels.count + 32)
    writer.append(id.hash)
    writer.append(exemplar.timestamp)
    writer.append(exemplar.bits)
    writer.append(exemplar.labels)
    return of(writer.bytes, seed: exemplarSeed)
  }

  private static func of(_ bytes: [UInt8], seed: UInt64) -> SeriesDigest {
    let hash = bytes.withUnsafeBytes { Hash128.of($0, seed: seed) }
    return SeriesDigest(of: hash)
  }
}
