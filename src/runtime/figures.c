/* What is counted: see gbx/metrics.h.
 *
 * A store counts for itself, in numbers that its thread alone writes and anybody may read: an addition
 * each, no locked instruction. When the store ends, they are added to those of its module and of its
 * label: the pair of tenant and name. What engine and module are asked for is the sum of what has ended
 * and of the stores alive.
 * What must hold: a store is in the engine's list exactly as long as its numbers are in no sum, both
 * under the lock, so that no snapshot misses a store or counts it twice. A label lives as long as its
 * engine is in one host's hands, and there are at most KEEP_LABELS of them and one for all others: names
 * may come from users. */
#include <string.h>

#include "base/alloc.h"
#include "base/os_sync.h"
#include "runtime/runtime_int.h"

enum {
#define KEEP_LIMIT(name, value, meaning) FIGURES_##name = (value),
#include "runtime/keep.def"
#undef KEEP_LIMIT
};

struct figures_label {
    map_node node;
    figures_label *next;
    gbx_metrics ended, now; /* of stores that have; room for a sum */
    const char *name, *tenant;
    char text[];
};

_Static_assert(GBX_TRAP_CODE_COUNT <= GBX_METRICS_TRAPS, "each trap has a place");
_Static_assert(STORE_FIGURES_WASI == GBX_METRICS_WASI_CALLS, "one count a call");

