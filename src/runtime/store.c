/* Stores: one tenant's bounds, and the owner of everything that runs under them. */
#include "base/alloc.h"
#include "base/os_sync.h"
#include "runtime/runtime_int.h"
#include "runtime/sample.h"

#define STORE_TICKS 64u /* a timeout of so many is exact enough with one more */

static _Atomic u64 store_count; /* there ever were */

static gbx_code
store_out_of_memory(gbx_err *err, const char *what)
{
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a %s", what);
}

u64
gbx_runtime_store_new_tenant(void)
{
    return 1 + atomic_fetch_add_explicit(&store_count, 1, memory_order_relaxed);
}

gbx_code
gbx_runtime_store_new(gbx_engine *e, const runtime_limits *limits, const char *name, const char *tenant,
                      gbx_store **out, gbx_err *err)
{
    *out = NULL;
    gbx_store *const s = gbx_base_alloc_zero(1, sizeof *s);
    if (!s) return store_out_of_memory(err, "store");
    s->engine = gbx_runtime_engine_retain(e);
    s->tenant = gbx_runtime_store_new_tenant();
    s->limits = *limits;
    s->sits = STORE_STANDS;
    s->is_plain = limits->timeout_ns / STORE_TICKS >= gbx_base_os_tick_ns() && !e->watcher.is_fenced;
    s->table_left = limits->table_elems;
    s->exec.store = s;
    s->exec.is_metered = gbx_runtime_engine_is_metered(e);
    s->is_special = !s->is_plain || s->exec.is_metered || e->times_all;
    gbx_runtime_store_set_fuel(s, limits->fuel, false);
    s->exec.stop_fd = -1;
    atomic_init(&s->exec.stop, 0);
    atomic_init(&s->exec.attention, 0);
    atomic_init(&s->stop_fd, -1);
    gbx_runtime_watch_add(&e->watcher, &s->watch, s);
    gbx_code code = gbx_runtime_name_store(s, name, tenant, err);
    if (code == GBX_OK && !gbx_runtime_figures_begin(s)) code = store_out_of_memory(err, "store");
    if (code == GBX_OK) *out = s;
    else gbx_runtime_store_free(s);
    return code;
}

void
gbx_runtime_store_free(gbx_store *s)
{
    if (!s) return;
    GBX_ASSERT_SLOW(s->depth == 0);
    gbx_runtime_profile_end_of(s);
    gbx_runtime_figures_end(s);
    gbx_runtime_watch_remove(&s->engine->watcher, &s->watch);
    for (gbx_linker *l = s->linkers; l; l = l->next) gbx_runtime_linker_orphan(l);
    while (s->instances) {
        runtime_instance *const i = s->instances;
        s->instances = i->next;
        gbx_runtime_instance_release(i);
    }
    gbx_runtime_exns_free(s);
    gbx_runtime_asked_free(s->env_asked);
    gbx_runtime_asked_free(s->zones_asked);
    while (s->owned) {
        runtime_owned *const o = s->owned;
        s->owned = o->next;
        o->free_obj(o->obj);
        gbx_base_free(o);
    }
    gbx_runtime_engine_release(s->engine);
    gbx_base_free(s->name);
    gbx_base_free(s->tenant_name);
    gbx_base_free(s);
}

gbx_code
gbx_runtime_store_need_v128(gbx_store *s, gbx_err *err)
{
    s->has_v128 = true;
    s->sits = STORE_STANDS;
    if (s->depth == 0 || s->exec.high) return GBX_OK;
    s->exec.high = gbx_runtime_lane_high(s->lane);
    if (s->exec.high) return GBX_OK;
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET,
                            "no address space for vectors on the guest's stack (ulimit -v)");
}

gbx_engine *
gbx_runtime_store_engine(const gbx_store *s)
{
    return s->engine;
}

const runtime_limits *
gbx_runtime_store_limits(const gbx_store *s)
{
    return &s->limits;
}

bool
gbx_runtime_store_is_metered(const gbx_store *s)
{
    return s->exec.is_metered;
}

void
gbx_runtime_store_fuel(const gbx_store *s, u64 *left, u64 *used)
{
    i64 const fuel = s->exec.fuel;
    *used = (u64)(s->fuel_given - fuel);
    *left = s->fuel_given == INT64_MAX ? UINT64_MAX : fuel > 0 ? (u64)fuel : 0;
}

void
gbx_runtime_store_set_fuel(gbx_store *s, u64 fuel, bool more)
{
    i64 const used = s->fuel_given - s->exec.fuel;
    i64 const from = more ? s->fuel_given : used;
    bool const is_bounded = fuel < (u64)(INT64_MAX - from);
    s->fuel_given = is_bounded ? from + (i64)fuel : INT64_MAX;
    s->exec.fuel = s->fuel_given - used;
}

bool
gbx_runtime_store_memory_refused(const gbx_store *s)
{
    return s->memory_was_refused;
}

