/* Bump allocation in chunks; see arena.h. */
#include "base/arena.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"

#define ARENA_CHUNK_BYTES ((size_t)64 << 10)
#define ARENA_ALIGN 16u

struct arena_chunk {
    arena_chunk *next;
    u64 pad; /* keeps what follows aligned to ARENA_ALIGN */
};
static_assert(sizeof(arena_chunk) % ARENA_ALIGN == 0, "items stand right behind the chunk header");

static void *
arena_chunk_new(arena *a, size_t bytes)
{
    arena_chunk *const c = gbx_base_alloc_zero(1, sizeof *c + bytes);
    if (!c) return NULL;
    c->next = a->chunks;
    a->chunks = c;
    a->bytes += sizeof *c + bytes;
    return c + 1;
}

void *
gbx_base_arena_alloc(arena *a, size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total) || total > SIZE_MAX / 2) return NULL;
    total = (total + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (total == 0) total = ARENA_ALIGN;
    if (total > ARENA_CHUNK_BYTES / 4) return arena_chunk_new(a, total);
    if ((size_t)(a->end - a->at) < total) {
        u8 *const fresh = arena_chunk_new(a, ARENA_CHUNK_BYTES);
        if (!fresh) return NULL;
        a->at = fresh;
        a->end = fresh + ARENA_CHUNK_BYTES;
    }
    void *const p = a->at;
    a->at += total;
    return p;
}

char *
gbx_base_arena_copy(arena *a, const void *data, size_t len)
{
    char *const copy = gbx_base_arena_alloc(a, len + 1, 1);
    if (copy && len) memcpy(copy, data, len);
    return copy;
}

void
gbx_base_arena_join(arena *a, arena *from)
{
    arena_chunk **last = &from->chunks;
    while (*last) last = &(*last)->next;
    *last = a->chunks;
    a->chunks = from->chunks;
    a->bytes += from->bytes;
    *from = (arena){0};
}

void
gbx_base_arena_deinit(arena *a)
{
    for (arena_chunk *c = a->chunks; c;) {
        arena_chunk *const next = c->next;
        gbx_base_free(c);
        c = next;
    }
    *a = (arena){0};
}
