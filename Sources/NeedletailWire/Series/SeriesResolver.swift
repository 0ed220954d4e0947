// From the bytes that name a series in a request to its identity, without parsing them: the same exporter encodes the
// same labels in the same way every time, so the hash of the encoded bytes finds what was worked out the first time.

import NeedletailTelemetry
import Synchronization

/// A bounded cache from the hash of encoded labels (seeded by the tenant) to the identity of the series.
///
/// Safe to use from any thread.
///
/// It may forget at any time and never lies: the key is 128 bits wide, and the identity follows from the labels
/// alone. So a full shard is simply emptied, and a miss costs a parse.
package final class SeriesResolver: Sendable {
  private final class Shard: Sendable {
    let table: Mutex<SeriesTable>
    init(countMax: Int) { table = Mutex(SeriesTable(countMax: countMax)) }
  }

  private static let shardCount = 16
  private let shards: [Shard]

  /// A cache of at most about `countMax` series, at 32 to 64 bytes each.
  package init(countMax: Int = 4 << 20) {
    let each = max(64, countMax / Self.shardCount)
    shards = (0..<Self.shardCount).map { _ in Shard(countMax: each) }
  }

  private func shard(of key: Hash128) -> Shard { shards[Int(truncatingIfNeeded: key.high >> 60)] }

  /// The identity that was found for `key` before.
  package func series(for key: Hash128) -> SeriesID? {
    shard(of: key).table.withLock { $0[key] }
  }

  /// Remembers an identity.
  package func remember(_ id: SeriesID, for key: Hash128) {
    shard(of: key).table.withLock { $0.insert(id, for: key) }
  }

  /// Series remembered now.
  package var count: Int { shards.reduce(0) { total, shard in total + shard.table.withLock { $0.count } } }
}

/// A flat open-addressing table with linear probing: key and identity lie side by side, 32 bytes a slot, so that a
/// hit is one cache line.
///
/// The keys are hashes already; a slot whose key is zero is free.
struct SeriesTable {
  private struct Slot {
    var keyHigh: UInt64 = 0
    var keyLow: UInt64 = 0
    var idHigh: UInt64 = 0
    var idLow: UInt64 = 0
  }

  private static let capacityMin = 64
  private let countMax: Int
  private var slots = [Slot](repeating: Slot(), count: capacityMin)
  private(set) var count = 0

  init(countMax: Int) { self.countMax = countMax }

  /// The slot of a key, or the free one where it would go.
  ///
  /// There is always a free one: the table is at most two thirds full.
  private func index(of high: UInt64, _ low: UInt64) -> Int {
    let mask = slots.count - 1
    var index = Int(truncatingIfNeeded: low) & mask
    while true {
      let slot = slots[index]
      if (slot.keyHigh == high && slot.keyLow == low) || (slot.keyHigh == 0 && slot.keyLow == 0) { return index }
      index = (index + 1) & mask
    }
  }

  subscript(key: Hash128) -> SeriesID? {
    let slot = slots[index(of: key.high, key.low)]
    guard slot.keyHigh != 0 || slot.keyLow != 0 else { return nil }
    return SeriesID(Hash128(high: slot.idHigh, low: slot.idLow))
  }

  /// Adds or replaces.
  ///
  /// The one key that is all zeros is not kept.
  mutating func insert(_ id: SeriesID, for key: Hash128) {
    guard key.high != 0 || key.low != 0 else { return }
    if count >= countMax { removeAll() }
    if count * 3 >= slots.count * 2 { grow() }
    let position = index(of: key.high, key.low)
    if slots[position].keyHigh == 0 && slots[position].keyLow == 0 { count += 1 }
    slots[position] = Slot(keyHigh: key.high, keyLow: key.low, idHigh: id.hash.high, idLow: id.hash.low)
  }

  private mutating func grow() {
    let old = slots
    slots = [Slot](repeating: Slot(), count: old.count * 2)
    for slot in old where slot.keyHigh != 0 || slot.keyLow != 0 { slots[index(of: slot.keyHigh, slot.keyLow)] = slot }
  }

  mutating func removeAll() {
    slots = [Slot](repeating: Slot(), count: Self.capacityMin)
    count = 0
  }
}
