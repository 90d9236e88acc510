/* Where compiled code lives; see code.h.
 *
 * A chunk is one or more blocks of 64 KiB, found from any address in it through `blocks`; blobs are cut
 * from it in order. The list of its blobs only grows, at its head, so that a fault handler may walk it
 * while other threads compile; what it holds is freed with the chunk, when nothing runs there any more.
 *
 * RULE: S5. A block that held code is given out again only after a membarrier that every processor has
 * passed since, and what is written there is made known by another one after it was written, because a
 * processor may fetch ahead in between. Where there is no membarrier it is never given out again. A block
 * that was in use when the process forked is not given out again either: the child shares it.
 *
 * In a child of the process that opened the region, whatever lock another thread held stays locked; so a
 * region is only read there. */
#include "runtime/code.h"

#include <string.h>

#include "base/alloc.h"
#include "base/os_mem.h"

struct code_range {
    code_range *next; /* at a higher address */
    u32 first, count; /* blocks */
};

struct code_chunk {
    code_chunk *next; /* in its space */
    code_space *space;
    _Atomic(code_blob *) blobs; /* finished ones */
    code_range *range;          /* its blocks; becomes a free range when it dies */
    size_t used;                /* bytes given out */
    u64 fork_mark;
    bool is_reused;
};

static size_t
code_chunk_at(const code_chunk *k)
{
    return (size_t)k->range->first * OS_CODE_BLOCK_BYTES;
}

static size_t
code_chunk_bytes(const code_chunk *k)
{
    return (size_t)k->range->count * OS_CODE_BLOCK_BYTES;
}

static const code_blob *
code_find_in(const code_chunk *k, uintptr_t pc)
{
    if (!k) return NULL;
    const code_blob *b = atomic_load_explicit(&k->blobs, memory_order_acquire);
    while (b && (pc < (uintptr_t)b->exec || pc - (uintptr_t)b->exec >= b->bytes)) b = b->older;
    return b;
}

const code_blob *
gbx_runtime_code_find(const code_region *r, uintptr_t pc)
{
    if (pc < r->range.start || pc >= r->range.end) return NULL;
    size_t const block = (pc - r->range.start) / OS_CODE_BLOCK_BYTES;
    return code_find_in(atomic_load_explicit(&r->blocks[block], memory_order_acquire), pc);
}

/* SAFETY: a chunk is looked into once its block is known to be this space's, whose chunks stay as long as it
 * does. */
const code_blob *
gbx_runtime_code_find_of(const code_space *s, uintptr_t pc)
{
    const code_region *const r = s->region;
    if (!r || pc < r->range.start || pc >= r->range.end) return NULL;
    size_t const block = (pc - r->range.start) / OS_CODE_BLOCK_BYTES;
    if (atomic_load_explicit(&r->owners[block], memory_order_acquire) != s) return NULL;
    return code_find_in(atomic_load_explicit(&r->blocks[block], memory_order_acquire), pc);
}

static bool
code_find_site(const fault_range *range, uintptr_t pc, fault_site *out)
{
    const code_blob *const b = gbx_runtime_code_find((const code_region *)(const void *)range, pc);
    if (!b || !b->table) return false;
    *out = (fault_site){.table = b->table, .start = (uintptr_t)b->exec, .stubs = b->chunk->space->stubs};
    return true;
}

/* PERF: a table for a whole region is 128 KiB, of which a process touches a page. */
static void *
code_table(size_t bytes)
{
    void *const p = gbx_base_os_reserve(bytes);
    if (!p || gbx_base_os_commit(p, bytes)) return p;
    gbx_base_os_unmap(p, bytes);
    return NULL;
}

static void
code_free_tables(code_region *r)
{
    if (r->blocks) gbx_base_os_unmap(r->blocks, r->block_count * sizeof *r->blocks);
    if (r->owners) gbx_base_os_unmap(r->owners, r->block_count * sizeof *r->owners);
}

gbx_code
gbx_runtime_code_region_init(code_region *r, size_t most, u32 ways, gbx_err *err)
{
    *r = (code_region){.pages.fd = -1};
    if (!gbx_base_os_code_open(&r->pages, most, CODE_REGION_LEAST_BYTES, ways))
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET,
                                "the system allows this process no machine code of its own");
    r->block_count = (u32)(r->pages.bytes / OS_CODE_BLOCK_BYTES);
    r->blocks = code_table(r->block_count * sizeof *r->blocks);
    r->owners = code_table(r->block_count * sizeof *r->owners);
    r->range = (fault_range){.start = (uintptr_t)r->pages.exec,
                             .end = (uintptr_t)r->pages.exec + r->pages.bytes,
                             .find = code_find_site};
    if (!r->blocks || !r->owners || !gbx_runtime_fault_register(&r->range)) {
        code_free_tables(r);
        gbx_base_os_code_close(&r->pages);
        *r = (code_region){.pages.fd = -1};
        return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for the table of code");
    }
    int const rc = pthread_mutex_init(&r->lock, NULL);
    GBX_ASSERT(rc == 0);
    return GBX_OK;
}

