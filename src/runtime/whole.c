/* All functions of a module, compiled at once and by several threads, for a file that is given away.
 *
 * Functions are taken in runs, in the order of the module. Within a run, each is compiled against the cells
 * as they were before it, by whichever thread is free, each with a space of its own; then one thread
 * publishes the run in order. So what the code is depends on the module alone, and not on the threads, and
 * nothing changes while it is read (RULE: S5).
 *
 * The compiler's lock is held all the while: other threads of the engine go on interpreting. */
#include <string.h>

#include "base/alloc.h"
#include "base/os_sync.h"
#include "runtime/runtime_int.h"

#define WHOLE_THREADS_MOST 16u
#define WHOLE_THREAD_BYTES ((u64)64 << 10)  /* of bodies, below which a thread costs what it saves */
#define WHOLE_RUN_BYTES    ((u64)512 << 10) /* of bodies: a run is long enough to keep all threads busy */
#define WHOLE_RUN_FUNCS    1024u

/* What became of a function of the run. */
typedef struct whole_made {
    codegen_out out; /* points into block */
    u8 *block;       /* owned */
    u32 why;         /* TIER_REFUSED_ and what the compiler lacks; 0: nothing */
    u64 spent_ns;
} whole_made;

/* Shared by the threads. */
typedef struct whole {
    const module_code *mc;
    whole_made *made;
    u32 from, to;     /* functions, by index among those with a body */
    _Atomic u32 next; /* that nobody has taken yet */
} whole;

typedef struct whole_worker {
    whole *shared;
    codegen_space *space;
    pthread_t thread;
    bool is_started;
} whole_worker;

static const void *
whole_move(u8 **to, const void *items, u32 count, size_t bytes)
{
    u8 *const at = *to;
    if (count) memcpy(at, items, count * bytes);
    *to = at + ((count * bytes + 7) & ~(size_t)7);
    return at;
}

/* Into memory of its own: what the space has is valid until it is used again. */
static bool
whole_copy(whole_made *made, const codegen_out *out)
{
    size_t const bytes = out->reloc_count * sizeof *out->relocs + out->row_count * sizeof *out->rows +
                         out->head_count * sizeof *out->heads + out->len + 4 * sizeof(u64);
    made->out = *out;
    made->block = gbx_base_alloc(bytes, 1);
    if (!made->block) return false;
    u8 *at = made->block;
    made->out.relocs = whole_move(&at, out->relocs, out->reloc_count, sizeof *out->relocs);
    made->out.rows = whole_move(&at, out->rows, out->row_count, sizeof *out->rows);
    made->out.heads = whole_move(&at, out->heads, out->head_count, sizeof *out->heads);
    made->out.bytes = whole_move(&at, out->bytes, out->len, 1);
    return true;
}

static void *
whole_work(void *data)
{
    whole_worker *const w = data;
    whole *const s = w->shared;
    const wasm_module *const m = s->mc->env.m;
    for (;;) {
        u32 const i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
        if (i >= s->to) return NULL;
        whole_made *const made = &s->made[i - s->from];
        codegen_out out = {0};
        u64 const begun_ns = gbx_base_os_now_ns();
        *made = (whole_made){.why = TIER_REFUSED_MEMORY};
        if (gbx_codegen_compile(w->space, &s->mc->env, &m->codes[i], &out) == GBX_OK)
            made->why = out.beyond ? out.beyond : whole_copy(made, &out) ? 0 : TIER_REFUSED_MEMORY;
        made->spent_ns = gbx_base_os_now_ns() - begun_ns;
    }
}

/* The end of the run that begins at `from`. */
static u32
whole_run_end(const wasm_module *w, u32 from, u32 count)
{
    u64 bytes = 0;
    u32 to = from;
    while (to < count && to - from < WHOLE_RUN_FUNCS && bytes < WHOLE_RUN_BYTES) {
        bytes += w->codes[to].body_end - w->codes[to].body_off;
        to++;
    }
    return to;
}

