/// What a set of rows comes to, whatever order they came in: the sum of a 128-bit hash of each, and how many they are.
///
/// Equal sets have equal digests; different ones have different digests but for chance (2^-128). It guards against
/// loss and faults, not against forgery. Digests of sets that have nothing in common add up, so that the digest of a
/// slot is the sum of its windows', and a change is an addition. What a row is, and its hash, each engine says.
@usableFromInline package struct RangeDigest: Hashable, Sendable, CustomStringConvertible {
  @usableFromInline package private(set) var high: UInt64 = 0
  @usableFromInline package private(set) var low: UInt64 = 0
  /// How many rows there are.
  @usableFromInline package private(set) var count: UInt64 = 0

  /// That of the empty set.
  package init() {}

  @inlinable package init(high: UInt64, low: UInt64, count: UInt64) {
    self.high = high
    self.low = low
    self.count = count
  }

  /// That of one row with this hash.
  @inlinable package init(of hash: Hash128) { self.init(high: hash.high, low: hash.low, count: 1) }

  /// That of one row of a key at a time with these bits: two rounds of a full multiplication, as fast hashes of few
  /// bytes have them.
  ///
  /// A key is random to the bit, so that what it is mixed with need not be.
  @inlinable @inline(__always) package init(of key: Hash128, time: Int64, bits: UInt64) {
    let moment = UInt64(bitPattern: time)
    let one = (moment ^ key.low).multipliedFullWidth(by: bits ^ key.high)
    let two = ((one.low &+ bits) ^ 0xa076_1d64_78bd_642f)
      .multipliedFullWidth(by: (one.high &+ moment) ^ 0xe703_7ed1_a0b4_28db)
    self.init(high: two.high ^ one.low, low: two.low ^ one.high, count: 1)
  }

  package var isEmpty: Bool { self == RangeDigest() }

  @usableFromInline package var description: String { "\(Hash128(high: high, low: low))/\(count)" }

  /// Adds the rows of a set that has none in common with this one.
  @inlinable package mutating func add(_ other: RangeDigest) {
    let (sum, carry) = low.addingReportingOverflow(other.low)
    self = RangeDigest(
      high: high &+ other.high &+ (carry ? 1 : 0), low: sum, count: count &+ other.count)
  }

  /// Takes out the rows of a set that is part of this one.
  @inlinable package mutating func remove(_ other: RangeDigest) {
    let (difference, borrow) = low.subtractingReportingOverflow(other.low)
    self = RangeDigest(
      high: high &- other.high &- (borrow ? 1 : 0), low: difference, count: count &- other.count)
  }
}
