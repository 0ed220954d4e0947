// XXH3, inlined into the importing Swift code: a call across the library boundary would cost more than hashing a short key. The
// header renames its functions when it is inlined, so they get names of their own here.
#ifndef NEEDLETAIL_CXXHASH_H
#define NEEDLETAIL_CXXHASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t cxxhash_xxh3_64(const void *bytes, size_t count, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, count, seed);
}

static inline uint64_t cxxhash_xxh64(const void *bytes, size_t count, uint64_t seed) { return XXH64(bytes, count, seed); }

static inline XXH128_hash_t cxxhash_xxh3_128(const void *bytes, size_t count, uint64_t seed) {
  return XXH3_128bits_withSeed(bytes, count, seed);
}

// Asks for the cache line of an address, which need not be a valid one, ahead of its use.
static inline void cxxhash_prefetch(const void *address) { __builtin_prefetch(address); }

#endif
