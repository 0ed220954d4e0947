@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// A row of the model: its number says all about it.
struct ClusterItem: Hashable {
  let number: Int
  let slot: UInt16
  let window: Int64
  let series: Hash128

  /// Some rows of some series, many of them of the last bucket, where mistakes at the end of a range show.
  init(_ number: Int, slots: Int, windows: Int, using generator: inout SeededGenerator) {
    self.number = number
    slot = UInt16(Int.random(in: 0..<slots, using: &generator))
    window = Int64.random(in: 0..<Int64(windows), using: &generator)
    let bucket = Bool.random(using: &generator) ? 63 : UInt64.random(in: 0..<64, using: &generator)
    series = Hash128(high: UInt64(slot), low: UInt64.random(in: 0..<3, using: &generator) << 6 | bucket)
  }

  /// One that belongs to no time.
  init(timeless number: Int, using generator: inout SeededGenerator) {
    self.number = number
    (slot, window) = (0, SlotWindow.timeless)
    series = Hash128(high: 0, low: UInt64.random(in: 0..<200, using: &generator))
  }

  var digest: RangeDigest {
    withUnsafeBytes(of: UInt64(number).littleEndian) {
      let hash = Hash128.of($0)
      return RangeDigest(high: hash.high, low: hash.low, count: 1)
    }
  }

  var bucket: UInt8 { MerkleTree.bucket(of: series) }
}

extension Sequence<ClusterItem> {
  var digest: RangeDigest { reduce(into: RangeDigest()) { $0.add($1.digest) } }
}

extension SeededGenerator {
  mutating func chance(_ part: Double) -> Bool { Double.random(in: 0..<1, using: &self) < part }
  mutating func below(_ count: Int) -> Int { Int.random(in: 0..<Swift.max(1, count), using: &self) }
}
