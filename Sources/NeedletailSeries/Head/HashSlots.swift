/// An open-addressing table from hashes to indices of an array that its owner keeps: 8 to 16 bytes an entry, no
/// object.
///
/// The hashes must be well mixed (XXH3 is); the table uses their lowest bits as they are.
struct HashSlots: Sendable {
  /// Index + 1, so that 0 means empty.
  private var slots = [UInt32](repeating: 0, count: 16)
  private(set) var count = 0

  var byteCount: Int { slots.count * 4 }

  /// The index under `hash` that `matches`.
  ///
  /// Expected O(1).
  @inline(__always) func find(_ hash: UInt64, where matches: (Int) -> Bool) -> Int? {
    let mask = slots.count - 1
    var position = Int(truncatingIfNeeded: hash) & mask
    while true {
      let slot = slots[position]
      if slot == 0 { return nil }
      if matches(Int(slot) - 1) { return Int(slot) - 1 }
      position = (position + 1) & mask
    }
  }

  /// What `find` would look at first: an index + 1, or 0 where nothing is under the hash.
  @inline(__always) func first(_ hash: UInt64) -> UInt32 {
    slots[Int(truncatingIfNeeded: hash) & (slots.count - 1)]
  }

  /// Adds the next index, which is `count`.
  ///
  /// `hashOf` tells the hash of any index added before, for when the table grows.
  mutating func insert(_ hash: UInt64, _ index: Int, hashOf: (Int) -> UInt64) {
    if (count + 1) * 2 > slots.count {
      slots = [UInt32](repeating: 0, count: slots.count * 2)
      // In the order of the indices: what they name is read in one run, whatever the hashes are.
      for known in 0..<count { place(hashOf(known), UInt32(truncatingIfNeeded: known + 1)) }
    }
    place(hash, UInt32(truncatingIfNeeded: index + 1))
    count += 1
  }

  private mutating func place(_ hash: UInt64, _ slot: UInt32) {
    let mask = slots.count - 1
    var position = Int(truncatingIfNeeded: hash) & mask
    while slots[position] != 0 { position = (position + 1) & mask }
    slots[position] = slot
  }
}
