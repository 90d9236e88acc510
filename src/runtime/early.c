/* What a command's first instance needs, made on a thread of its own while others go on.
 *
 * In a command one module is opened and run once. When its sections are decoded, two things are left that
 * have nothing to do with one another: telling whether its functions are valid, or finding it in the code
 * cache, and pages for its memory with its data segments in them. The second is done here; the first
 * instance takes what was made, whatever becomes of it then. Then the page behind the data is touched, where
 * Go's heap begins, and once the instance has code, what an entry of the cache has of it is taken over
 * before it is called.
 *
 * From then on it compiles what becomes warm (tier.c).
 *
 * What must hold: the memory is what instantiation would have made of it. So only where nothing that
 * instantiation writes can trap or depend on an import, and in the order of the segments (image.c). The
 * guest does not see it before the module is known to be valid: nobody has an instance until then.
 *
 * SAFETY: offsets and lengths of segments are compared with the memory before they are written, by image.c;
 * the bytes of segments are not those that validation of bodies writes to. A memory that is larger than the
 * store allows is not begun. What is touched is not changed, whatever the guest does there meanwhile. Code is
 * taken over and compiled as at a call (tier.c). */
#include "base/alloc.h"
#include "base/os_mem.h"
#include "base/os_sync.h"
#include "runtime/runtime_int.h"

#define EARLY_LEAST_SEGMENTS 1000u /* below which waiting for a thread costs what it saves */

/* False: the segments are left to instantiation. */
static bool
early_fill(const gbx_memory *mem, const wasm_module *w, u64 *data_end)
{
    u64 from, bytes;
    bool has_passive = false;
    if (!gbx_runtime_image_is_exact(w, &from, data_end, &bytes, &has_passive)) return false;
    gbx_runtime_image_fill(w, mem->base, 0);
    return true;
}

/* The huge page behind that of the last byte of data. The memory is there until the thread was joined. */
static void
early_touch(const gbx_memory *mem, u64 data_end)
{
    u64 const at = (data_end + MEMORY_HUGE_PAGE_BYTES - 1) & ~(MEMORY_HUGE_PAGE_BYTES - 1);
    if (at < mem->bytes) gbx_base_os_touch(mem->base + at);
}

static void
early_set(module_early *e, u32 stage)
{
    (void)pthread_mutex_lock(&e->lock);
    if (e->stage < stage) e->stage = stage;
    (void)pthread_cond_broadcast(&e->changed);
    (void)pthread_mutex_unlock(&e->lock);
}

static u32
early_wait(module_early *e, u32 stage)
{
    (void)pthread_mutex_lock(&e->lock);
    while (e->stage < stage) (void)pthread_cond_wait(&e->changed, &e->lock);
    u32 const now = e->stage;
    (void)pthread_mutex_unlock(&e->lock);
    return now;
}

/* A function that was asked for; UINT32_MAX: the thread is to end. */
static u32
early_next(module_early *e)
{
    u32 func_idx = UINT32_MAX;
    (void)pthread_mutex_lock(&e->lock);
    while (e->stage < EARLY_ENDS && e->asked_count == 0) (void)pthread_cond_wait(&e->changed, &e->lock);
    if (e->stage < EARLY_ENDS) {
        func_idx = e->asked[e->asked_first];
        e->asked_first = (e->asked_first + 1) % EARLY_ASKED;
        e->asked_count--;
    }
    (void)pthread_mutex_unlock(&e->lock);
    return func_idx;
}

static void *
early_run(void *data)
{
    module_early *const e = data;
    gbx_memory mem = {0};
    u64 data_end = 0;
    e->first(e->first_data);
    (void)pthread_mutex_lock(&e->lock);
    e->is_free = true;
    (void)pthread_cond_broadcast(&e->changed);
    (void)pthread_mutex_unlock(&e->lock);
    if (early_wait(e, EARLY_KNOWN) != EARLY_KNOWN) return NULL;
    u64 const most = e->module->engine->memory_bytes;
    if (gbx_runtime_memory_init(&mem, &e->wasm->memories[0], most, "a memory", NULL) == GBX_OK)
        gbx_runtime_memory_use_huge_pages(&mem);
    e->memory = mem;
    early_set(e, EARLY_MADE);
    e->is_filled = mem.base && early_fill(&mem, e->wasm, &data_end);
    early_set(e, EARLY_FILLED);
    if (e->is_filled) early_touch(&mem, data_end);
    if (early_wait(e, EARLY_RUNS) != EARLY_RUNS) return NULL;
    gbx_runtime_tier_take_ahead(e->module, &e->ends);
    for (u32 func_idx; (func_idx = early_next(e)) != UINT32_MAX;)
        gbx_runtime_tier_compile(e->module, func_idx);
    return NULL;
}

