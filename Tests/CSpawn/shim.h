// What glibc declares only for those who ask for more than POSIX, as Swift's module of it does not.
#ifndef NEEDLETAIL_CSPAWN_H
#define NEEDLETAIL_CSPAWN_H

#include <spawn.h>

#ifdef __GLIBC__
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

static inline int cspawn_close_from(posix_spawn_file_actions_t *actions, int from) {
  return posix_spawn_file_actions_addclosefrom_np(actions, from);
}
#endif

#endif
