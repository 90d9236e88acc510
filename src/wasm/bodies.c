/* All bodies of a module are validated, by several threads where they are many.
 *
 * Threads take runs of functions in ascending order and share nothing that changes: each has a copy of the
 * module's head for what its functions use, an arena for what is kept of them, counts of globals. A function
 * is written to, where sequences are fused, by the thread that validates it alone.
 *
 * What is reported is the failure with the lowest function index, as one thread alone would have: runs below
 * it have been taken by then, and are validated to their end.
 *
 * A module that a verdict vouches for has functions whose side tables nobody has made: each is validated by
 * itself when it is first needed, by the same walk.
 *
 * SPEC: core/valid/modules.html#functions */
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/os_sync.h"
#include "base/text.h"
#include "wasm/validate_int.h"

#define BODIES_THREADS_MOST  16u
#define BODIES_THREAD_BYTES  ((u64)256 << 10) /* of code, below which a thread costs what it saves */
#define BODIES_RUN_BYTES     ((u64)64 << 10)

/* Of u32 before and behind what one thread writes to all the time, so that it shares no line of the cache
 * with what another does. PERF: where counts of globals did, validation took a tenth longer. */
#define BODIES_APART 32u

/* Shared by the threads. */
typedef struct bodies {
    decoder *d;
    wasm_module *m;
    _Atomic u32 next;   /* function that nobody has taken yet */
    _Atomic u32 failed; /* the lowest that is not valid; UINT32_MAX: none */
} bodies;

typedef struct bodies_worker {
    bodies *shared;
    pthread_t thread;
    bool is_started;
    wasm_module m; /* the head, with `uses` of its own: whoever reads those of the module is not disturbed */
    arena arena;
    val v;
    u32 failed; /* the function at which v failed */
} bodies_worker;

static bool
bodies_begin(bodies_worker *w, bodies *shared)
{
    const decoder *const d = shared->d;
    w->shared = shared;
    w->m = *shared->m;
    w->failed = UINT32_MAX;
    w->v = (val){.m = &w->m,
                 .arena = &w->arena,
                 .func_refs = d->func_refs,
                 .has_data_count = d->has_data_count,
                 .data_count = d->data_count,
                 .has_memory32 = w->m.memory_count && !w->m.memories[0].is_64};
    val *const v = &w->v;
    v->types_cap = 1024;
    u8 *const types = gbx_base_alloc_zero(VAL_BELOW + v->types_cap, 1);
    if (!types) return false;
    v->types = types + VAL_BELOW;
    v->types_high = v->types + (v->types_cap - VAL_SLACK);
    v->locals = gbx_base_alloc(WASM_MAX_LOCALS + WASM_MAX_PARAMS, 1);
    v->ctrl_cap = 64;
    v->ctrls = gbx_base_alloc(v->ctrl_cap, sizeof *v->ctrls);
    u32 *const uses = gbx_base_alloc_zero((size_t)w->m.global_count + 2 * BODIES_APART, sizeof *uses);
    v->global_uses = uses ? uses + BODIES_APART : NULL;
    gbx_wasm_val_rows(v);
    return v->locals && v->ctrls && uses;
}

static void
bodies_end(bodies_worker *w)
{
    val *const v = &w->v;
    void *const types = v->types ? v->types - VAL_BELOW : NULL;
    void *const uses = v->global_uses ? v->global_uses - BODIES_APART : NULL;
    void *const owned[] = {types,    v->locals,    v->ctrls,   v->side,       v->targets,
                           v->tries, v->open_tries, v->catches, uses,          v->dispatches};
    for (u32 i = 0; i < GBX_LEN(owned); i++) gbx_base_free(owned[i]);
    gbx_base_arena_deinit(&w->arena);
}

/* The functions [*from, result) are this thread's. */
static u32
bodies_take(bodies *b, u32 *from)
{
    const wasm_module *const m = b->m;
    u32 const count = b->d->declared_funcs;
    u32 first = atomic_load(&b->next), end;
    do {
        u64 bytes = 0;
        for (end = first; end < count && bytes < BODIES_RUN_BYTES; end++)
            bytes += m->codes[end].body_end - m->codes[end].body_off;
    } while (!atomic_compare_exchange_weak(&b->next, &first, end));
    *from = first;
    return end;
}

static void
bodies_fail(bodies *b, u32 func)
{
    u32 lowest = atomic_load(&b->failed);
    while (func < lowest && !atomic_compare_exchange_weak(&b->failed, &lowest, func)) {
    }
}

static void *
bodies_run(void *data)
{
    bodies_worker *const w = data;
    bodies *const b = w->shared;
    u32 first;
    for (;;) {
        u32 const end = bodies_take(b, &first);
        if (first == end) return NULL;
        for (u32 i = first; i < end; i++) {
            if (i >= atomic_load_explicit(&b->failed, memory_order_relaxed)) return NULL;
            if (gbx_wasm_val_body(&w->v, &b->m->codes[i], w->m.imported_funcs + i)) continue;
            w->failed = i;
            bodies_fail(b, i);
            return NULL;
        }
    }
}

