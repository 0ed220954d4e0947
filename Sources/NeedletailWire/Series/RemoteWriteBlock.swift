import NeedletailTelemetry

/// Series of a remote write request of the common shape, gathered so that they are looked up together: labels that lie
/// together, then one sample, and nothing else.
///
/// What is of any other shape, malformed bytes included, is not taken: the decoder then goes the general way, which
/// says what is wrong. The block borrows the bytes of the request.
struct RemoteWriteBlock: ~Copyable {
  /// As many as there are bits in the answer of `SeriesResolver`.
  static let capacity = 64
  private static let label: UInt8 = 1 << 3 | 2
  private static let sample: UInt8 = 2 << 3 | 2

  private(set) var count = 0
  private let seed: UInt64
  private let allKeys = UnsafeMutableBufferPointer<Hash128>.allocate(capacity: capacity)
  private let allTimes = UnsafeMutableBufferPointer<Int64>.allocate(capacity: capacity)
  private let allValues = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: capacity)
  /// The bytes of each series.
  let series = UnsafeMutableBufferPointer<UnsafeRawBufferPointer>.allocate(capacity: capacity)
  /// Room for the identities: two words each, the lower half first.
  let ids = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: 2 * capacity)

  /// An empty block for a tenant with this seed.
  init(seed: UInt64) { self.seed = seed }

  deinit {
    allKeys.deallocate()
    allTimes.deallocate()
    allValues.deallocate()
    series.deallocate()
    ids.deallocate()
  }

  var isFull: Bool { count == Self.capacity }
  /// The keys of the labels.
  var keys: UnsafeBufferPointer<Hash128> { UnsafeBufferPointer(rebasing: allKeys[..<count]) }
  /// Milliseconds since 1970, little-endian.
  var times: UnsafeBufferPointer<Int64> { UnsafeBufferPointer(rebasing: allTimes[..<count]) }
  /// The bits of the values, little-endian.
  var values: UnsafeBufferPointer<UInt64> { UnsafeBufferPointer(rebasing: allValues[..<count]) }

  mutating func removeAll() { count = 0 }

  /// The key of encoded labels in the resolver.
  ///
  /// The seed is mixed in behind the hash: XXH3 with a seed works out a secret anew for every long input.
  static func key(_ labels: UnsafeRawBufferPointer, seed: UInt64) -> Hash128 {
    let hash = Hash128.of(labels)
    return Hash128(high: hash.high ^ seed, low: hash.low &+ seed)
  }

  /// Takes the bytes of a TimeSeries; false where they are not of the common shape.
  ///
  /// There must be room.
  mutating func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count >= 8, let base = bytes.baseAddress, let labels = Self.labelBytes(bytes) else { return false }
    let end = base + bytes.count
    var position = base + labels
    // The sample reaches to the end of the series.
    guard labels > 0, end - position >= 2, position.load(as: UInt8.self) == Self.sample,
      Int((position + 1).load(as: UInt8.self)) == end - position - 2, end - position < 2 + 0x80
    else { return false }
    position += 2
    var value: UInt64 = 0
    if end - position >= 9, position.load(as: UInt8.self) == 1 << 3 | 1 {
      value = UInt64(littleEndian: (position + 1).loadUnaligned(as: UInt64.self))
      position += 9
    }
    var time: Int64 = 0
    if position != end {
      guard position.load(as: UInt8.self) == 2 << 3,
        let varint = Self.varint(bytes: end - position - 1, before: end)
      else { return false }
      time = Int64(bitPattern: varint)
    }
    series[count] = bytes
    allKeys[count] = Self.key(UnsafeRawBufferPointer(start: base, count: labels), seed: seed)
    allTimes[count] = time.littleEndian
    allValues[count] = value.littleEndian
    count += 1
    return true
  }

  /// The length of the labels at the start; nil where one has a length of more than two bytes or reaches too far.
  @inline(__always)
  private static func labelBytes(_ bytes: UnsafeRawBufferPointer) -> Int? {
    var position = 0
    while position + 3 <= bytes.count, bytes[position] == label {
      var length = Int(bytes[position + 1])
      position += 2
      if length >= 0x80 {
        let upper = Int(bytes[position])
        guard upper < 0x80 else { return nil }
        length = length & 0x7f | upper << 7
        position += 1
      }
      guard length <= bytes.count - position else { return nil }
      position += length
    }
    return position
  }

  /// A varint of 1 to 8 bytes that ends at `end`, which must have 8 readable bytes before it; nil for any other.
  @inline(__always)
  private static func varint(bytes count: Int, before end: UnsafeRawPointer) -> UInt64? {
    guard count >= 1, count <= 8 else { return nil }
    let unused = UInt64(truncatingIfNeeded: 8 - count) * 8
    let word = UInt64(littleEndian: (end - 8).loadUnaligned(as: UInt64.self)) >> unused
    // Every byte but the last says that another one follows.
    guard word & 0x8080_8080_8080_8080 == (0x0080_8080_8080_8080 >> unused) else { return nil }
    let pairs = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1
    let quads = (pairs & 0x0000_3fff_0000_3fff) | (pairs & 0x3fff_0000_3fff_0000) >> 2
    return (quads & 0x0fff_ffff) | (quads & 0x0fff_ffff_0000_0000) >> 4
  }
}