void
gbx_runtime_code_region_deinit(code_region *r)
{
    if (!r->blocks) return;
    gbx_runtime_fault_unregister(&r->range);
    while (r->free) {
        code_range *const gone = r->free;
        r->free = gone->next;
        gbx_base_free(gone);
    }
    /* In a child the lock may be held by a thread that is not there; it is memory and no more. */
    if (gbx_base_os_code_is_ours(&r->pages)) (void)pthread_mutex_destroy(&r->lock);
    code_free_tables(r);
    gbx_base_os_code_close(&r->pages);
    *r = (code_region){.pages.fd = -1};
}

/* ---- blocks, under lock */

/* Take `count` blocks into *range: of what was given back, the lowest that are long enough, else new ones. */
static bool
code_take_blocks(code_region *r, u32 count, code_range *range, bool *is_reused)
{
    code_range **at = &r->free;
    while (*at && (*at)->count < count) at = &(*at)->next;
    /* Once is enough for all that was given back so far. */
    if (*at && r->free_needs_sync && gbx_base_os_code_sync()) r->free_needs_sync = false;
    *is_reused = *at && !r->free_needs_sync;
    if (*is_reused) {
        code_range *const old = *at;
        *range = (code_range){.first = old->first, .count = count};
        old->first += count;
        old->count -= count;
        if (old->count) return true;
        *at = old->next;
        gbx_base_free(old);
        return true;
    }
    if (count > r->block_count - r->block_next) return false;
    *range = (code_range){.first = r->block_next, .count = count};
    r->block_next += count;
    return true;
}

static void
code_give_blocks(code_region *r, code_range *range)
{
    code_range **at = &r->free;
    code_range *before = NULL;
    while (*at && (*at)->first < range->first) {
        before = *at;
        at = &before->next;
    }
    range->next = *at;
    *at = range;
    code_range *const after = range->next;
    if (after && range->first + range->count == after->first) {
        range->count += after->count;
        range->next = after->next;
        gbx_base_free(after);
    }
    if (before && before->first + before->count == range->first) {
        before->count += range->count;
        before->next = range->next;
        gbx_base_free(range);
    }
}

static code_chunk *
code_chunk_new(code_space *s, size_t bytes)
{
    code_region *const r = s->region;
    u64 const count = ((u64)bytes + OS_CODE_BLOCK_BYTES - 1) / OS_CODE_BLOCK_BYTES;
    code_chunk *const k = gbx_base_alloc_zero(1, sizeof *k);
    code_range *const range = gbx_base_alloc_zero(1, sizeof *range);
    /* The mark first: a fork that begins in between is one too many, never one too few. */
    u64 const fork_mark = gbx_base_os_fork_mark();
    if (!k || !range || count > r->block_count ||
        !code_take_blocks(r, (u32)count, range, &k->is_reused))
        goto none;
    k->range = range;
    k->space = s;
    k->fork_mark = fork_mark;
    if (!gbx_base_os_code_back(&r->pages, code_chunk_at(k), code_chunk_bytes(k))) {
        code_give_blocks(r, range);
        r->free_needs_sync = true;
        gbx_base_free(k);
        return NULL;
    }
    for (u32 i = 0; i < range->count; i++) {
        atomic_store_explicit(&r->blocks[range->first + i], k, memory_order_release);
        atomic_store_explicit(&r->owners[range->first + i], s, memory_order_release);
    }
    r->chunk_bytes += code_chunk_bytes(k);
    s->chunk_bytes += code_chunk_bytes(k);
    k->next = s->chunks;
    s->chunks = k;
    return k;
none:
    gbx_base_free(range);
    gbx_base_free(k);
    return NULL;
}

/* Nothing runs in it. */
static void
code_chunk_free(code_chunk *k)
{
    code_region *const r = k->space->region;
    code_range *const range = k->range;
    for (code_blob *b = atomic_load(&k->blobs), *older; b; b = older) {
        older = b->older;
        gbx_base_free((void *)(uintptr_t)b->table);
        gbx_base_free(b);
    }
    for (u32 i = 0; i < range->count; i++) {
        atomic_store_explicit(&r->owners[range->first + i], NULL, memory_order_release);
        atomic_store_explicit(&r->blocks[range->first + i], NULL, memory_order_release);
    }
    size_t const bytes = code_chunk_bytes(k);
    if (!gbx_base_os_code_is_ours(&r->pages)) {
        gbx_base_free(range); /* the parent's */
    } else if (r->pages.can_sync && gbx_base_os_fork_mark_holds(k->fork_mark)) {
        gbx_base_os_code_drop(&r->pages, code_chunk_at(k), bytes);
        r->chunk_bytes -= bytes;
        r->free_needs_sync = true;
        code_give_blocks(r, range);
    } else {
        /* A child may run it still, so it keeps its memory too; without a child, that goes. */
        if (gbx_base_os_fork_mark_holds(k->fork_mark))
            gbx_base_os_code_drop(&r->pages, code_chunk_at(k), bytes);
        r->chunk_bytes -= bytes;
        r->retired_bytes += bytes;
        gbx_base_free(range);
    }
    gbx_base_free(k);
}