static gbx_code
bodies_report(const bodies_worker *w, gbx_err *err)
{
    const val *const v = &w->v;
    u32 const func_idx = w->m.imported_funcs + w->failed;
    rd_name const name = gbx_wasm_func_name(v->m, func_idx);
    char shown[256];
    text_buf t = gbx_base_text_init(shown, sizeof shown);
    gbx_base_text_escape(&t, name.text, name.len, 200);
    u64 const off = (u64)(v->why_at - v->m->bytes);
    (void)gbx_base_err_set(err, v->code, off, "%s at byte 0x%llx", v->why, (unsigned long long)off);
    return gbx_base_err_add(err, v->code, name.len ? "in function %u \"%s\"" : "in function %u", func_idx,
                            shown);
}

/* What the worker has found becomes the module's. */
static void
bodies_merge(wasm_module *m, decoder *d, bodies_worker *w)
{
    m->uses |= w->m.uses;
    d->uses_data_idx = d->uses_data_idx || w->v.uses_data_idx;
    for (u32 i = 0; i < m->global_count; i++) m->globals[i].uses += w->v.global_uses[i];
    gbx_base_arena_join(&m->arena, &w->arena);
}

/* How many threads are worth it. */
static u32
bodies_threads(const decoder *d)
{
    u64 const useful = d->m->code_bytes / BODIES_THREAD_BYTES;
    u32 const allowed = d->threads ? d->threads : gbx_base_os_processors();
    return (u32)max_u64(min_u64(min_u64(useful, allowed), BODIES_THREADS_MOST), 1);
}

gbx_code
gbx_wasm_validate_bodies(decoder *d)
{
    wasm_module *const m = d->m;
    bodies shared = {.d = d, .m = m, .failed = UINT32_MAX};
    u32 count = bodies_threads(d);
    gbx_code code = GBX_OK;
    m->fuse_set = gbx_wasm_fuse_choose(m);
    bodies_worker *const workers = gbx_base_alloc_zero(count, sizeof *workers);
    if (!workers || !bodies_begin(&workers[0], &shared)) {
        code = gbx_base_err_set(d->err, GBX_NO_MEMORY, GBX_NO_OFFSET, "out of memory");
        goto out;
    }
    for (u32 i = 1; i < count; i++) /* without those that the system refuses it takes longer */
        workers[i].is_started = bodies_begin(&workers[i], &shared) &&
                                gbx_base_os_thread_start(&workers[i].thread, bodies_run, &workers[i]);
    gbx_wasm_find_probes(m); /* reads data, and nothing that the others write */
    (void)bodies_run(&workers[0]);
    for (u32 i = 1; i < count; i++)
        if (workers[i].is_started) (void)pthread_join(workers[i].thread, NULL);
    u32 const failed = atomic_load(&shared.failed);
    for (u32 i = 0; i < count; i++) {
        if (failed != UINT32_MAX && workers[i].failed == failed) code = bodies_report(&workers[i], d->err);
        if (i == 0 || workers[i].is_started) bodies_merge(m, d, &workers[i]);
    }
    if (code == GBX_OK && m->uses & WASM_GENERAL_USES &&
        m->fuse_set != WASM_FUSE_NONE) { /* found in a body */
        gbx_wasm_fuse_undo(m);
        m->fuse_set = WASM_FUSE_NONE;
    }
out:
    for (u32 i = 0; i < count && workers; i++) bodies_end(&workers[i]);
    gbx_base_free(workers);
    return code;
}

/* ---- Again, one by one */

/* The validator that is kept for it, and what it has kept. */
struct wasm_again {
    bodies_worker worker;
    u8 *func_refs; /* owned */
};

void
gbx_wasm_again_free(struct wasm_again *a)
{
    if (!a) return;
    bodies_end(&a->worker);
    gbx_base_free(a->func_refs);
    gbx_base_free(a);
}

/* As the decoder left it: the module is valid, so that every function that an instruction refers to may be
 * referred to, and data segments that are named have been counted. */
static struct wasm_again *
bodies_again(wasm_module *m)
{
    struct wasm_again *const a = gbx_base_alloc_zero(1, sizeof *a);
    if (!a) return NULL;
    a->func_refs = gbx_base_alloc(m->func_count, 1);
    decoder d = {.m = m, .func_refs = a->func_refs, .has_data_count = true, .data_count = m->data_count};
    bodies shared = {.d = &d, .m = m};
    if (a->func_refs && bodies_begin(&a->worker, &shared)) {
        memset(a->func_refs, 1, m->func_count);
        return a;
    }
    gbx_wasm_again_free(a);
    return NULL;
}

bool
gbx_wasm_make_ready(wasm_module *m, u32 func_idx)
{
    wasm_code *const c = &m->codes[func_idx - m->imported_funcs];
    if (wasm_code_is_ready(c)) return true;
    if (!m->again) m->again = bodies_again(m);
    if (!m->again) return false;
    val *const v = &m->again->worker.v;
    wasm_code made = *c;
    v->why = NULL;
    if (!gbx_wasm_val_body(v, &made, func_idx)) return false;
    c->entry = made.entry;
    c->side = made.side;
    c->side_count = made.side_count;
    __atomic_store_n(&c->local_count, made.local_count, __ATOMIC_RELAXED);
    c->insns_off = made.insns_off;
    c->has_v128 = made.has_v128;
    c->tries = made.tries;
    c->try_count = made.try_count;
    c->catches = made.catches;
    c->catch_count = made.catch_count;
    __atomic_store_n(&c->stack_max, made.stack_max, __ATOMIC_RELEASE);
    return true;
}
