/* The bytes of a module by pieces: read from a file, and tagged for the code cache, by several threads where
 * they are many. A tag of all bytes is one over the tags of the pieces, so that how many threads took part
 * does not show.
 *
 * Each thread reads, beginning with a part of its own, and the others go on to tag what is there; who began
 * decodes sections when all is read, and comes back to tag what is left when it wants the tags.
 *
 * PERF: reading and tagging the 2.6 MB of hello first and decoding then takes 2.9 ms, this 1.9.
 *
 * What must hold: nobody writes to the bytes, or moves them, between the beginning and the end.
 *
 * SAFETY: threads write to pieces of the one buffer that are theirs alone. A file that ends early, because
 * another process cuts it, makes the whole reading fail. */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/os_file.h"
#include "base/os_sync.h"
#include "runtime/runtime_int.h"

#define PIECES_THREADS_MOST 16u
#define PIECES_THREAD_BYTES ((u64)1 << 20) /* below which a thread costs what it saves */

static const char pieces_domain[8] = "gbxpiec2";

enum { PIECE_MISSING, PIECE_TAKEN, PIECE_THERE };

struct module_pieces {
    mac_key key; /* of pieces */
    int fd;
    u8 *bytes;
    size_t from, len;
    u32 count;
    _Atomic u32 next_tag, next_thread;
    _Atomic bool failed; /* to read; nobody goes on then */
    _Atomic u8 *states;  /* whether a piece was read */
    mac_tag *tags; /* NULL: not wanted */
    u32 useful, started;
    pthread_t threads[PIECES_THREADS_MOST];
    module_early *early; /* one more; NULL: there is none */
    bool early_is_given;
};

u32
gbx_runtime_pieces_count(size_t len)
{
    return (u32)((len + RUNTIME_PIECE_BYTES - 1) / RUNTIME_PIECE_BYTES);
}

/* A piece that nobody has taken yet, from `*next` on and round. False: there is none, or they cannot be
 * read. */
static bool
pieces_read_one(module_pieces *p, u32 *next)
{
    u32 left = p->count;
    if (atomic_load(&p->failed)) return false;
    for (u8 free_one = PIECE_MISSING; left; left--, free_one = PIECE_MISSING) {
        if (atomic_compare_exchange_strong(&p->states[*next], &free_one, PIECE_TAKEN)) break;
        *next = *next + 1 < p->count ? *next + 1 : 0;
    }
    if (!left) return false;
    size_t const at = (size_t)*next * RUNTIME_PIECE_BYTES;
    size_t const end = (size_t)min_u64(at + RUNTIME_PIECE_BYTES, p->len);
    size_t const missing = max_u64(at, min_u64(p->from, end));
    if (p->fd >= 0 && !gbx_base_os_read_at(p->fd, p->bytes + missing, end - missing, missing))
        atomic_store(&p->failed, true);
    else atomic_store_explicit(&p->states[*next], PIECE_THERE, memory_order_release);
    return true;
}

/* The piece is there; reads others meanwhile. False: they cannot be read. */
static bool
pieces_wait(module_pieces *p, u32 i)
{
    u32 next = i;
    while (atomic_load_explicit(&p->states[i], memory_order_acquire) != PIECE_THERE) {
        if (atomic_load(&p->failed)) return false;
        if (!pieces_read_one(p, &next)) (void)sched_yield(); /* another thread is reading it */
    }
    return true;
}

static void
pieces_tag(module_pieces *p)
{
    for (u32 i; p->tags && (i = atomic_fetch_add(&p->next_tag, 1)) < p->count;) {
        if (!pieces_wait(p, i)) return;
        size_t const at = (size_t)i * RUNTIME_PIECE_BYTES;
        size_t const end = (size_t)min_u64(at + RUNTIME_PIECE_BYTES, p->len);
        mac_part const parts[] = {{p->bytes + at, end - at}};
        gbx_base_mac(&p->key, parts, GBX_LEN(parts), &p->tags[i]);
    }
}

/* PERF: each thread begins with a part of its own. Two that touch a huge page first at once both clear one,
 * and one of those is thrown away. */
static void
pieces_read(module_pieces *p)
{
    u32 next = (u32)((u64)atomic_fetch_add(&p->next_thread, 1) * p->count / p->useful) % p->count;
    while (pieces_read_one(p, &next)) {
    }
}

static void
pieces_run(void *data)
{
    pieces_read(data);
    pieces_tag(data);
}

static void *
pieces_thread(void *data)
{
    pieces_run(data);
    return NULL;
}

static void
pieces_join(module_pieces *p)
{
    if (p->early) gbx_runtime_early_wait_first(p->early);
    for (; p->started; p->started--) (void)pthread_join(p->threads[p->started - 1], NULL);
}

module_pieces *
gbx_runtime_pieces_begin(const gbx_engine *e, const cache_dir *d, int fd, u8 *bytes, size_t from, size_t len)
{
    module_pieces *const p = gbx_base_alloc_zero(1, sizeof *p);
    if (!p) return NULL;
    p->fd = fd;
    p->bytes = bytes;
    p->from = from;
    p->len = len;
    p->count = gbx_runtime_pieces_count(len);
    p->states = gbx_base_alloc_zero(p->count, sizeof *p->states);
    p->tags = d->is_open ? gbx_base_alloc(p->count, sizeof *p->tags) : NULL;
    if (p->tags) gbx_base_mac_subkey(&d->key, pieces_domain, &p->key);
    if (!p->states || (d->is_open && !p->tags)) {
        gbx_runtime_pieces_end(p);
        return NULL;
    }
    u32 const allowed = e->threads ? e->threads : gbx_base_os_processors();
    u64 const most = min_u64(min_u64(len / PIECES_THREAD_BYTES, allowed), PIECES_THREADS_MOST);
    p->useful = (u32)max_u64(most, 1);
    atomic_store(&p->next_thread, 1); /* whoever begins is the first */
    if (e->is_command && p->useful > 1) p->early = gbx_runtime_early_new(pieces_run, p);
    while (p->started + 1 + !!p->early < p->useful &&
           gbx_base_os_thread_start(&p->threads[p->started], pieces_thread, p))
        p->started++;
    return p;
}

bool
gbx_runtime_pieces_read(module_pieces *p)
{
    u32 next = 0;
    while (pieces_read_one(p, &next)) {
    }
    for (u32 i = 0; i < p->count; i++)
        if (!pieces_wait(p, i)) return false;
    return true;
}

const mac_tag *
gbx_runtime_pieces_tags(module_pieces *p)
{
    pieces_tag(p);
    pieces_join(p);
    return atomic_load(&p->failed) ? NULL : p->tags;
}

module_early *
gbx_runtime_pieces_give_early(module_pieces *p)
{
    p->early_is_given = true;
    return p->early;
}

void
gbx_runtime_pieces_end(module_pieces *p)
{
    if (!p) return;
    atomic_store(&p->next_tag, p->count);
    pieces_join(p);
    if (!p->early_is_given) gbx_runtime_early_end(p->early);
    gbx_base_free((void *)p->states);
    gbx_base_free(p->tags);
    explicit_bzero(&p->key, sizeof p->key);
    gbx_base_free(p);
}
