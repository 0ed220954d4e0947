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

  /// That of one float sample.
  @inline(__always) static func sample(_ id: SeriesID, _ time: Int64, _ bits: UInt64) -> SeriesDigest {
    SeriesDigest(of: id.hash, time: time, bits: bits)
  }

  /// Adds those samples of a series that are within the range; time and value stand one behind the other.
  mutating func add(_ words: UnsafeBufferPointer<UInt64>, of id: SeriesID, in range: TimeRange) {
    for index in stride(from: 0, to: words.count, by: 2) {
      let time = Int64(bitPattern: words[index])
      if range.contains(time) { add(.sample(id, time, words[index + 1])) }
    }
  }

  /// That of a native histogram, by its bytes as they are stored.
  static func histogram(_ id: SeriesID, _ histogram: StoredHistogram) -> SeriesDigest {
    histogram.bytes.withUnsafeBytes { Self.histogram(id, histogram.timestamp, $0) }
  }

  /// That of a native histogram at this time with these bytes.
  static func histogram(_ id: SeriesID, _ time: Int64, _ bytes: UnsafeRawBufferPointer) -> SeriesDigest {
    var writer = ByteWriter(reserving: bytes.count + 24)
    writer.append(id.hash)
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
