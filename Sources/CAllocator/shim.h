// What only the allocator of glibc has to be told; its header is in no module that Swift knows.
#ifndef NEEDLETAIL_CALLOCATOR_H
#define NEEDLETAIL_CALLOCATOR_H

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

static inline void callocator_give_back(void) { malloc_trim(0); }
static inline void callocator_bound(int mapped_bytes, int kept_bytes) {
  mallopt(M_MMAP_THRESHOLD, mapped_bytes);
  mallopt(M_TRIM_THRESHOLD, kept_bytes);
}
#else
static inline void callocator_give_back(void) {}
static inline void callocator_bound(int mapped_bytes, int kept_bytes) {
  (void)mapped_bytes;
  (void)kept_bytes;
}
#endif

#endif
