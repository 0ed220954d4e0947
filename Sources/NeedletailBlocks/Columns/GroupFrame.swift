// What a group is packed with. Statistics are taken of eight interleaved or successive parts of a group at once: a few
// values far off the others (a counter's reset, a gap) lie in few of them, so where the narrowest part is as wide as
// all, nothing is gained by patches, and nothing is looked for.

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
    guard width > narrowMax, count >= patchedCountMin, bits(parts.narrowest &>> UInt64(shift)) < width else {
      return frame
    }
    if parts.narrowest < range / 4, let patched = frame.patched(values, count: count, around: parts) { return patched }
    return frame.halved(values, count: count) ?? frame
  }

  /// A narrower group, or a shorter one, cannot gain by patches what they cost.
  private static let narrowMax = 2
  private static let patchedCountMin = 32
  /// What lies around the narrowest part, in a space 4 to 8 times as wide as that, is not far off.
  private static let windowBits = 2
  /// The byte that names the place, and what a varint takes at least.
  private static let patchBits = 16

  @inline(__always) private static func bits(_ value: UInt64) -> Int { 64 &- value.leadingZeroBitCount }

  /// The same with patches for what needs the highest bit, where that is smaller.
  private func halved(_ values: UnsafePointer<Int64>, count: Int) -> GroupFrame? {
    let highest = UInt64(width &- 1 &+ shift)
    var number: UInt64 = 0
    for index in 0..<count { number &+= UInt64(bitPattern: values[index] &- base) &>> highest }
    guard Int(truncatingIfNeeded: number) &* Self.patchBits &+ 8 < count else { return nil }
    return GroupFrame(base: base, shift: shift, width: width &- 1, isPatched: true)
  }

  /// The same with patches for what lies far from the narrowest part, where that is smaller.
  private func patched(_ values: UnsafePointer<Int64>, count: Int, around parts: GroupParts) -> GroupFrame? {
    let window = Self.bits(parts.narrowest &>> UInt64(shift)) &+ Self.windowBits &+ shift
    guard window < 64 else { return nil }
    let size = 1 &<< UInt64(window)
    let start = parts.pivot &- Int64(bitPattern: (size &- parts.narrowest) / 2)
    var least = Int64.max
    var most = Int64.min
    var left = 0
    for index in 0..<count {
      let value = values[index]
      let isNear = UInt64(bitPattern: value &- start) < size
      least = min(least, isNear ? value : .max)
      most = max(most, isNear ? value : .min)
      left &+= isNear ? 0 : 1
    }
    let width = Self.bits(UInt64(bitPattern: most &- least) &>> UInt64(shift))
    // Where nothing is packed no shift is told, and patches are as wide as their values.
    let shift = width == 0 ? 0 : shift
    let each = Self.patchBits &+ max(0, self.width &+ self.shift &- width &- shift &- 6) &* 8 / 7
    guard width &* count &+ 8 &+ left &* each < self.width &* count else { return nil }
    return GroupFrame(base: least, shift: shift, width: width, isPatched: true)
  }
}
