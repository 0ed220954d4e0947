import CXXHash
import NeedletailEnvironment
import NeedletailTelemetry

/// Where a request stands in the order of series that the table has seen before.
struct SeriesTrail {
  /// The entry that was found last, if any.
  fileprivate var last: UInt32 = .max
  /// The entry that came next the last time.
  fileprivate var next: UInt32 = .max
}

/// The table behind `SeriesResolver`: entries in the order of their first appearance, and an index of them.
///
/// A sender names its series in the same order in every request, so each entry remembers which one followed it. A
/// request that walks along these links reads memory from front to back, which costs a tenth of a probe at random; the
/// key, compared in full, says at each step whether the guess was right. Where it was not, the index is asked and the
/// link is mended.
///
/// Sendable because it alone owns the memory that it points to, and gives out nothing but copies of values.
struct SeriesTable: ~Copyable, @unchecked Sendable {
  private struct Entry {
    var keyHigh: UInt64
    var keyLow: UInt64
    var idHigh: UInt64
    var idLow: UInt64

    func matches(_ key: Hash128) -> Bool { keyLow == key.low && keyHigh == key.high }
  }

  private static let chunkBits: UInt32 = 12
  private static let chunkCount = 1 << Int(chunkBits)
  private static let entriesBytes = chunkCount * MemoryLayout<Entry>.stride
  private static let slotsMin = 64
  private let countMax: Int
  /// Entries do not move, so that growing costs no pause. Behind those of a chunk stands for each which one followed it the
  /// last time, as a `UInt32`; only a guess.
  private var chunks: [UnsafeMutableRawPointer] = []
  private var chunkOwner = PageOwner()
  /// Open addressing with linear probing, at most two thirds full: an entry's number plus one in the bits of the mask, bits
  /// of the key's lowest 32 above them; 0 is free.
  private var slots: UnsafeMutablePointer<UInt32>
  private var slotOwner = PageOwner()
  private var slotCount = slotsMin
  private(set) var count = 0

  init(countMax: Int) {
    self.countMax = min(countMax, 1 << 30)
    slots = Self.emptySlots(Self.slotsMin, slotOwner)
  }

  private static func emptySlots(_ count: Int, _ owner: PageOwner) -> UnsafeMutablePointer<UInt32> {
    owner.addPage(byteCount: count * 4).bindMemory(to: UInt32.self, capacity: count)
  }

  private var mask: UInt32 { UInt32(truncatingIfNeeded: slotCount - 1) }

  /// The entry's place; `number` must be below `count`.
  @inline(__always)
  private func entry(_ number: UInt32) -> UnsafeMutablePointer<Entry> {
    chunks[Int(number >> Self.chunkBits)].assumingMemoryBound(to: Entry.self)
      + (Int(number) & (Self.chunkCount - 1))
  }

  /// Where it stands which entry followed one the last time; `number` must be below `count`.
  @inline(__always)
  private func follower(_ number: UInt32) -> UnsafeMutablePointer<UInt32> {
    (chunks[Int(number >> Self.chunkBits)] + Self.entriesBytes).assumingMemoryBound(to: UInt32.self)
      + (Int(number) & (Self.chunkCount - 1))
  }

  private func number(of key: Hash128) -> UInt32? {
    let tag = UInt32(truncatingIfNeeded: key.low)
    let mask = mask
    var slot = tag & mask
    while true {
      let word = slots[Int(slot)]
      if word == 0 { return nil }
      if (word ^ tag) & ~mask == 0 {
        let number = (word & mask) &- 1
        if entry(number).pointee.matches(key) { return number }
      }
      slot = (slot + 1) & mask
    }
  }

  /// Whether the trail leads to `key`; then it is a step further.
  @inline(__always)
  private func follow(_ trail: inout SeriesTrail, to key: Hash128) -> UnsafeMutablePointer<Entry>? {
    guard Int(trail.next) < count else { return nil }
    let found = entry(trail.next)
    guard found.pointee.matches(key) else { return nil }
    trail.last = trail.next
    trail.next = follower(trail.next).pointee
    return found
  }

