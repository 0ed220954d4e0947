// The part of RE2 that Needletail uses, as C: Prometheus and Loki regular expressions are RE2's, and match in linear time.
#ifndef NEEDLETAIL_CRE2_H
#define NEEDLETAIL_CRE2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cre2_pattern cre2_pattern;

// A compiled pattern, or NULL with a message (cut to fit, NUL-terminated) in `error`. `memory_max` bounds the program
// and its automata, in bytes. Free it with cre2_free. A compiled pattern may be used from several threads at once.
cre2_pattern *cre2_compile(const char *text, size_t length, int64_t memory_max, char *error, size_t error_size);
void cre2_free(cre2_pattern *pattern);

// Whether the whole text matches (anchored at both ends), and whether any part of it does.
bool cre2_full_match(const cre2_pattern *pattern, const char *text, size_t length);
bool cre2_partial_match(const cre2_pattern *pattern, const char *text, size_t length);

// The number of capturing groups, and the name of group `index` (from 1), or NULL where it has none. The name lives as
// long as the pattern.
int cre2_group_count(const cre2_pattern *pattern);
const char *cre2_group_name(const cre2_pattern *pattern, int index);

// Finds a match at or after `start`. Fills `bounds` with begin and end offsets of groups 0 ..< group_count (-1, -1 where a
// group took no part); group 0 is the whole match. `anchored` demands that the whole text matches.
bool cre2_captures(const cre2_pattern *pattern, const char *text, size_t length, size_t start, bool anchored,
                   ptrdiff_t *bounds, int group_count);

#ifdef __cplusplus
}
#endif

#endif
