/* Entry probes: whether a guest has entered certain functions of Go's library (wasm/probes.def), and which
 * environment variables it asked Go for.
 *
 * A goroutine that comes back to a call that waited is no entry, and neither is runtime.GOMAXPROCS for
 * sync.Pool.
 *
 * Compiled code calls a probe through its cell alone, never directly (x64/call.c), and the cell has no code
 * before it was called (tier_publish). So its first call, in every tier and from the code cache, comes from
 * the interpreter's count of what is warm, which asks gbx_runtime_probe_entered. After that it is like any
 * other function. In an engine that interprets, probes alone have cells (gbx_runtime_probes_instance).
 *
 * What is noted of a module is the first entry that any of its instances made. Stores have a note of their
 * own, which needs more: an engine that watches all calls keeps all probes from being compiled, so that each
 * entry of each store is seen. An engine that watches some keeps syscall.Getenv, and time.LoadLocation, from
 * it for so many calls: the name is on Go's stack at each. GO: cmd/compile, GOARCH=wasm, 1.21 to 1.26:
 * arguments are at SP + 8, behind the PC to return to, and PC_B, the parameter, is 0 but where a goroutine
 * comes back to a call that waited.
 *
 * SAFETY: where the name lies is the guest's word: it is compared with the memory, of a name at most
 * PROBE_NAME_BYTES are taken and of a store at most PROBE_NAMES_MOST, escaped. Nothing is decided by them. */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "runtime/runtime_int.h"

#define PROBE_NAMES_MOST 256u
#define PROBE_NAME_BYTES 128u

struct runtime_asked {
    u32 count;
    bool is_cut; /* there were more */
    const char *names[PROBE_NAMES_MOST];
};

void
gbx_runtime_engine_watch(gbx_engine *e, u32 calls)
{
    gbx_runtime_keep_spoil(e);
    (void)pthread_mutex_lock(&e->compiler.lock);
    e->compiler.watched_calls = calls;
    (void)pthread_mutex_unlock(&e->compiler.lock);
}

static void
probe_keep(runtime_asked **list, const u8 *name, size_t len)
{
    char shown[PROBE_NAME_BYTES * 4 + 8];
    if (!*list) *list = gbx_base_alloc_zero(1, sizeof **list);
    runtime_asked *const a = *list;
    if (!a) return;
    text_buf t = gbx_base_text_init(shown, sizeof shown);
    gbx_base_text_escape(&t, name, len, len);
    for (u32 i = 0; i < a->count; i++)
        if (!strcmp(a->names[i], shown)) return;
    char *const copy = a->count < PROBE_NAMES_MOST ? gbx_base_alloc(t.len + 1, 1) : NULL;
    a->is_cut = a->is_cut || !copy;
    if (!copy) return;
    memcpy(copy, shown, t.len + 1);
    a->names[a->count++] = copy;
}

/* Where a call of Go's begins: SP points there. */
typedef struct probe_frame {
    u64 back; /* PC that it returns to */
    u64 args[2];
} probe_frame;

static bool
probe_read_frame(const gbx_func *f, probe_frame *out)
{
    const gbx_instance *const inst = f->inst;
    const wasm_module *const w = inst->module;
    if (!w->global_count || w->imported_globals || w->globals[0].type.type != WASM_I32 ||
        !inst->memory_count)
        return false;
    const gbx_memory *const mem = inst->memories[0];
    u64 const sp = (u32)inst->globals[0]->value;
    if (mem->bytes < sizeof *out || sp > mem->bytes - sizeof *out) return false;
    memcpy(out, mem->base + sp, sizeof *out);
    return true;
}

/* The string that the function whose call begins was given. */
static void
probe_read_name(gbx_exec *x, const gbx_func *f, u32 probe)
{
    probe_frame frame;
    if (!probe_read_frame(f, &frame)) return;
    const gbx_memory *const mem = f->inst->memories[0];
    u64 const at = frame.args[0], len = frame.args[1];
    if (!len || len > PROBE_NAME_BYTES || at > mem->bytes || len > mem->bytes - at) return;
    gbx_store *const s = x->store;
    probe_keep(probe == WASM_PROBE_ENV ? &s->env_asked : &s->zones_asked, mem->base + at, (size_t)len);
}

/* sync.Pool counts processors too: that says nothing of what the program is about. GO: sync/pool.go, 1.26 */
static bool
probe_is_of_pool(const gbx_func *f)
{
    const wasm_module *const w = f->inst->module;
    probe_frame frame;
    return probe_read_frame(f, &frame) && w->probes[WASM_PROBE_POOL] != WASM_PROBE_NONE &&
           gbx_wasm_go_func_of_pc(w, frame.back) == w->probes[WASM_PROBE_POOL];
}

