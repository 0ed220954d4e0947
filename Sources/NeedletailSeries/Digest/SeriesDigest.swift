import NeedletailTelemetry

/// What a set of samples, histograms and exemplars comes to, whatever order they came in: the sum of a 128-bit hash of
/// each, and how many they are.
///
/// Equal sets have equal digests; different ones have different digests but for chance (2^-128), as long as nobody
/// makes up samples to that end: it guards against loss and faults, not against forgery. The hashes are part of the
/// part format (docs/formats/series-part.md) and of what nodes tell each other.
package struct SeriesDigest: Hashable, Sendable, CustomStringConvertible {
  package private(set) var high: UInt64 = 0
  package private(set) var low: UInt64 = 0
  /// How many samples, histograms and exemplars there are.
  package private(set) var count: UInt64 = 0

  /// That of the empty set.
  package init() {}

  init(high: UInt64, low: UInt64, count: UInt64) {
    self.high = high
    self.low = low
    self.count = count
  }

  package var isEmpty: Bool { self == SeriesDigest() }

  package var description: String { "\(Hash128(high: high, low: low))/\(count)" }

  /// Adds the elements of a set that has none in common with this one.
  @inline(__always) package mutating func add(_ other: SeriesDigest) {
    let (sum, carry) = low.addingReportingOverflow(other.low)
    low = sum
    high = high &+ other.high &+ (carry ? 1 : 0)
    count &+= other.count
  }

  /// Takes out the elements of a set that is part of this one.
  @inline(__always) package mutating func remove(_ other: SeriesDigest) {
    let (difference, borrow) = low.subtractingReportingOverflow(other.low)
    low = difference
    high = high &- other.high &- (borrow ? 1 : 0)
    count &-= other.count
  }
}

// MARK: - Elements

extension SeriesDigest {
  private static let histogramSeed: UInt64 = 1
  private static let exemplarSeed: UInt64 = 2

  /// That of one float sample: two rounds of a full multiplication, as fast hashes of few bytes have them.
  ///
  /// An identity is random to the bit, so that what it is mixed with need not be.
  @inline(__always) static func sample(_ id: SeriesID, _ time: Int64, _ bits: UInt64) -> SeriesDigest {
    let moment = UInt64(bitPattern: time)
    let one = (moment ^ id.hash.low).multipliedFullWidth(by: bits ^ id.hash.high)
    let two = ((one.low &+ bits) ^ 0xa076_1d64_78bd_642f)
      .multipliedFullWidth(by: (one.high &+ moment) ^ 0xe703_7ed1_a0b4_28db)
    return SeriesDigest(high: two.high ^ one.low, low: two.low ^ one.high, count: 1)
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
    return SeriesDigest(high: hash.high, low: hash.low, count: 1)
  }
}
