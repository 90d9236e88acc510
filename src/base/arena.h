/* Bump allocation for data that dies together: a module's tables, one function's facts.
 * Not thread-safe. A zeroed arena is a valid empty one; deinit accepts it. */
#ifndef GBX_BASE_ARENA_H
#define GBX_BASE_ARENA_H

#include "base/base.h"

typedef struct arena_chunk arena_chunk;

typedef struct arena {
    arena_chunk *chunks; /* newest first */
    u8 *at, *end;        /* free part of the newest chunk */
    size_t bytes;        /* taken from the heap in all */
} arena;

/* `count` zeroed items of `bytes` each, aligned for any type; NULL when memory is short or the
 * product overflows. Lives until deinit. Large requests get a chunk of their own. */
GBX_MUST_USE void *gbx_base_arena_alloc(arena *a, size_t count, size_t bytes);

/* A copy of `len` bytes with a NUL behind it; NULL when memory is short. */
GBX_MUST_USE char *gbx_base_arena_copy(arena *a, const void *data, size_t len);

/* What `from` owns is owned by `a` from now on; `from` is empty. */
void gbx_base_arena_join(arena *a, arena *from);

void gbx_base_arena_deinit(arena *a);

#endif
