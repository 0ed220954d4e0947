// From the bytes that name a series in a request to its identity, without parsing them: the same exporter encodes the
// same labels in the same way every time, so the hash of the encoded bytes finds what was worked out the first time.

import NeedletailEnvironment
import NeedletailTelemetry

/// A bounded cache from the hash of encoded labels (kept apart by tenant) to the identity of the series.
///
/// Safe to use from any thread.
///
/// It may forget at any time and never lies: the key is 128 bits wide, and the identity follows from the labels
/// alone. So a full table is simply emptied, and a miss costs a parse. The lock is held for a block of series of one
/// request, some 5 ns for each: decoding them, outside of it, takes many times as long.
package final class SeriesResolver: Sendable {
  private let table: Lock<SeriesTable>

  /// A cache of at most about `countMax` series, at 42 to 48 bytes each.
  package init(countMax: Int = 4 << 20) { table = Lock(SeriesTable(countMax: max(64, countMax))) }

  /// The identity that was found for `key` before.
  package func series(for key: Hash128) -> SeriesID? {
    var trail = SeriesTrail()
    return series(for: key, &trail)
  }

  /// The identity that was found for `key` before, most likely the one that `trail` leads to.
  func series(for key: Hash128, _ trail: inout SeriesTrail) -> SeriesID? {
    table.withLock { $0.find(key, &trail) }
  }

  /// Finds up to 64 keys at once.
  ///
  /// Writes two words for each, the lower half of the identity first; the bits of the answer name those that are not
  /// known, the first key in the lowest bit.
  func series(
    for keys: UnsafeBufferPointer<Hash128>, into words: UnsafeMutableBufferPointer<UInt64>, _ trail: inout SeriesTrail
  ) -> UInt64 {
    table.withLock { $0.find(keys, into: words, &trail) }
  }

  /// Remembers an identity.
  package func remember(_ id: SeriesID, for key: Hash128) { table.withLock { $0.insert(id, for: key) } }

  /// Series remembered now.
  package var count: Int { table.withLock { $0.count } }
}