  /// Finds `key` through the index, and notes that it followed what was found before.
  private func search(_ key: Hash128, _ trail: inout SeriesTrail) -> UnsafeMutablePointer<Entry>? {
    guard let number = number(of: key) else { return nil }
    if Int(trail.last) < count { follower(trail.last).pointee = number }
    trail.last = number
    trail.next = follower(number).pointee
    return entry(number)
  }

  /// The identity of one key.
  func find(_ key: Hash128, _ trail: inout SeriesTrail) -> SeriesID? {
    guard let found = follow(&trail, to: key) ?? search(key, &trail) else { return nil }
    return SeriesID(Hash128(high: found.pointee.idHigh, low: found.pointee.idLow))
  }

  /// The identities of many keys, as `SeriesResolver` says.
  func find(
    _ keys: UnsafeBufferPointer<Hash128>, into words: UnsafeMutableBufferPointer<UInt64>, _ trail: inout SeriesTrail
  ) -> UInt64 {
    var unknown: UInt64 = 0
    var isFetched = false
    for index in keys.indices {
      let key = keys[index]
      var found = follow(&trail, to: key)
      if found == nil {
        if !isFetched { fetch(UnsafeBufferPointer(rebasing: keys[index...])) }
        isFetched = true
        found = search(key, &trail)
      }
      if let found {
        words[2 * index] = found.pointee.idLow.littleEndian
        words[2 * index + 1] = found.pointee.idHigh.littleEndian
      } else {
        unknown |= 1 << UInt64(index)
      }
    }
    return unknown
  }

  /// Asks the memory for what searching these keys will read, all at once instead of one after the other.
  private func fetch(_ keys: UnsafeBufferPointer<Hash128>) {
    let mask = mask
    for key in keys { cxxhash_prefetch(slots + Int(UInt32(truncatingIfNeeded: key.low) & mask)) }
    for key in keys {
      let word = slots[Int(UInt32(truncatingIfNeeded: key.low) & mask)]
      if word != 0 { cxxhash_prefetch(entry((word & mask) &- 1)) }
    }
  }

  /// Adds or replaces.
  mutating func insert(_ id: SeriesID, for key: Hash128) {
    if let number = number(of: key) {
      entry(number).pointee.idHigh = id.hash.high
      entry(number).pointee.idLow = id.hash.low
      return
    }
    if count >= countMax { removeAll() }
    if count * 3 >= slotCount * 2 { grow() }
    if count == chunks.count * Self.chunkCount {
      chunks.append(chunkOwner.addPage(byteCount: Self.entriesBytes + Self.chunkCount * 4))
    }
    let number = UInt32(truncatingIfNeeded: count)
    entry(number).initialize(to: Entry(keyHigh: key.high, keyLow: key.low, idHigh: id.hash.high, idLow: id.hash.low))
    follower(number).initialize(to: number &+ 1)
    place(number)
    count += 1
  }

  private func place(_ number: UInt32) {
    let tag = UInt32(truncatingIfNeeded: entry(number).pointee.keyLow)
    let mask = mask
    var slot = tag & mask
    while slots[Int(slot)] != 0 { slot = (slot + 1) & mask }
    slots[Int(slot)] = (tag & ~mask) | (number &+ 1)
  }

  private mutating func grow() {
    replaceSlots(slotCount * 2)
    // In the order of the entries, so that these are read in one run.
    for number in 0..<UInt32(truncatingIfNeeded: count) { place(number) }
  }

  private mutating func replaceSlots(_ count: Int) {
    let owner = PageOwner()
    slots = Self.emptySlots(count, owner)
    slotOwner = owner
    slotCount = count
  }

  mutating func removeAll() {
    chunks = []
    chunkOwner = PageOwner()
    replaceSlots(Self.slotsMin)
    count = 0
  }
}
