import CXXHash
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
    /// The entry that followed the last time; only a guess.
    var next: UInt32

    func matches(_ key: Hash128) -> Bool { keyLow == key.low && keyHigh == key.high }
  }

  private static let chunkBits: UInt32 = 10
  private static let chunkCount = 1 << Int(chunkBits)
  private static let slotsMin = 64
  private let countMax: Int
  /// Entries do not move, so that growing costs no pause.
  private var chunks: [UnsafeMutablePointer<Entry>] = []
  /// Open addressing with linear probing, at most two thirds full: the upper half is the entry's number plus one, the
  /// lower half the key's lowest bits; 0 is free.
  private var slots = [UInt64](repeating: 0, count: slotsMin)
  private(set) var count = 0

  init(countMax: Int) { self.countMax = min(countMax, 1 << 30) }

  deinit { for chunk in chunks { chunk.deallocate() } }

  /// The entry's place; `number` must be below `count`.
  @inline(__always)
  private func entry(_ number: UInt32) -> UnsafeMutablePointer<Entry> {
    chunks[Int(number >> Self.chunkBits)] + (Int(number) & (Self.chunkCount - 1))
  }

  private func number(of key: Hash128) -> UInt32? {
    let tag = UInt32(truncatingIfNeeded: key.low)
    let mask = slots.count - 1
    var slot = Int(tag) & mask
    while true {
      let word = slots[slot]
      if word == 0 { return nil }
      if UInt32(truncatingIfNeeded: word) == tag {
        let number = UInt32(truncatingIfNeeded: word >> 32) &- 1
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
    trail.next = found.pointee.next
    return found
  }

  /// Finds `key` through the index, and notes that it followed what was found before.
  private func search(_ key: Hash128, _ trail: inout SeriesTrail) -> UnsafeMutablePointer<Entry>? {
    guard let number = number(of: key) else { return nil }
    if Int(trail.last) < count { entry(trail.last).pointee.next = number }
    let found = entry(number)
    trail.last = number
    trail.next = found.pointee.next
    return found
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
    let mask = slots.count - 1
    slots.withUnsafeBufferPointer { slots in
      guard let base = slots.baseAddress else { return }
      for key in keys { cxxhash_prefetch(base + (Int(UInt32(truncatingIfNeeded: key.low)) & mask)) }
      for key in keys {
        let word = slots[Int(UInt32(truncatingIfNeeded: key.low)) & mask]
        if word != 0 { cxxhash_prefetch(entry(UInt32(truncatingIfNeeded: word >> 32) &- 1)) }
      }
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
    if count * 3 >= slots.count * 2 { grow() }
    if count == chunks.count * Self.chunkCount { chunks.append(.allocate(capacity: Self.chunkCount)) }
    let number = UInt32(truncatingIfNeeded: count)
    entry(number).initialize(
      to: Entry(
        keyHigh: key.high, keyLow: key.low, idHigh: id.hash.high, idLow: id.hash.low, next: number &+ 1))
    Self.place(UInt64(number &+ 1) << 32 | UInt64(UInt32(truncatingIfNeeded: key.low)), in: &slots)
    count += 1
  }

  private static func place(_ word: UInt64, in slots: inout [UInt64]) {
    let mask = slots.count - 1
    var slot = Int(UInt32(truncatingIfNeeded: word)) & mask
    while slots[slot] != 0 { slot = (slot + 1) & mask }
    slots[slot] = word
  }

  private mutating func grow() {
    var grown = [UInt64](repeating: 0, count: slots.count * 2)
    for word in slots where word != 0 { Self.place(word, in: &grown) }
    slots = grown
  }

  mutating func removeAll() {
    for chunk in chunks { chunk.deallocate() }
    chunks = []
    slots = [UInt64](repeating: 0, count: Self.slotsMin)
    count = 0
  }
}