static bool
probe_has_name(u32 probe)
{
    return probe == WASM_PROBE_ENV || probe == WASM_PROBE_ZONES;
}

bool
gbx_runtime_probe_is_watched(const module_code *mc, u32 probe)
{
    u32 const left = atomic_load_explicit(&mc->watched_left, memory_order_relaxed);
    return probe_has_name(probe) ? left != 0 : left == UINT32_MAX;
}

/* One of the calls that are watched is over. */
static void
probe_count(module_code *mc)
{
    u32 const left = atomic_load_explicit(&mc->watched_left, memory_order_relaxed);
    if (left && left != UINT32_MAX)
        atomic_store_explicit(&mc->watched_left, left - 1, memory_order_relaxed);
}

probe_answer
gbx_runtime_probe_entered(gbx_exec *x, const gbx_func *f, const gbx_slot *args)
{
    gbx_module *const m = instance_of(f->inst)->module;
    module_code *const mc = &m->code;
    u32 const probe = wasm_probe_of(m->wasm, f->func_idx);
    if (probe == WASM_PROBE_COUNT) return PROBE_NONE;
    bool const is_entry = args && f->param_count == 1 && (u32)args[0] == 0;
    bool const is_held = gbx_runtime_probe_is_watched(mc, probe);
    if (!is_entry) return is_held ? PROBE_HELD : PROBE_NONE;
    if (probe == WASM_PROBE_CORES && probe_is_of_pool(f)) return PROBE_HELD;
    if (is_held && probe_has_name(probe)) {
        probe_count(mc);
        probe_read_name(x, f, probe);
    }
    x->store->entered |= 1u << probe;
    u32 const before = atomic_fetch_or_explicit(&mc->entered, 1u << probe, memory_order_relaxed);
    return is_held ? PROBE_HELD : before & 1u << probe ? PROBE_NONE : PROBE_FIRST;
}

/* ---- In an engine that interprets */

static void
probe_warm(gbx_exec *x, const gbx_func *f, const gbx_slot *args)
{
    bool const is_held = gbx_runtime_probe_entered(x, f, args) == PROBE_HELD;
    atomic_store_explicit(&f->cell->heat, is_held ? 1 : INT32_MAX, memory_order_relaxed);
}

/* What counts and never has a body. */
static const gbx_tier probe_tier = {.warm = probe_warm};

void
gbx_runtime_probes_instance(runtime_instance *i)
{
    gbx_module *const m = i->module;
    module_code *const mc = &m->code;
    const wasm_module *const w = m->wasm;
    if (!w->is_go || atomic_load(&mc->is_open)) return;
    (void)pthread_mutex_lock(&m->engine->compiler.lock);
    if (!mc->probe_cells) {
        mc->probe_cells = gbx_base_alloc_zero(WASM_PROBE_COUNT, sizeof *mc->probe_cells);
        for (u32 k = 0; mc->probe_cells && k < WASM_PROBE_COUNT; k++)
            atomic_init(&mc->probe_cells[k].heat, 1);
        atomic_store(&mc->watched_left, m->engine->compiler.watched_calls);
    }
    (void)pthread_mutex_unlock(&m->engine->compiler.lock);
    if (!mc->probe_cells) return;
    for (u32 k = 0; k < WASM_PROBE_COUNT; k++)
        if (w->probes[k] != WASM_PROBE_NONE) i->abi.funcs[w->probes[k]]->cell = &mc->probe_cells[k];
    i->abi.store->probe_tier = &probe_tier;
    i->abi.store->sits = STORE_STANDS;
}

/* ---- What is told of them */

void
gbx_runtime_probe_get(const gbx_module *m, u32 probe, bool *is_linked, bool *is_entered)
{
    *is_linked = m->wasm->probes[probe] != WASM_PROBE_NONE;
    *is_entered = atomic_load_explicit(&m->code.entered, memory_order_relaxed) >> probe & 1;
}

bool
gbx_runtime_store_entered(const gbx_store *s, u32 probe)
{
    return s->entered >> probe & 1;
}

static u32
probe_names(const runtime_asked *a, const char *const **names, bool *is_cut)
{
    *names = a ? a->names : NULL;
    *is_cut = a && a->is_cut;
    return a ? a->count : 0;
}

u32
gbx_runtime_store_env_asked(const gbx_store *s, const char *const **names, bool *is_cut)
{
    return probe_names(s->env_asked, names, is_cut);
}

u32
gbx_runtime_store_zones_asked(const gbx_store *s, const char *const **names, bool *is_cut)
{
    return probe_names(s->zones_asked, names, is_cut);
}

void
gbx_runtime_asked_free(runtime_asked *a)
{
    for (u32 i = 0; a && i < a->count; i++) gbx_base_free((void *)(uintptr_t)a->names[i]);
    gbx_base_free(a);
}
