/* What is kept of engines and modules after their last release; see gbx/keep.h.
 *
 * Compiled code, canonical types, the pool of instances and the compiler's lock belong to an engine, and a
 * module to its engine, so it is the engine that outlives its host, with the modules that it keeps. It
 * is given to one host at a time: what it counts, and how large its pool is, is that host's.
 *
 * An entry stands for the bytes of one module in one engine, from the moment somebody begins to compile
 * them. It is busy while the module is made, or put right after its last release; who wants it then
 * waits. An idle module holds no reference to its engine: it goes at the latest with it.
 *
 * What must hold: references of a module that has an entry, and of an engine that keeps, go from 1 to 0 and
 * from 0 to 1 under the lock alone; nothing is freed or compiled under it. What expires is unlinked
 * under the lock and freed behind it.
 *
 * SAFETY: bytes are told apart by BLAKE3 over all of them, 256 bits, with the key of the code cache or
 * one that everybody knows: a guest that could make two modules of one hash would run under the identity
 * of the other, and nobody can. A build without BLAKE3 shares nothing.
 *
 * What was asked for is remembered by its content for longer than anything is kept, in a table of fixed size,
 * so that a host which compiles for each request can be told, whether keeping spared it the work or not.
 *
 * Forks. What a parent kept is not touched in its child, where its threads are missing and its code
 * memory is shared with the parent. */
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_sync.h"
#include "runtime/runtime_int.h"

enum {
#define KEEP_LIMIT(name, value, meaning) KEEP_##name = (value),
#include "runtime/keep.def"
#undef KEEP_LIMIT
};

struct keep_entry {
    map_node node;
    mac_tag id;
    gbx_module *module; /* NULL while it is made for the first time */
    gbx_engine *engine;
    bool is_busy;
    bool is_idle;
    u64 since_ns, bytes; /* of one that is idle */
    keep_entry *newer, *older;
};

/* A module as bytes that somebody wanted, whether it is still there or not. */
typedef struct keep_seen {
    mac_tag id;
    u64 asked, made; /* how often it was wanted, and compiled; asked 0: a free row */
    u64 last;        /* of keep.asked_ever: the row that was wanted longest ago is taken for another */
    u64 len;
} keep_seen;

static struct {
    pthread_mutex_t lock; /* of this, of all entries, and of gbx_engine.keep */
    pthread_cond_t quiet; /* something is no longer busy */
    gbx_engine *engines;  /* that keep, alive or kept; newest first */
    gbx_kept counts;      /* but for those of what is there now */
    keep_seen seen[KEEP_SEEN];
    u64 asked_ever;
} keep = {.lock = PTHREAD_MUTEX_INITIALIZER, .quiet = PTHREAD_COND_INITIALIZER};

/* What is to be freed once the lock is left. */
typedef struct keep_gone {
    keep_entry *modules; /* by `older`; their engines are alive, and retained */
    gbx_engine *engines; /* by keep.next */
} keep_gone;

static void
keep_lock(void)
{
    (void)pthread_mutex_lock(&keep.lock);
}

static void
keep_unlock(void)
{
    (void)pthread_mutex_unlock(&keep.lock);
}

/* ---- Modules that nobody has */

static void
keep_idle_remove(keep_entry *k)
{
    keep_engine *const e = &k->engine->keep;
    *(k->newer ? &k->newer->older : &e->newest) = k->older;
    *(k->older ? &k->older->newer : &e->oldest) = k->newer;
    k->newer = k->older = NULL;
    k->is_idle = false;
    e->idle_count--;
    e->idle_bytes -= k->bytes;
}

static void
keep_idle_add(keep_entry *k, u64 now_ns)
{
    keep_engine *const e = &k->engine->keep;
    k->is_idle = true;
    k->since_ns = now_ns;
    k->newer = NULL;
    k->older = e->newest;
    *(e->newest ? &e->newest->newer : &e->oldest) = k;
    e->newest = k;
    e->idle_count++;
    e->idle_bytes += k->bytes;
}