static void
early_free(module_early *e)
{
    (void)pthread_cond_destroy(&e->changed);
    (void)pthread_mutex_destroy(&e->lock);
    gbx_base_free(e);
}

module_early *
gbx_runtime_early_new(void (*first)(void *data), void *data)
{
    module_early *const e = gbx_base_alloc_zero(1, sizeof *e);
    if (!e) return NULL;
    int rc = pthread_mutex_init(&e->lock, NULL);
    rc |= pthread_cond_init(&e->changed, NULL);
    GBX_ASSERT(rc == 0);
    e->first = first;
    e->first_data = data;
    if (gbx_base_os_thread_start(&e->thread, early_run, e)) return e;
    early_free(e);
    return NULL;
}

void
gbx_runtime_early_wait_first(module_early *e)
{
    (void)pthread_mutex_lock(&e->lock);
    while (!e->is_free) (void)pthread_cond_wait(&e->changed, &e->lock);
    (void)pthread_mutex_unlock(&e->lock);
}

void
gbx_runtime_early_begin(module_early *e, gbx_module *m, const wasm_module *w)
{
    bool const is_own = w->memory_count && !w->imported_memories && !w->memories[0].is_64;
    bool const may_be = is_own && w->data_count > EARLY_LEAST_SEGMENTS;
    e->module = m;
    e->wasm = w;
    early_set(e, may_be ? EARLY_KNOWN : EARLY_ENDS);
}

/* The thread is over; what it has made is not. */
static void
early_stop(module_early *e)
{
    if (e->is_stopped) return;
    e->is_stopped = true;
    atomic_store(&e->ends, true);
    early_set(e, EARLY_ENDS);
    (void)pthread_join(e->thread, NULL);
}

void
gbx_runtime_early_stop(gbx_module *m)
{
    if (m->early) early_stop(m->early);
}

void
gbx_runtime_early_end(module_early *e)
{
    if (!e) return;
    early_stop(e);
    gbx_runtime_memory_deinit(&e->memory);
    early_free(e);
}

bool
gbx_runtime_early_take(gbx_module *m, const runtime_limits *limits, gbx_memory *mem)
{
    module_early *const e = m->early;
    if (!e) return false;
    (void)early_wait(e, EARLY_MADE);
    (void)pthread_mutex_lock(&e->lock);
    gbx_memory const made = e->memory;
    e->memory = (gbx_memory){0};
    (void)pthread_mutex_unlock(&e->lock);
    if (!made.base) return false;
    *mem = made;
    if (limits->huge_pages && made.guarded &&
        gbx_runtime_memory_reuse(mem, &m->wasm->memories[0], limits->memory_bytes, "the module's memory",
                                 NULL) == GBX_OK)
        return true;
    early_stop(e); /* nobody touches it any longer */
    gbx_runtime_memory_deinit(mem);
    return false;
}

bool
gbx_runtime_early_wait_filled(gbx_module *m)
{
    (void)early_wait(m->early, EARLY_FILLED);
    return m->early->is_filled;
}

void
gbx_runtime_early_go(gbx_module *m)
{
    early_set(m->early, EARLY_RUNS);
}

bool
gbx_runtime_early_ask(gbx_module *m, u32 func_idx)
{
    module_early *const e = m->early;
    if (!e) return false;
    (void)pthread_mutex_lock(&e->lock);
    bool may_be = e->stage == EARLY_RUNS && e->asked_count < EARLY_ASKED;
    for (u32 i = 0; may_be && i < e->asked_count; i++)
        may_be = e->asked[(e->asked_first + i) % EARLY_ASKED] != func_idx;
    if (may_be) {
        e->asked[(e->asked_first + e->asked_count++) % EARLY_ASKED] = func_idx;
        (void)pthread_cond_broadcast(&e->changed);
    }
    (void)pthread_mutex_unlock(&e->lock);
    return may_be;
}