/* The stop word first, then the event: who waits looks at the word after the event, who runs looks at
 * the word. A call that begins now has either set stop_fd before, and gets the event, or looks at the
 * word after. Where none runs, the event may be another call's by now, which finds its own word clear. Atomic
 * operations and write(2) alone: async-signal-safe. */
void
gbx_runtime_store_cancel(gbx_store *s)
{
    atomic_store(&s->exec.stop, (u32)GBX_TRAP_CANCELLED);
    (void)atomic_fetch_or(&s->exec.attention, GBX_ATTEND_STOP);
    gbx_base_os_event_set(atomic_load(&s->stop_fd));
}

bool
gbx_runtime_store_own(gbx_store *s, void *obj, void (*free_obj)(void *obj))
{
    runtime_owned *const o = gbx_base_alloc(1, sizeof *o);
    if (!o) return false;
    *o = (runtime_owned){.next = s->owned, .obj = obj, .free_obj = free_obj};
    s->owned = o;
    return true;
}

u32
gbx_runtime_store_asked(gbx_store *s, u32 next)
{
    u32 const asked = s->exec.asked;
    s->exec.asked = next;
    return asked;
}

void
gbx_runtime_store_set_wasi(gbx_store *s, void *wasi)
{
    s->wasi = wasi;
}

void *
gbx_runtime_store_wasi(const gbx_store *s)
{
    return s->wasi;
}

static void
store_free_func(void *obj)
{
    runtime_host_func *const f = obj;
    gbx_runtime_type_put(&f->store->engine->types, f->type);
    gbx_base_free(f);
}

gbx_code
gbx_runtime_host_func(gbx_store *s, const wasm_functype *sig, gbx_host_fn fn, void *data,
                      gbx_func **out, gbx_err *err)
{
    if (sig->has_v128) GBX_TRY(gbx_runtime_store_need_v128(s, err));
    runtime_host_func *const f = gbx_base_alloc_zero(1, sizeof *f);
    if (!f) return store_out_of_memory(err, "host function");
    f->store = s;
    f->type = gbx_runtime_type_get(&s->engine->types, sig);
    if (!f->type || !gbx_runtime_store_own(s, f, store_free_func)) {
        store_free_func(f);
        return store_out_of_memory(err, "host function");
    }
    f->func = (gbx_func){.host = fn,
                         .host_data = data,
                         .type_id = f->type->id,
                         .param_count = sig->param_count,
                         .result_count = sig->result_count,
                         .has_v128 = sig->has_v128};
    *out = &f->func;
    return GBX_OK;
}

static void
store_free_memory(void *obj)
{
    gbx_runtime_memory_deinit(obj);
    gbx_base_free(obj);
}

gbx_code
gbx_runtime_host_memory(gbx_store *s, const wasm_limits *type, gbx_memory **out, gbx_err *err)
{
    gbx_memory *const mem = gbx_base_alloc_zero(1, sizeof *mem);
    if (!mem) return store_out_of_memory(err, "memory");
    gbx_code code = gbx_runtime_memory_init(mem, type, s->limits.memory_bytes, "the memory", err);
    if (code == GBX_OK && s->limits.huge_pages) gbx_runtime_memory_use_huge_pages(mem);
    if (code == GBX_OK && !gbx_runtime_store_own(s, mem, store_free_memory)) {
        code = store_out_of_memory(err, "memory");
    }
    if (code != GBX_OK) store_free_memory(mem);
    else *out = mem;
    return code;
}

typedef struct store_table {
    gbx_table table;
    gbx_store *store;
} store_table;

static void
store_free_table(void *obj)
{
    store_table *const t = obj;
    gbx_runtime_table_deinit(&t->table, &t->store->table_left);
    gbx_base_free(t);
}

gbx_code
gbx_runtime_host_table(gbx_store *s, const wasm_tabletype *type, gbx_table **out, gbx_err *err)
{
    store_table *const t = gbx_base_alloc_zero(1, sizeof *t);
    if (!t) return store_out_of_memory(err, "table");
    t->store = s;
    gbx_code code = gbx_runtime_table_init(&t->table, type, &s->table_left, "the table", err);
    if (code == GBX_OK && !gbx_runtime_store_own(s, t, store_free_table)) {
        code = store_out_of_memory(err, "table");
    }
    if (code != GBX_OK) store_free_table(t);
    else *out = &t->table;
    return code;
}

gbx_code
gbx_runtime_host_global(gbx_store *s, const wasm_globaltype *type, wasm_value value, gbx_global **out,
                        gbx_err *err)
{
    gbx_global *const g = gbx_base_alloc(1, sizeof *g);
    if (!g || !gbx_runtime_store_own(s, g, gbx_base_free)) {
        gbx_base_free(g);
        return store_out_of_memory(err, "global");
    }
    *g = (gbx_global){.value = value.low,
                      .high = value.high,
                      .type = type->type,
                      .is_mutable = type->is_mutable};
    *out = g;
    return GBX_OK;
}
