import NeedletailTelemetry

/// What a set of rows comes to, whatever order they came in: the sum of a 128-bit hash of each, and how many they are.
///
/// Equal sets have equal digests; different ones have different digests but for chance (2^-128). It guards against
/// loss and faults, not against forgery. Digests of sets that have nothing in common add up, so that the digest of a
/// slot is the sum of its windows', and a change is an addition. The engines' own digests are of this form.
package struct RangeDigest: Hashable, Sendable, CustomStringConvertible {
  /// Bytes of its form in messages.
  static let byteCount = 24

  package private(set) var high: UInt64 = 0
  package private(set) var low: UInt64 = 0
  /// How many rows there are.
  package private(set) var count: UInt64 = 0

  /// That of the empty set.
  package init() {}

  package init(high: UInt64, low: UInt64, count: UInt64) {
    self.high = high
    self.low = low
    self.count = count
  }

  package var isEmpty: Bool { self == RangeDigest() }

  package var description: String { "\(Hash128(high: high, low: low))/\(count)" }

  /// Adds the rows of a set that has none in common with this one.
  package mutating func add(_ other: RangeDigest) {
    let (sum, carry) = low.addingReportingOverflow(other.low)
    low = sum
    high = high &+ other.high &+ (carry ? 1 : 0)
    count &+= other.count
  }

  /// Takes out the rows of a set that is part of this one.
  package mutating func remove(_ other: RangeDigest) {
    let (difference, borrow) = low.subtractingReportingOverflow(other.low)
    low = difference
    high = high &- other.high &- (borrow ? 1 : 0)
    count &-= other.count
  }
}

extension RangeDigest {
  func write(to writer: inout ByteWriter) {
    writer.append(high)
    writer.append(low)
    writer.append(count)
  }

  init(from reader: inout ByteReader) throws(MalformedBytes) {
    high = try reader.read()
    low = try reader.read()
    count = try reader.read()
  }
}
