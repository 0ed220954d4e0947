// With XXH_INLINE_ALL the header gives every function the prefix XXH_INLINE_.
import CXXHash

// XXH3 with 64 bits: about 10 to 30 GB/s here, one call into inlined C. It finds accidents, not attackers: whoever can
// write to the data folder can also write a right checksum.

/// The checksum of everything on disk: XXH3-64.
package enum Checksum {
  /// The checksum of `bytes`; the seed binds them to a place, so that the right bytes in the wrong place are found too.
  package static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    XXH_INLINE_XXH3_64bits_withSeed(bytes.baseAddress, bytes.count, seed)
  }

  /// The checksum of `bytes`, as a seed for the next piece: how pieces that do not lie together are chained.
  package static func of(_ bytes: [UInt8], seed: UInt64 = 0) -> UInt64 {
    bytes.withUnsafeBytes { of($0, seed: seed) }
  }
}

/// The checksum of a file that is written or read piece by piece; equal to `Checksum.of` over all of it.
struct RunningChecksum: ~Copyable {
  private let state: OpaquePointer?

  /// The checksum of nothing yet.
  init() {
    state = XXH_INLINE_XXH3_createState()
    if let state { XXH_INLINE_XXH3_64bits_reset(state) }
  }

  deinit { if let state { XXH_INLINE_XXH3_freeState(state) } }

  /// Takes the next piece in.
  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    if let state { XXH_INLINE_XXH3_64bits_update(state, bytes.baseAddress, bytes.count) }
  }

  /// The checksum of what was taken in so far.
  var value: UInt64 { state.map { XXH_INLINE_XXH3_64bits_digest($0) } ?? 0 }
}
