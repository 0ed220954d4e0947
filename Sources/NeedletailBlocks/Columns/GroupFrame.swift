// What a group is packed with. Statistics are taken of eight interleaved or successive parts of a group at once: a few
// values far off the others (a counter's reset, a gap) lie in few of them, so where the narrowest part is as wide as
// all, nothing is gained by patches, and nothing is looked for.

import NeedletailTelemetry

/// The base, the zero bits below and the width that make a group smallest.
struct GroupFrame {
  var base: Int64
  var shift: Int
  var width: Int
  /// Whether there are values that are not within `width` bits of the base.
  var isPatched = false

  /// Of `values`, `count` of them and the last one again until there are full rows of four.
  static func of(_ values: UnsafePointer<Int64>, count: Int) -> GroupFrame {
    let parts = GroupParts(values, rows: (count &+ 3) &>> 2)
    let range = UInt64(bitPattern: parts.most &- parts.least)
    guard range != 0 else { return GroupFrame(base: parts.least, shift: 0, width: 0) }
    let shift = parts.bits.trailingZeroBitCount
    let width = bits(range) &- shift
    let frame = GroupFrame(base: parts.least, shift: shift, width: width)
    guard width > narrowMax, count >= patchedCountMin, bits(parts.narrowest &>> UInt64(shift)) < width else { return frame }
    if parts.narrowest < range / 4 {
      return frame.patched(values, count: count, pivot: parts.pivot) ?? frame
    }
    return frame.halved(values, count: count) ?? frame
  }

  /// A narrower group, or a shorter one, cannot gain by patches what they cost.
  private static let narrowMax = 2
  private static let patchedCountMin = 32
  /// The byte that names the place, and what a varint takes at least.
  private static let patchBits = 16

  @inline(__always) private static func bits(_ value: UInt64) -> Int { 64 &- value.leadingZeroBitCount }

  /// How far a value is from the pivot, in units of 2^shift, with the sign in the lowest bit.
  @inline(__always) private static func distance(_ value: Int64, _ pivot: Int64, _ shift: Int) -> UInt64 {
    ZigZag.encode((value &- pivot) &>> Int64(shift))
  }

  /// The same with patches for what needs the highest bit, where that is smaller.
  private func halved(_ values: UnsafePointer<Int64>, count: Int) -> GroupFrame? {
    let highest = UInt64(width &- 1 &+ shift)
    var number: UInt64 = 0
    for index in 0..<count { number &+= UInt64(bitPattern: values[index] &- base) &>> highest }
    guard Int(truncatingIfNeeded: number) &* Self.patchBits &+ 8 < count else { return nil }
    return GroupFrame(base: base, shift: shift, width: width &- 1, isPatched: true)
  }

  /// The same with patches for what lies far from `pivot`, where that is smaller.
  private func patched(_ values: UnsafePointer<Int64>, count: Int, pivot: Int64) -> GroupFrame? {
    guard let reach = Self.reach(values, count: count, pivot: pivot, shift: shift) else { return nil }
    guard reach < 64 else { return nil }
    var least = Int64.max
    var most = Int64.min
    var left = 0
    for index in 0..<count {
      if Self.distance(values[index], pivot, shift) &>> UInt64(reach) == 0 {
        least = min(least, values[index])
        most = max(most, values[index])
      } else {
        left &+= 1
      }
    }
    guard least <= most else { return nil }
    let width = Self.bits(UInt64(bitPattern: most &- least) &>> UInt64(shift))
    let each = Self.patchBits &+ max(0, self.width &- width &- 6) &* 8 / 7
    guard width &* count &+ 8 &+ left &* each < self.width &* count else { return nil }
    return GroupFrame(base: least, shift: shift, width: width, isPatched: true)
  }

  /// In how many bits, sign included, the distances to the pivot are cheapest to hold, the others being patched.
  private static func reach(
    _ values: UnsafePointer<Int64>, count: Int, pivot: Int64, shift: Int
  ) -> Int? {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 72) { counts in
      counts.initialize(repeating: 0)
      for index in 0..<count {
        counts[bits(distance(values[index], pivot, shift))] &+= 1
      }
      guard var width = (0...64).last(where: { counts[$0] > 0 }) else { return nil }
      var best = (width: width, cost: width &* count)
      var above = 0
      var upperBits = 0
      while width > 0 {
        above &+= Int(counts[width])
        upperBits &+= Int(counts[width]) &* width
        width &-= 1
        let cost = width &* count &+ 8 &+ above &* patchBits &+ max(0, upperBits &- above &* (width &+ 6)) &* 8 / 7
        if cost < best.cost { best = (width, cost) }
        if above &* patchBits > best.cost { break }
      }
      return best.width
    }
  }
}