/* Those of an engine that is alive which are overdue or too many. */
static void
keep_sweep_modules(gbx_engine *e, u64 now_ns, bool all, keep_gone *gone)
{
    keep_engine *const of = &e->keep;
    for (keep_entry *k; (k = of->oldest);) {
        bool const is_over = of->idle_count > KEEP_MODULES || of->idle_bytes > KEEP_BYTES;
        if (!all && !is_over && now_ns - k->since_ns < of->keep_ns) return;
        keep_idle_remove(k);
        gbx_base_map_remove(&of->entries, &k->node);
        (void)gbx_runtime_engine_retain(e);
        k->older = gone->modules;
        gone->modules = k;
        keep.counts.modules_dropped++;
    }
}

static void
keep_unlink_engine(gbx_engine *e)
{
    for (gbx_engine **at = &keep.engines; *at; at = &(*at)->keep.next) {
        if (*at != e) continue;
        *at = e->keep.next;
        e->keep.next = NULL;
        return;
    }
}

/* Under the lock. The list is newest first by when they were made; few enough to be walked. */
static keep_gone
keep_sweep(bool all)
{
    keep_gone gone = {0};
    u64 const now_ns = gbx_base_os_now_ns();
    pid_t const pid = getpid();
    u32 kept = 0;
    for (gbx_engine *e = keep.engines; e; e = e->keep.next)
        kept += e->keep.is_kept && e->keep.pid == pid;
    for (gbx_engine *e = keep.engines, *next; e; e = next) {
        next = e->keep.next;
        if (e->keep.pid != pid || e->keep.is_busy) continue;
        if (!e->keep.is_kept) {
            keep_sweep_modules(e, now_ns, all, &gone);
        } else if (all || now_ns - e->keep.since_ns >= e->keep.keep_ns) {
            keep_unlink_engine(e);
            e->keep.next = gone.engines;
            gone.engines = e;
            kept--;
        }
    }
    while (kept > KEEP_ENGINES) {
        gbx_engine *oldest = NULL;
        for (gbx_engine *e = keep.engines; e; e = e->keep.next) {
            bool const may_go = e->keep.is_kept && !e->keep.is_busy && e->keep.pid == pid;
            if (may_go && (!oldest || e->keep.since_ns < oldest->keep.since_ns)) oldest = e;
        }
        if (!oldest) break;
        keep_unlink_engine(oldest);
        oldest->keep.next = gone.engines;
        gone.engines = oldest;
        kept--;
    }
    for (gbx_engine *e = gone.engines; e; e = e->keep.next) {
        keep.counts.engines_dropped++;
        keep.counts.modules_dropped += e->keep.idle_count;
    }
    return gone;
}

/* Not under the lock. */
static void
keep_free(keep_gone gone)
{
    for (keep_entry *k = gone.modules, *next; k; k = next) {
        gbx_engine *const e = k->engine;
        next = k->older;
        gbx_runtime_module_free(k->module);
        gbx_base_free(k);
        gbx_runtime_engine_release(e);
    }
    for (gbx_engine *e = gone.engines, *next; e; e = next) {
        next = e->keep.next;
        gbx_runtime_engine_free(e);
    }
}

void
gbx_runtime_keep_trim(bool all)
{
    keep_lock();
    keep_gone const gone = keep_sweep(all);
    if (all) memset(keep.seen, 0, sizeof keep.seen);
    keep_unlock();
    keep_free(gone);
}

/* ---- Engines */

/* Equal in everything that an engine does, or keeps of what it was told: all of it but the name of the
 * cache's directory, whose key says which it is. Whatever is added to the options counts, without a word
 * here. */
static bool
keep_is_same(const gbx_engine *e, const gbx_engine_opts *opts, const cache_dir *cache)
{
    gbx_engine_opts given = *opts;
    given.cache_dir = NULL;
    if (memcmp(&e->keep.opts, &given, sizeof given) != 0 || e->cache.is_open != cache->is_open) return false;
    return !cache->is_open || memcmp(&e->cache.key, &cache->key, sizeof cache->key) == 0;
}

gbx_engine *
gbx_runtime_keep_take(const gbx_engine_opts *opts, const cache_dir *cache)
{
    if (opts->keep_ms == GBX_KEEP_OFF) return NULL;
    pid_t const pid = getpid();
    keep_lock();
    keep_gone const gone = keep_sweep(false);
    gbx_engine *e = keep.engines;
    while (e && !(e->keep.is_kept && !e->keep.is_busy && e->keep.pid == pid && keep_is_same(e, opts, cache)))
        e = e->keep.next;
    if (e) {
        e->keep.is_kept = false;
        atomic_store_explicit(&e->refs, 1, memory_order_relaxed);
        keep.counts.engines_reused++;
    }
    keep_unlock();
    keep_free(gone);
    return e;
}

