// What only the allocator of glibc has to be told; its header is in no module that Swift knows.
#ifndef NEEDLETAIL_CALLOCATOR_H
#define NEEDLETAIL_CALLOCATOR_H

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

static inline void callocator_give_back(void) { malloc_trim(0); }
#else
static inline void callocator_give_back(void) {}
#endif

#endif
