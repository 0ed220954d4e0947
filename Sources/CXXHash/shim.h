// Inlined into the importing Swift code: a call across the library boundary would cost more than hashing a short key.
#define XXH_INLINE_ALL
#include <xxhash.h>