/* A cache that could not be opened may be there the next time. */
void
gbx_runtime_keep_begin(gbx_engine *e, const gbx_engine_opts *opts)
{
    bool const has_cache = !opts->cache_dir || e->cache.is_open;
    if (opts->keep_ms == GBX_KEEP_OFF || !has_cache || !gbx_base_mac_works()) return;
    keep_engine *const k = &e->keep;
    k->opts = *opts;
    k->opts.cache_dir = NULL;
    k->keep_ns = (u64)(opts->keep_ms ? opts->keep_ms : KEEP_MS) * 1000000u;
    k->pid = getpid();
    k->is_on = true;
    keep_lock();
    k->next = keep.engines;
    keep.engines = e;
    keep_unlock();
}

void
gbx_runtime_keep_spoil(gbx_engine *e)
{
    e->keep.is_spoilt = true;
}

void
gbx_runtime_keep_release_engine(gbx_engine *e)
{
    u64 refs = atomic_load_explicit(&e->refs, memory_order_relaxed);
    while (refs > 1)
        if (atomic_compare_exchange_weak_explicit(&e->refs, &refs, refs - 1, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return;
    keep_lock();
    bool const is_last = atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1;
    bool const goes = is_last && (e->keep.is_spoilt || e->keep.pid != getpid());
    if (is_last) e->keep.is_busy = true;
    if (goes) keep_unlink_engine(e);
    keep_unlock();
    if (!is_last) return;
    if (goes) {
        gbx_runtime_engine_free(e);
        return;
    }
    gbx_runtime_engine_rest(e);
    keep_lock();
    e->keep.is_busy = false;
    e->keep.is_kept = true;
    e->keep.since_ns = gbx_base_os_now_ns();
    keep_gone const gone = keep_sweep(false);
    keep_unlock();
    keep_free(gone);
}

/* ---- Modules */

const cache_dir *
gbx_runtime_keep_tagger(const gbx_engine *e)
{
    return e->keep.is_on && !e->cache.is_open ? &gbx_runtime_cache_nobodys : &e->cache;
}

mac_tag
gbx_runtime_keep_id(const gbx_engine *e, const mac_tag *tags, size_t len, const mac_tag *code)
{
    struct {
        char domain[8];
        u64 len, has_code;
        mac_tag code;
    } made_for = {.domain = "gbxkeep1", .len = len, .has_code = code != NULL};
    if (code) made_for.code = *code;
    mac_part const parts[] = {{&made_for, sizeof made_for},
                              {tags, gbx_runtime_pieces_count(len) * sizeof *tags}};
    mac_tag id;
    gbx_base_mac(&gbx_runtime_keep_tagger(e)->key, parts, GBX_LEN(parts), &id);
    return id;
}

/* The row of what has this id, or one that it may have; under the lock. */
static keep_seen *
keep_seen_row(const mac_tag *id)
{
    keep_seen *row = keep.seen;
    for (keep_seen *s = keep.seen; s < GBX_END(keep.seen); s++) {
        if (s->asked && memcmp(&s->id, id, sizeof *id) == 0) return s;
        if (s->last < row->last) row = s;
    }
    *row = (keep_seen){.id = *id};
    return row;
}

static keep_seen *
keep_seen_ask(const mac_tag *id, u64 len)
{
    keep_seen *const s = keep_seen_row(id);
    s->asked++;
    s->last = ++keep.asked_ever;
    s->len = len;
    return s;
}

static keep_entry *
keep_find(gbx_engine *e, const mac_tag *id, u64 hash)
{
    for (map_node *n = gbx_base_map_first(&e->keep.entries, hash); n; n = gbx_base_map_next(n)) {
        keep_entry *const k = MAP_ENTRY(n, keep_entry, node);
        if (memcmp(&k->id, id, sizeof *id) == 0) return k;
    }
    return NULL;
}

static gbx_module *
keep_hand_out(keep_entry *k)
{
    gbx_module *const m = k->module;
    if (!k->is_idle) {
        keep.counts.modules_shared++;
        return gbx_runtime_module_retain(m);
    }
    keep_idle_remove(k);
    keep.counts.modules_reused++;
    atomic_store_explicit(&m->refs, 1, memory_order_relaxed);
    (void)gbx_runtime_engine_retain(k->engine);
    return m;
}

gbx_module *
gbx_runtime_keep_find(gbx_engine *e, const mac_tag *id, keep_entry **mine)
{
    gbx_module *m = NULL;
    keep_entry *k;
    *mine = NULL;
    keep_lock();
    keep_gone const gone = keep_sweep(false);
    u64 const hash = gbx_base_map_hash(&e->keep.entries, 0, id, sizeof *id);
    while ((k = keep_find(e, id, hash)) && k->is_busy) (void)pthread_cond_wait(&keep.quiet, &keep.lock);
    if (k) {
        m = keep_hand_out(k);
        (void)keep_seen_ask(id, m->wasm->len);
    } else if ((k = gbx_base_alloc_zero(1, sizeof *k))) {
        k->id = *id;
        k->engine = e;
        k->is_busy = true;
        if (gbx_base_map_add(&e->keep.entries, &k->node, hash)) *mine = k;
        else gbx_base_free(k);
    }
    keep_unlock();
    keep_free(gone);
    return m;
}

void
gbx_runtime_keep_made(keep_entry *mine, gbx_module *m)
{
    if (!mine) return;
    keep_lock();
    mine->is_busy = false;
    if (m) {
        keep_seen *const seen = keep_seen_ask(&mine->id, m->wasm->len);
        keep.counts.modules_compiled_again += seen->made++ > 0;
        mine->module = m;
        m->kept = mine;
    } else {
        gbx_base_map_remove(&mine->engine->keep.entries, &mine->node);
    }
    (void)pthread_cond_broadcast(&keep.quiet);
    keep_unlock();
    if (!m) gbx_base_free(mine);
}

void
gbx_runtime_keep_release(gbx_module *m)
{
    keep_entry *const k = m->kept;
    gbx_engine *const e = m->engine;
    u64 refs = atomic_load_explicit(&m->refs, memory_order_relaxed);
    while (refs > 1)
        if (atomic_compare_exchange_weak_explicit(&m->refs, &refs, refs - 1, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return;
    keep_lock();
    bool const is_last = atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1;
    if (is_last) k->is_busy = true;
    keep_unlock();
    if (!is_last) return;
    gbx_runtime_module_rest(m);
    u64 const bytes = gbx_runtime_module_bytes(m);
    keep_lock();
    k->is_busy = false;
    k->bytes = bytes;
    keep_idle_add(k, gbx_base_os_now_ns());
    keep_gone const gone = keep_sweep(false);
    (void)pthread_cond_broadcast(&keep.quiet);
    keep_unlock();
    keep_free(gone);
    gbx_runtime_engine_release(e);
}

void
gbx_runtime_keep_end(gbx_engine *e)
{
    for (map_node *n; (n = gbx_base_map_pop(&e->keep.entries));) {
        keep_entry *const k = MAP_ENTRY(n, keep_entry, node);
        gbx_runtime_module_free(k->module);
        gbx_base_free(k);
    }
}

void
gbx_runtime_keep_of(const gbx_engine *e, u64 *modules, u64 *bytes)
{
    keep_lock();
    *modules = e->keep.idle_count;
    *bytes = e->keep.idle_bytes;
    keep_unlock();
}

void
gbx_runtime_keep_count(gbx_kept *out)
{
    pid_t const pid = getpid();
    keep_lock();
    *out = keep.counts;
    for (const gbx_engine *e = keep.engines; e; e = e->keep.next) {
        if (e->keep.pid != pid) continue;
        out->engines += e->keep.is_kept;
        out->modules += e->keep.idle_count;
        out->bytes += e->keep.idle_bytes;
    }
    keep_unlock();
}

bool
gbx_runtime_keep_again(keep_again *out)
{
    const keep_seen *worst = keep.seen;
    keep_lock();
    for (const keep_seen *s = keep.seen; s < GBX_END(keep.seen); s++)
        if (s->asked > worst->asked) worst = s;
    *out = (keep_again){.asked = worst->asked, .made = worst->made, .len = worst->len};
    keep_unlock();
    return out->asked > KEEP_AGAIN;
}
