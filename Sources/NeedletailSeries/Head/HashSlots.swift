/// An open-addressing table from hashes to indices of an array that its owner keeps: 8 to 16 bytes an entry, no
/// object.
///
/// The hashes must be well mixed (XXH3 is). Of their lowest 32 bits the lower ones are the position in the table and the
/// upper ones stand in the slot beside the index, so that hardly ever an entry is looked at in vain.
struct HashSlots: Sendable {
  /// Index + 1 in the bits of `mask`, bits of the hash above them; 0 means empty.
  private var slots = [UInt32](repeating: 0, count: 16)
  private(set) var count = 0

  var byteCount: Int { slots.count * 4 }

  /// Whether there is no room for another index, whatever is done.
  var isFull: Bool { count >= 1 << 30 }

  /// The index under `hash` that `matches`.
  ///
  /// Expected O(1).
  @inline(__always) func find(_ hash: UInt64, where matches: (Int) -> Bool) -> Int? {
    let mask = UInt32(truncatingIfNeeded: slots.count - 1)
    let hash = UInt32(truncatingIfNeeded: hash)
    return slots.withUnsafeBufferPointer { slots in
      var position = hash & mask
      while true {
        let slot = slots[Int(position)]
        if slot == 0 { return nil }
        if (slot ^ hash) & ~mask == 0 {
          let index = Int(slot & mask) - 1
          if matches(index) { return index }
        }
        position = (position + 1) & mask
      }
    }
  }

  /// The index + 1 that `find` would look at first, as far as the slots alone tell, or 0 where there is none.
  @inline(__always) func first(_ hash: UInt64) -> UInt32 {
    let mask = UInt32(truncatingIfNeeded: slots.count - 1)
    let hash = UInt32(truncatingIfNeeded: hash)
    return slots.withUnsafeBufferPointer { slots in
      var position = hash & mask
      while true {
        let slot = slots[Int(position)]
        if slot == 0 { return 0 }
        if (slot ^ hash) & ~mask == 0 { return slot & mask }
        position = (position + 1) & mask
      }
    }
  }

  /// Adds the next index, which is `count`.
  ///
  /// `hashOf` tells the hash of any index added before, for when the table grows.
  mutating func insert(_ hash: UInt64, _ index: Int, hashOf: (Int) -> UInt64) {
    if (count + 1) * 2 > slots.count {
      slots = [UInt32](repeating: 0, count: slots.count * 2)
      // In the order of the indices: what they name is read in one run, whatever the hashes are.
      for known in 0..<count { place(hashOf(known), known) }
    }
    place(hash, index)
    count += 1
  }

  private mutating func place(_ hash: UInt64, _ index: Int) {
    let mask = UInt32(truncatingIfNeeded: slots.count - 1)
    let hash = UInt32(truncatingIfNeeded: hash)
    slots.withUnsafeMutableBufferPointer { slots in
      var position = hash & mask
      while slots[Int(position)] != 0 { position = (position + 1) & mask }
      slots[Int(position)] = (hash & ~mask) | UInt32(truncatingIfNeeded: index + 1)
    }
  }
}