static void
whole_run(whole *s, whole_worker *workers, u32 count)
{
    atomic_store(&s->next, s->from);
    for (u32 i = 1; i < count; i++) /* without those that the system refuses it takes longer */
        workers[i].is_started = gbx_base_os_thread_start(&workers[i].thread, whole_work, &workers[i]);
    (void)whole_work(&workers[0]);
    for (u32 i = 1; i < count; i++)
        if (workers[i].is_started) (void)pthread_join(workers[i].thread, NULL);
}

/* How many threads are worth it. */
static u32
whole_threads(const gbx_engine *e, const wasm_module *w)
{
    u32 const allowed = e->threads ? e->threads : gbx_base_os_processors();
    u64 const useful = max_u64(w->code_bytes / WHOLE_THREAD_BYTES, 1);
    return (u32)min_u64(min_u64(useful, allowed), WHOLE_THREADS_MOST);
}

/* Under the lock, in an open module. */
static gbx_code
whole_all(gbx_module *m, gbx_progress_fn progress, void *data, gbx_err *err)
{
    runtime_compiler *const c = &m->engine->compiler;
    module_code *const mc = &m->code;
    const wasm_module *const w = m->wasm;
    u32 const funcs = w->func_count - w->imported_funcs, threads = whole_threads(m->engine, w);
    whole_worker *const workers = gbx_base_alloc_zero(threads, sizeof *workers);
    whole s = {.mc = mc, .made = gbx_base_alloc_zero(WHOLE_RUN_FUNCS, sizeof *s.made)};
    u32 count = 0;
    gbx_code code = GBX_OK;
    while (workers && count < threads && (workers[count].space = gbx_codegen_space_new()))
        workers[count++].shared = &s;
    bool is_short = !count || !s.made;
    for (s.from = 0; !is_short && s.from < funcs; s.from = s.to) {
        s.to = whole_run_end(w, s.from, funcs);
        if (progress) progress(data, s.from, funcs);
        whole_run(&s, workers, count);
        for (u32 i = s.from; i < s.to; i++) {
            whole_made *const made = &s.made[i - s.from];
            u32 const why =
                    gbx_runtime_tier_settle(c, mc, &w->codes[i], &made->out, made->why, made->spent_ns);
            gbx_base_free(made->block);
            is_short = is_short || why & TIER_REFUSED_MEMORY;
        }
    }
    if (is_short)
        code = gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory to compile a module");
    else if (progress) progress(data, funcs, funcs);
    for (u32 i = 0; i < count; i++) gbx_codegen_space_free(workers[i].space);
    gbx_base_free(workers);
    gbx_base_free(s.made);
    return code;
}

/* RULE: S3. Whether a memory of the module's would have guards here, as it is where the file is run. */
static bool
whole_is_guarded(const wasm_module *w)
{
    gbx_memory trial = {0};
    if (!w->memory_count || w->memories[0].is_64) return !w->memory_count;
    wasm_limits type = w->memories[0];
    type.min = 0;
    if (gbx_runtime_memory_init(&trial, &type, UINT64_MAX, "a memory", NULL) != GBX_OK) return false;
    bool const is_guarded = trial.guarded;
    gbx_runtime_memory_deinit(&trial);
    return is_guarded;
}

gbx_code
gbx_runtime_whole_compile(gbx_module *m, gbx_progress_fn progress, void *data, gbx_err *err)
{
    runtime_compiler *const c = &m->engine->compiler;
    bool const is_guarded = whole_is_guarded(m->wasm);
    (void)pthread_mutex_lock(&c->lock);
    gbx_code code = GBX_OK;
    if (gbx_runtime_tier_open(m, is_guarded)) code = whole_all(m, progress, data, err);
    else
        code = gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET,
                                "this processor, system or engine runs no compiled code");
    (void)pthread_mutex_unlock(&c->lock);
    return code;
}
