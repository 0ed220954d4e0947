import CXXHash

/// A 128-bit XXH3 hash: wide enough to be an identity (the chance that any two of 10^9 series collide is about 10^-21).
///
/// The bits are part of the on-disk and wire formats: never change the function, only add another.
@usableFromInline package struct Hash128: Hashable, Comparable, Sendable, CustomStringConvertible {
  package static let byteCount = 16

  @usableFromInline package let high: UInt64
  @usableFromInline package let low: UInt64

  @inlinable package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The hash of `bytes`, kept apart by `seed`.
  package static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> Hash128 {
    let hash = cxxhash_xxh3_128(bytes.baseAddress, bytes.count, seed)
    return Hash128(high: hash.high64, low: hash.low64)
  }

  @inlinable package static func < (left: Hash128, right: Hash128) -> Bool {
    left.high != right.high ? left.high < right.high : left.low < right.low
  }

  /// Swift's own seeded mixing is for keys that an attacker picks; these bits are already mixed.
  @inlinable package func hash(into hasher: inout Hasher) { hasher.combine(low) }

  /// 32 lower-case hexadecimal digits.
  @usableFromInline package var description: String { high.hexadecimal + low.hexadecimal }
}

/// A 64-bit XXH3 hash, as checksums use it.
package func xxHash64(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
  cxxhash_xxh3_64(bytes.baseAddress, bytes.count, seed)
}