static u64
figures_read(const _Atomic u64 *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

/* ---- Sums */

void
gbx_runtime_figures_add(gbx_metrics *to, const gbx_metrics *from)
{
    for (u32 i = 0; i < GBX_METRICS_TRAPS; i++) to->traps[i] += from->traps[i];
    for (u32 i = 0; i < GBX_METRICS_WASI_CALLS; i++) to->wasi_calls[i] += from->wasi_calls[i];
#define COUNTER(field) to->field += from->field;
#define LEVEL(field)   to->field += from->field;
#define MOST(field)    to->field = max_u64(to->field, from->field);
#define GBX_METRIC(field, kind, of, name, unit, meaning) kind(field)
#include "gbx/metrics.def"
#undef GBX_METRIC
#undef COUNTER
#undef LEVEL
#undef MOST
}

/* What one store has counted so far is added; it may be running. */
static void
figures_add_store(gbx_metrics *to, const gbx_store *s, bool is_alive)
{
    const store_figures *const f = &s->figures;
    gbx_metrics one = {0};
    for (u32 i = 0; i < GBX_TRAP_CODE_COUNT; i++) one.traps[i] = figures_read(&f->traps[i]);
    for (u32 i = 0; i < STORE_FIGURES_WASI; i++) one.wasi_calls[i] = figures_read(&f->wasi.calls[i]);
    one.calls = figures_read(&f->calls);
    one.calls_timed = figures_read(&f->calls_timed);
    one.wall_ns = figures_read(&f->wall_ns);
    one.cpu_ns = figures_read(&f->cpu_ns);
    one.fuel = figures_read(&f->fuel);
    one.memory_high_bytes = figures_read(&f->memory_bytes);
    one.host_calls = figures_read(&s->exec.host_calls);
    one.stream_read_bytes = figures_read(&f->wasi.stream_read_bytes);
    one.stream_written_bytes = figures_read(&f->wasi.stream_written_bytes);
    one.file_read_bytes = figures_read(&f->wasi.file_read_bytes);
    one.file_written_bytes = figures_read(&f->wasi.file_written_bytes);
    one.instances = figures_read(&f->instances);
    one.instances_pooled = figures_read(&f->instances_pooled);
    one.instantiate_ns = figures_read(&f->instantiate_ns);
    one.stores = 1;
    one.stores_now = is_alive;
    gbx_runtime_figures_add(to, &one);
}

/* ---- Labels. Under the lock */

static u64
figures_label_hash(engine_figures *f, const char *name, const char *tenant)
{
    u64 const of_name = gbx_base_map_hash(&f->by_name, 0, name, strlen(name) + 1);
    return gbx_base_map_hash(&f->by_name, of_name, tenant, strlen(tenant));
}

static figures_label *
figures_label_find(engine_figures *f, const char *name, const char *tenant, u64 hash)
{
    for (map_node *n = gbx_base_map_first(&f->by_name, hash); n; n = gbx_base_map_next(n)) {
        figures_label *const l = MAP_ENTRY(n, figures_label, node);
        if (!strcmp(l->name, name) && !strcmp(l->tenant, tenant)) return l;
    }
    return NULL;
}

static figures_label *
figures_label_new(engine_figures *f, const char *name, const char *tenant, u64 hash)
{
    size_t const name_len = strlen(name) + 1, tenant_len = strlen(tenant) + 1;
    figures_label *const l = gbx_base_alloc_zero(1, sizeof *l + name_len + tenant_len);
    if (!l) return NULL;
    memcpy(l->text, name, name_len);
    memcpy(l->text + name_len, tenant, tenant_len);
    l->name = l->text;
    l->tenant = l->text + name_len;
    if (!gbx_base_map_add(&f->by_name, &l->node, hash)) {
        gbx_base_free(l);
        return NULL;
    }
    l->next = f->labels;
    f->labels = l;
    return l;
}

/* NULL: memory is short. */
static figures_label *
figures_label_of(engine_figures *f, const char *name, const char *tenant)
{
    u64 const hash = gbx_base_map_hash(&f->by_name, gbx_base_map_hash(&f->by_name, 0, name, strlen(name)
    + 1),                                    tenant, strlen(tenant));
    figures_label *const l = figures_label_find(f, name, tenant, hash);
    if (l) return l;
    if (f->by_name.len < FIGURES_LABELS) return figures_label_new(f, name, tenant, hash);
    static const char others[] = "(others)";
    u64 const rest = figures_label_hash(f, others, "");
    figures_label *const o = figures_label_find(f, others, "", rest);
    return o ? o : figures_label_new(f, others, "", rest);
}

/* ---- Stores */

void
gbx_runtime_figures_init(engine_figures *f)
{
    int const rc = pthread_mutex_init(&f->lock, NULL);
    GBX_ASSERT(rc == 0);
}

void
gbx_runtime_figures_reset(engine_figures *f)
{
    while (gbx_base_map_pop(&f->by_name)) {
    }
    while (f->labels) {
        figures_label *const l = f->labels;
        f->labels = l->next;
        gbx_base_free(l);
    }
    atomic_store(&f->compilations, 0);
    atomic_store(&f->avoided, 0);
    atomic_store(&f->compile_ns, 0);
    atomic_store(&f->module_bytes, 0);
}

void
gbx_runtime_figures_deinit(engine_figures *f)
{
    GBX_ASSERT(!f->stores);
    gbx_runtime_figures_reset(f);
    (void)pthread_mutex_destroy(&f->lock);
}

bool
gbx_runtime_figures_begin(gbx_store *s)
{
    engine_figures *const f = &s->engine->figures;
    (void)pthread_mutex_lock(&f->lock);
    s->label = figures_label_of(f, gbx_runtime_store_name(s), gbx_runtime_store_tenant(s));
    if (s->label) {
        s->next_store = f->stores;
        s->store_link = &f->stores;
        if (f->stores) f->stores->store_link = &s->next_store;
        f->stores = s;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return s->label != NULL;
}

/* Under the lock, because whoever asks for a module's figures compares. */
void
gbx_runtime_figures_home(gbx_store *s, gbx_module *m)
{
    (void)pthread_mutex_lock(&s->engine->figures.lock);
    s->home = m;
    (void)pthread_mutex_unlock(&s->engine->figures.lock);
}

void
gbx_runtime_figures_end(gbx_store *s)
{
    engine_figures *const f = &s->engine->figures;
    if (!s->label) return;
    (void)pthread_mutex_lock(&f->lock);
    *s->store_link = s->next_store;
    if (s->next_store) s->next_store->store_link = s->store_link;
    figures_add_store(&s->label->ended, s, false);
    if (s->home) figures_add_store(&s->home->ended, s, false);
    (void)pthread_mutex_unlock(&f->lock);
}

/* ---- Calls */

void
gbx_runtime_figures_time(gbx_store *s)
{
    s->is_timed = true;
    s->timed_cpu_ns = gbx_base_os_cpu_ns();
    s->timed_wall_ns = gbx_base_os_now_ns();
}

void
gbx_runtime_figures_timed(gbx_store *s)
{
    u64 const wall_ns = gbx_base_os_now_ns() - s->timed_wall_ns;
    figure_add(&s->figures.cpu_ns, gbx_base_os_cpu_ns() - s->timed_cpu_ns);
    figure_add(&s->figures.wall_ns, wall_ns);
    figure_add(&s->figures.calls_timed, 1);
    s->is_timed = false;
}

void
gbx_runtime_figures_instance(gbx_store *s, runtime_instance *i, u64 spent_ns)
{
    figure_add(&s->figures.instances, 1);
    figure_add(&s->figures.instances_pooled, i->is_reused);
    figure_add(&s->figures.instantiate_ns, spent_ns);
}

/* ---- Snapshots */

static void
figures_add_code(gbx_metrics *out, u64 funcs, u64 bytes, u64 ns)
{
    out->functions_compiled += funcs;
    out->code_bytes += bytes;
    out->code_ns += ns;
}

wasi_figures *
gbx_runtime_store_wasi_figures(gbx_store *s)
{
    return &s->figures.wasi;
}

u64
gbx_runtime_store_calls(const gbx_store *s)
{
    return atomic_load_explicit(&s->figures.calls, memory_order_relaxed);
}

void
gbx_runtime_store_figures(const gbx_store *s, gbx_metrics *out)
{
    memset(out, 0, sizeof *out);
    figures_add_store(out, s, true);
}

void
gbx_runtime_module_figures(const gbx_module *m, gbx_metrics *out)
{
    gbx_engine *const e = m->engine;
    (void)pthread_mutex_lock(&e->figures.lock);
    *out = m->ended;
    for (const gbx_store *s = e->figures.stores; s; s = s->next_store)
        if (s->home == m) figures_add_store(out, s, true);
    (void)pthread_mutex_unlock(&e->figures.lock);
    out->compilations = 1;
    out->compilations_avoided = figures_read(&m->avoided);
    out->compile_ns = m->read_ns + m->lookup_ns + m->decode_ns;
    out->module_bytes = m->wasm->len;
    const compiled_figures *const n = &m->code.figures;
    (void)pthread_mutex_lock(&e->compiler.lock);
    figures_add_code(out, n->compiled - m->code.taken, n->code_bytes - m->code.taken_bytes,
                     n->facts_ns + n->emit_ns + n->publish_ns);
    (void)pthread_mutex_unlock(&e->compiler.lock);
}

static void
figures_add_engine(gbx_engine *e, gbx_metrics *out)
{
    engine_figures *const f = &e->figures;
    out->compilations = figures_read(&f->compilations);
    out->compilations_avoided = figures_read(&f->avoided);
    out->compile_ns = figures_read(&f->compile_ns);
    out->module_bytes = figures_read(&f->module_bytes);
    gbx_runtime_keep_of(e, &out->modules_kept, &out->modules_kept_bytes);
    runtime_compiler *const c = &e->compiler;
    (void)pthread_mutex_lock(&c->lock);
    figures_add_code(out, c->made.funcs, c->made.bytes, c->made.ns);
    (void)pthread_mutex_unlock(&c->lock);
}

/* Under the lock: the sums of all labels, in `now`. */
static void
figures_sum(engine_figures *f)
{
    for (figures_label *l = f->labels; l; l = l->next) l->now = l->ended;
    for (const gbx_store *s = f->stores; s; s = s->next_store) figures_add_store(&s->label->now, s, true);
}

void
gbx_runtime_engine_figures(const gbx_engine *engine, gbx_metrics *out)
{
    gbx_engine *const e = (gbx_engine *)(uintptr_t)engine;
    memset(out, 0, sizeof *out);
    (void)pthread_mutex_lock(&e->figures.lock);
    figures_sum(&e->figures);
    for (const figures_label *l = e->figures.labels; l; l = l->next) gbx_runtime_figures_add(out, &l->now);
    (void)pthread_mutex_unlock(&e->figures.lock);
    figures_add_engine(e, out);
}

bool
gbx_runtime_labelled_figures(const gbx_engine *engine, runtime_labelled **out, u32 *count)
{
    gbx_engine *const e = (gbx_engine *)(uintptr_t)engine;
    *count = 0;
    (void)pthread_mutex_lock(&e->figures.lock);
    *out = gbx_base_alloc(e->figures.by_name.len, sizeof **out);
    if (*out) figures_sum(&e->figures);
    for (const figures_label *l = e->figures.labels; *out && l; l = l->next)
        (*out)[(*count)++] = (runtime_labelled){l->name, l->tenant, l->now};
    (void)pthread_mutex_unlock(&e->figures.lock);
    return *out != NULL;
}
