// Where the code of the running program lies, which only the linker knows, and the calls that move it, of which one takes
// any number of arguments and so is none that Swift can make.
#ifndef NEEDLETAIL_CPROGRAMTEXT_H
#define NEEDLETAIL_CPROGRAMTEXT_H

#include <stdlib.h>

#if defined(__linux__) && defined(__GLIBC__)
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// The first and the last function of a program, where the linker puts them there, and what lies in memory with them: tables
// for the dynamic linker ahead of them, most of which it read at the start; Swift's own tables and those for exceptions behind.
extern char cprogramtext_first __asm__("_init");
extern char cprogramtext_last __asm__("_fini");
extern char cprogramtext_start __asm__("__executable_start");
extern char cprogramtext_end __asm__("etext");

static inline void *cprogramtext_begin(void) { return &cprogramtext_first; }
static inline void *cprogramtext_finish(void) { return &cprogramtext_last; }
// Any function among the others, to tell whether these are the first and the last.
static inline void *cprogramtext_any(void) { return (void *)&cprogramtext_any; }
static inline void *cprogramtext_lowest(void) { return &cprogramtext_start; }
static inline void *cprogramtext_highest(void) { return &cprogramtext_end; }

// Puts the pages at `from` in the place of those at `to`, at once; 0 where that went well.
static inline int cprogramtext_replace(void *from, void *to, size_t length) {
  long moved = syscall(SYS_mremap, from, length, length, 1 | 2 /* MREMAP_MAYMOVE | MREMAP_FIXED */, to);
  return moved == -1 ? -1 : 0;
}
#endif

#endif