/* ---- spaces and blobs */

void
gbx_runtime_code_space_init(code_space *s, code_region *r)
{
    *s = (code_space){.region = r};
}

void
gbx_runtime_code_space_deinit(code_space *s)
{
    if (!s->region) return;
    code_region *const r = s->region;
    bool const is_ours = gbx_base_os_code_is_ours(&r->pages);
    if (is_ours) (void)pthread_mutex_lock(&r->lock);
    r->code_bytes -= s->code_bytes;
    while (s->chunks) {
        code_chunk *const k = s->chunks;
        s->chunks = k->next;
        code_chunk_free(k);
    }
    if (is_ours) (void)pthread_mutex_unlock(&r->lock);
    *s = (code_space){0};
}

/* Cut `bytes` from the newest chunk or a new one, under lock; NULL: no blocks or no memory. The chunk with
 * more room left stays in front, so that a large function does not close one that is nearly empty. */
static code_chunk *
code_cut(code_space *s, size_t bytes)
{
    code_chunk *const old = s->chunks;
    if (old && code_chunk_bytes(old) - old->used >= bytes) return old;
    code_chunk *const k = code_chunk_new(s, bytes);
    if (k && old && code_chunk_bytes(k) - bytes < code_chunk_bytes(old) - old->used) {
        s->chunks = old;
        k->next = old->next;
        old->next = k;
    }
    return k;
}

gbx_code
gbx_runtime_code_alloc(code_space *s, size_t bytes, code_blob **out, gbx_err *err)
{
    code_region *const r = s->region;
    *out = NULL;
    GBX_ASSERT(bytes > 0);
    if (!gbx_base_os_code_is_ours(&r->pages))
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET,
                                "code memory belongs to the parent of this process");
    if (bytes > r->pages.bytes)
        return gbx_base_err_set(err, GBX_LIMIT, GBX_NO_OFFSET, "code memory is full");
    size_t const reserved = (bytes + r->pages.unit - 1) & ~(r->pages.unit - 1);
    code_blob *const b = gbx_base_alloc_zero(1, sizeof *b);
    if (!b) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for compiled code");

    (void)pthread_mutex_lock(&r->lock);
    code_chunk *const k = code_cut(s, reserved);
    size_t const at = k ? code_chunk_at(k) + k->used : 0;
    if (k) k->used += reserved;
    u64 const unused = (u64)(r->block_count - r->block_next) * OS_CODE_BLOCK_BYTES;
    bool const is_full = !k && reserved > unused; /* what was given back would have been taken first */
    (void)pthread_mutex_unlock(&r->lock);

    u8 *const write = k ? gbx_base_os_code_write_begin(&r->pages, at, reserved) : NULL;
    if (!write) {
        gbx_base_free(b); /* the room is lost until the chunk goes: the system is out of mappings */
        return gbx_base_err_set(err, is_full ? GBX_LIMIT : GBX_NO_MEMORY, GBX_NO_OFFSET,
                                "no code memory for %llu bytes", (unsigned long long)bytes);
    }
    *b = (code_blob){.chunk = k, .exec = r->pages.exec + at, .write = write, .bytes = reserved};
    *out = b;
    return GBX_OK;
}

gbx_code
gbx_runtime_code_finish(code_space *s, code_blob *b, size_t used, gbx_err *err)
{
    code_region *const r = s->region;
    code_chunk *const k = b->chunk;
    GBX_ASSERT(used <= b->bytes && k->space == s);
    size_t const at = (size_t)(b->exec - r->pages.exec);
    size_t const reserved = b->bytes;
    /* A child of the process that allocated it has no view to write to. */
    bool ok = gbx_base_os_code_is_ours(&r->pages) &&
              gbx_base_os_code_write_end(&r->pages, at, reserved, k->is_reused && used);
    ok = ok && used;
    size_t const kept = ok ? (used + r->pages.unit - 1) & ~(r->pages.unit - 1) : 0;
    b->bytes = used;
    b->write = NULL;

    if (gbx_base_os_code_is_ours(&r->pages)) {
        (void)pthread_mutex_lock(&r->lock);
        if (code_chunk_at(k) + k->used == at + reserved) k->used -= reserved - kept;
        if (ok) {
            s->code_bytes += used;
            r->code_bytes += used;
            b->older = atomic_load_explicit(&k->blobs, memory_order_relaxed);
            atomic_store_explicit(&k->blobs, b, memory_order_release);
        }
        (void)pthread_mutex_unlock(&r->lock);
    }
    if (ok) return GBX_OK;
    gbx_base_free((void *)(uintptr_t)b->table);
    gbx_base_free(b);
    if (!used) return GBX_OK;
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "the system refuses to make code executable");
}
