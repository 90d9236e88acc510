/* Compiled code beside the interpreter: when a function is compiled, how it is entered and left, and what
 * its frames are.
 *
 * A module's code begins when it is first instantiated; functions are compiled one at a time in an engine,
 * by the thread that found them warm, while all other threads go on interpreting. A function is compiled
 * once. RULE: S5, S13.
 *
 * RULE: S9. Which globals are pinned is decided for the module, before its first function. */
#include <stdlib.h>
#include <string.h>

#include "abi/native.h"
#include "base/alloc.h"
#include "base/os_sync.h"
#include "interp/interp.h"
#include "runtime/runtime_int.h"
#include "runtime/tier_call.h"

/* What a function executes in the interpreter before it is compiled: so many times its own bytes. */
#define TIER_WARM_FACTOR 24u
/* PERF: code of a module that has an entry in the cache is kept: a function is worth compiling when so many
 * runs like this one would be. bench/processes; 8 to 32 differ by 4 %, and 32 makes the second run longer. */
#define TIER_KEPT_RUNS 16u
#define TIER_AHEAD_BYTES ((u64)1 << 20) /* of code that is taken over before it is called */
#define TIER_ASKED_BYTES 8192u /* of a body that another thread may be asked to compile */
#define TIER_BUSY_HEAT   4096

/* What code of a module may take beside the limit code-share; the latter a function. It keeps a hostile
 * module from the memory that its engine has for all code. */
#define TIER_FREE_BYTES      ((u64)1 << 20)
#define TIER_FUNC_FREE_BYTES 64u

static const gbx_tier tier_ops;

/* ---- The engine's part */

/* "-pins,-lea" and so on; unknown names are nobody's business. */
static u32
tier_tune(void)
{
    static const struct {
        const char *slug;
        u32 bit;
    } rows[] = {
#define CODEGEN_TUNE(name, slug, meaning) {slug, CODEGEN_TUNE_BIT(name)},
#include "codegen/tune.def"
#undef CODEGEN_TUNE
    };
    u32 tune = CODEGEN_TUNE_ALL;
    const char *at = secure_getenv("GBX_TUNE");
    while (at && *at) {
        size_t const len = strcspn(at, ",");
        for (u32 i = 0; i < GBX_LEN(rows); i++)
            if (*at == '-' && len == strlen(rows[i].slug) + 1 &&
                !strncmp(at + 1, rows[i].slug, len - 1))
                tune &= ~rows[i].bit;
        at += len + (at[len] == ',');
    }
    return tune;
}

void
gbx_runtime_compiler_init(runtime_compiler *c, gbx_tier_mode mode)
{
    int const rc = pthread_mutex_init(&c->lock, NULL);
    GBX_ASSERT(rc == 0);
    c->mode = mode;
    c->tune = tier_tune();
    c->warm_factor = TIER_WARM_FACTOR;
}

void
gbx_runtime_engine_set_warm_factor(gbx_engine *e, u32 factor)
{
    gbx_runtime_keep_spoil(e);
    (void)pthread_mutex_lock(&e->compiler.lock);
    e->compiler.warm_factor = factor;
    (void)pthread_mutex_unlock(&e->compiler.lock);
}

void
gbx_runtime_compiler_deinit(runtime_compiler *c)
{
    gbx_codegen_space_free(c->space);
    gbx_runtime_published_close(&c->published);
    gbx_runtime_code_region_deinit(&c->region);
    (void)pthread_mutex_destroy(&c->lock);
}

/* Under the lock. False: everything is interpreted, for ever. */
static bool
tier_works(runtime_compiler *c)
{
    if (c->is_tried) return c->works;
    c->is_tried = true;
    u32 const ways = gbx_runtime_published_ways(&c->published);
    c->works = c->mode != GBX_TIER_INTERP && gbx_codegen_cpu() && gbx_runtime_fault_install() &&
               gbx_runtime_code_region_init(&c->region, CODE_REGION_BYTES, ways, NULL) == GBX_OK;
    if (c->works && !(c->space = gbx_codegen_space_new())) c->works = false;
    return c->works;
}

/* ---- Code into code memory */

/* Under the lock: `out` into code memory. The blob takes the table. */
static gbx_code
tier_place(module_code *mc, const codegen_out *out, fault_table *table, const code_blob **placed)
{
    code_blob *blob;
    gbx_code const room = gbx_runtime_code_alloc(&mc->space, out->len, &blob, NULL);
    if (room != GBX_OK) {
        gbx_base_free(table);
        return room;
    }
    memcpy(blob->write, out->bytes, out->len);
    for (u32 i = 0; i < out->reloc_count; i++) {
        i64 const rel = out->relocs[i].target - (blob->exec + out->relocs[i].at + 4);
        i32 const near = (i32)rel;
        GBX_ASSERT(near == rel); /* all code of an engine is in one region */
        memcpy(blob->write + out->relocs[i].at, &near, sizeof near);
    }
    blob->table = table;
    *placed = blob;
    return gbx_runtime_code_finish(&mc->space, blob, out->len, NULL);
}

static fault_table *
tier_table(const module_code *mc, const codegen_out *out, const wasm_code *code)
{
    bool const is_metered = mc->env.tune & CODEGEN_METERED;
    size_t const row_bytes = sizeof(fault_row) + (is_metered ? sizeof(i32) : 0);
    fault_table *const t = gbx_base_alloc(1, sizeof *t + out->row_count * row_bytes);
    if (!t) return NULL;
    i32 *const fuel = is_metered ? (i32 *)(void *)(t->rows + out->row_count) : NULL;
    *t = (fault_table){.func_idx = code->func_idx,
                       .wasm_start = code->body_off,
                       .frame_bytes = out->frame_bytes,
                       .fuel = fuel,
                       .row_count = out->row_count};
    for (u32 i = 0; i < out->row_count; i++) {
        const codegen_row *const r = &out->rows[i];
        t->rows[i] =
                (fault_row){r->code_offset, FAULT_WHAT(CODEGEN_ROW_KIND(r->what),
                                                       r->wasm_offset - code->body_off)};
        if (fuel) fuel[i] = CODEGEN_ROW_FUEL(r->what);
    }
    return t;
}

static gbx_body *
tier_body(module_code *mc, const codegen_out *out)
{
    gbx_body *const b = gbx_base_alloc(1, sizeof *b + out->head_count * sizeof *b->heads);
    if (!b) return NULL;
    *b = (gbx_body){.next = mc->bodies,
                    .general = out->general,
                    .fresh = out->fresh,
                    .osr = out->osr,
                    .head_count = out->head_count};
    for (u32 i = 0; i < out->head_count; i++)
        b->heads[i] = (gbx_native_head){out->heads[i].wasm_offset, out->heads[i].code_offset};
    mc->bodies = b;
    return b;
}

/* The cell's pointers are stored in an order in which whoever sees the body sees its code. */
static void
tier_let(gbx_cell *cell, const gbx_body *body)
{
    if (body->fresh != FACTS_NONE)
        atomic_store_explicit(&cell->fresh, body->code + body->fresh, memory_order_release);
    atomic_store_explicit(&cell->general, body->code + body->general, memory_order_release);
    atomic_store_explicit(&cell->body, body, memory_order_release);
}

/* Under the lock. Code of a probe that nobody has called waits for that, and of one whose calls are noted one
 * by one for the last of them. 0, or why there is no code. */
static u32
tier_publish(runtime_compiler *c, module_code *mc, const wasm_code *code, const codegen_out *out)
{
    gbx_cell *const cell = &mc->cells[code->func_idx];
    if (mc->space.code_bytes + out->len > mc->most_bytes) return TIER_REFUSED_SHARE;
    gbx_body *const body = tier_body(mc, out); /* goes with the module */
    fault_table *const table = body ? tier_table(mc, out, code) : NULL;
    const code_blob *blob;
    gbx_code const placed = table ? tier_place(mc, out, table, &blob) : GBX_NO_MEMORY;
    if (placed != GBX_OK) return placed == GBX_LIMIT ? TIER_REFUSED_ROOM : TIER_REFUSED_MEMORY;
    body->code = blob->exec;
    u32 const probe = wasm_probe_of(mc->env.m, code->func_idx);
    bool const waits = probe != WASM_PROBE_COUNT && (!(atomic_load(&mc->entered) >> probe & 1) ||
                                                     gbx_runtime_probe_is_watched(mc, probe));
    if (waits) mc->held[probe] = body;
    else tier_let(cell, body);
    if (GBX_UNLIKELY(c->published.to))
        gbx_runtime_published_add(&c->published, &mc->published, (uintptr_t)blob->exec, blob->bytes,
                                  code->func_idx);
    return 0;
}

static void
tier_count(module_code *mc, const wasm_code *code, const codegen_out *out)
{
    mc->figures.compiled++;
    mc->figures.body_bytes += code->body_end - code->body_off;
    mc->figures.code_bytes += out->len;
}

/* Under the lock. The function's code from the cache, after that of all functions that it calls directly. */
static bool
tier_take(runtime_compiler *c, module_code *mc, u32 func_idx)
{
    const wasm_module *const w = mc->env.m;
    u32 *records;
    if (!mc->cache.by_func) return false;
    u64 const begun_ns = gbx_base_os_now_ns();
    u32 const count = gbx_runtime_cache_closure(&mc->cache, mc, func_idx, &records);
    for (u32 i = 0; i < count; i++) {
        u32 const taken = mc->cache.file.records[records[i]].func_idx;
        codegen_out out;
        if (atomic_load(&mc->cells[taken].state) != GBX_CELL_COLD ||
            !gbx_runtime_cache_find(&mc->cache, mc, records[i], &out))
            continue;
        const wasm_code *const code = &w->codes[taken - w->imported_funcs];
        u32 const why = tier_publish(c, mc, code, &out);
        gbx_base_free((void *)(uintptr_t)out.relocs);
        if (why) continue;
        tier_count(mc, code, &out);
        mc->taken++;
        mc->taken_bytes += out.len;
        atomic_store(&mc->cells[taken].state, GBX_CELL_DONE);
    }
    gbx_base_free(records);
    mc->figures.take_ns += gbx_base_os_now_ns() - begun_ns;
    return count && atomic_load(&mc->cells[func_idx].state) == GBX_CELL_DONE;
}

/* Under the lock for one at a time: the guest, which runs already, may want to compile. */
void
gbx_runtime_tier_take_ahead(gbx_module *m, const _Atomic bool *ends)
{
    runtime_compiler *const c = &m->engine->compiler;
    cache_entry *const cache = &m->code.cache;
    u64 bytes = 0;
    for (u32 i = 0; i < cache->file.record_count && bytes < TIER_AHEAD_BYTES && !atomic_load(ends); i++) {
        (void)pthread_mutex_lock(&c->lock);
        bool const is_there = m->code.is_open && cache->by_func;
        u32 const func_idx = cache->file.records[i].func_idx;
        if (is_there && func_idx < cache->func_count && cache->by_func[func_idx] == i + 1 &&
            atomic_load(&m->code.cells[func_idx].state) == GBX_CELL_COLD)
            (void)tier_take(c, &m->code, func_idx);
        (void)pthread_mutex_unlock(&c->lock);
        if (!is_there) return;
        bytes += cache->file.records[i].len;
    }
}

u32
gbx_runtime_tier_settle(runtime_compiler *c, module_code *mc, const wasm_code *code, const codegen_out *out,
                        u32 why, u64 spent_ns)
{
    compiled_figures *const n = &mc->figures;
    u64 const made_ns = gbx_base_os_now_ns();
    if (!why) why = tier_publish(c, mc, code, out);
    u64 const publish_ns = gbx_base_os_now_ns() - made_ns;
    n->facts_ns += out->facts_ns;
    n->emit_ns += spent_ns - out->facts_ns;
    n->publish_ns += publish_ns;
    n->refused += why != 0;
    c->made.ns += spent_ns + publish_ns;
    if (!why) {
        c->made.funcs++;
        c->made.bytes += out->len;
        tier_count(mc, code, out);
        gbx_runtime_cache_keep(&mc->cache, mc, code->func_idx, out, spent_ns + publish_ns);
    }
    atomic_store(&mc->cells[code->func_idx].state,
                 why ? GBX_CELL_REFUSED | why << GBX_CELL_WHY_SHIFT : GBX_CELL_DONE);
    return why;
}

/* Under the lock. */
static void
tier_try(runtime_compiler *c, gbx_module *m, u32 func_idx)
{
    module_code *const mc = &m->code;
    if (atomic_load(&mc->cells[func_idx].state) != GBX_CELL_COLD || tier_take(c, mc, func_idx)) return;
    const wasm_module *const w = mc->env.m;
    const wasm_code *const code = &w->codes[func_idx - w->imported_funcs];
    codegen_out out = {0};
    u64 const begun_ns = gbx_base_os_now_ns();
    bool const is_made = gbx_runtime_module_ready(m, func_idx) &&
                         gbx_codegen_compile(c->space, &mc->env, code, &out) == GBX_OK;
    u32 const why = is_made ? out.beyond : TIER_REFUSED_MEMORY;
    (void)gbx_runtime_tier_settle(c, mc, code, &out, why, gbx_base_os_now_ns() - begun_ns);
}

void
gbx_runtime_tier_compile(gbx_module *m, u32 func_idx)
{
    runtime_compiler *const c = &m->engine->compiler;
    (void)pthread_mutex_lock(&c->lock);
    tier_try(c, m, func_idx);
    (void)pthread_mutex_unlock(&c->lock);
}

/* ---- The module's part */

/* RULE: S9. Defined here, mutable, i32 or i64, neither imported nor exported. */
static bool
tier_may_pin(const wasm_module *w, u32 idx)
{
    const wasm_global *const g = &w->globals[idx];
    if (idx < w->imported_globals || !g->type.is_mutable || g->uses == 0) return false;
    if (g->type.type != WASM_I32 && g->type.type != WASM_I64) return false;
    for (u32 i = 0; i < w->export_count; i++)
        if (w->exports[i].kind == WASM_EXTERN_GLOBAL && w->exports[i].idx == idx) return false;
    return true;
}

static void
tier_choose_pins(codegen_env *env)
{
    const wasm_module *const w = env->m;
    for (u32 p = 0; p < CODEGEN_PINS; p++) {
        env->pins[p] = FACTS_NONE;
        u32 best = 0;
        for (u32 i = 0; i < w->global_count && env->tune & CODEGEN_TUNE_BIT(PINS); i++) {
            bool const is_taken = p && env->pins[0] == i;
            if (is_taken || w->globals[i].uses <= best || !tier_may_pin(w, i)) continue;
            best = w->globals[i].uses;
            env->pins[p] = i;
        }
    }
}

/* Room for the arguments and results of any function: 8 KB of each frame at the most, by the limits of
 * types. */
static u32
tier_tail_slots(const wasm_module *w)
{
    u32 most = 1;
    if (!(w->uses & GBX_FEATURE_BIT(GBX_FEATURE_TAIL_CALL))) return 0;
    for (u32 i = 0; i < w->type_count; i++)
        most = max_u32(most, max_u32(w->types[i].param_count, w->types[i].result_count));
    return most;
}

codegen_env
gbx_runtime_tier_env(const gbx_module *m, bool is_guarded)
{
    u32 const tune = m->engine->compiler.tune;
    codegen_env env = {.m = m->wasm,
                       .is_guarded = is_guarded && tune & CODEGEN_TUNE_BIT(GUARD),
                       .tune = tune,
                       .cpu = gbx_codegen_cpu()};
    tier_choose_pins(&env);
    env.tail_slots = tier_tail_slots(env.m);
    env.closed_table = FACTS_NONE;
    return env;
}

i32
gbx_runtime_tier_heat(const gbx_module *m, u32 body_bytes)
{
    u64 const factor = m->engine->compiler.warm_factor;
    u64 const heat = body_bytes * factor / (m->code.cache.is_known ? TIER_KEPT_RUNS : 1);
    return (i32)max_u64(min_u64(heat, INT32_MAX / 2), 1);
}

bool
gbx_runtime_tier_ran(const gbx_module *m, u32 func_idx)
{
    const cache_entry *const e = &m->code.cache;
    const wasm_code *const code = &m->wasm->codes[func_idx - m->wasm->imported_funcs];
    i32 const heat = atomic_load_explicit(&m->code.cells[func_idx].heat, memory_order_relaxed);
    if (cache_entry_has(e, func_idx)) return false;
    u32 const probe = wasm_probe_of(m->wasm, func_idx);
    if (probe != WASM_PROBE_COUNT)
        return atomic_load(&m->code.entered) >> probe & 1 && !atomic_load(&m->code.cells[func_idx].body);
    return heat != gbx_runtime_tier_heat(m, code->body_end - code->body_off);
}

static bool
tier_make_cells(gbx_module *m)
{
    module_code *const mc = &m->code;
    const wasm_module *const w = m->wasm;
    mc->cells = gbx_base_alloc_zero(max_u64(w->func_count, 1), sizeof *mc->cells);
    if (!mc->cells) return false;
    for (u32 i = 0; i < w->func_count; i++) {
        gbx_cell *const c = &mc->cells[i];
        atomic_init(&c->general, mc->env.stubs[CODEGEN_STUB_INTERP]);
        atomic_init(&c->fresh, mc->env.stubs[CODEGEN_STUB_INTERP_FRESH]);
        if (i < w->imported_funcs) {
            atomic_init(&c->state, GBX_CELL_REFUSED);
            continue;
        }
        const wasm_code *const code = &w->codes[i - w->imported_funcs];
        u32 const bytes = code->body_end - code->body_off;
        atomic_init(&c->heat, gbx_runtime_tier_heat(m, bytes));
        mc->most_bytes += (u64)bytes * WASM_MAX_CODE_SHARE + TIER_FUNC_FREE_BYTES;
    }
    for (u32 i = 0; i < WASM_PROBE_COUNT; i++)
        if (w->probes[i] != WASM_PROBE_NONE) atomic_store(&mc->cells[w->probes[i]].heat, 1);
    atomic_store(&mc->watched_left, m->engine->compiler.watched_calls);
    mc->most_bytes += TIER_FREE_BYTES;
    return true;
}

/* Under the compiler's lock. */
static bool
tier_open(gbx_module *m, bool is_guarded)
{
    runtime_compiler *const c = &m->engine->compiler;
    module_code *const mc = &m->code;
    if (!tier_works(c)) return false;
    mc->env = gbx_runtime_tier_env(m, is_guarded);
    mc->env.leave = (const void *)(uintptr_t)gbx_runtime_leave;
    mc->env.call_c = (const void *)(uintptr_t)gbx_runtime_call_c;
    mc->env.call_host = (const void *)(uintptr_t)gbx_runtime_call_host;
    u32 offsets[CODEGEN_STUB_COUNT];
    codegen_out out;
    if (gbx_codegen_stubs(c->space, &mc->env, &out, offsets) != GBX_OK) return false;
    gbx_runtime_code_space_init(&mc->space, &c->region);
    const code_blob *blob;
    if (tier_place(mc, &out, NULL, &blob) != GBX_OK) return false;
    for (u32 i = 0; i < CODEGEN_STUB_COUNT; i++) mc->env.stubs[i] = blob->exec + offsets[i];
    if (c->published.to)
        gbx_runtime_published_begin(&c->published, &mc->published, m->wasm, (uintptr_t)blob->exec, offsets,
                                    out.len);
    mc->space.stubs = (fault_stubs){.exit = (uintptr_t)mc->env.stubs[CODEGEN_STUB_EXIT],
                                    .inst_reg = FAULT_OF_EXEC};
    if (!tier_make_cells(m)) return false;
    mc->env.cells = mc->cells;
    if (mc->env.tune & CODEGEN_TUNE_BIT(CLOSED)) gbx_runtime_closed_init(&mc->closed, m, &mc->env);
    gbx_runtime_cache_env(&mc->cache, mc);
    return true;
}

bool
gbx_runtime_tier_open(gbx_module *m, bool is_guarded)
{
    module_code *const mc = &m->code;
    if (!mc->is_open && !mc->cells && tier_open(m, is_guarded)) mc->is_open = true;
    return mc->is_open;
}

void
gbx_runtime_module_code_deinit(gbx_module *m)
{
    module_code *const mc = &m->code;
    gbx_runtime_published_forget(&mc->published);
    gbx_runtime_cache_end(&mc->cache);
    gbx_runtime_code_space_deinit(&mc->space);
    while (mc->bodies) {
        gbx_body *const b = mc->bodies;
        mc->bodies = b->next;
        gbx_base_free(b);
    }
    gbx_runtime_closed_deinit(&mc->closed);
    gbx_base_free(mc->cells);
    gbx_base_free(mc->probe_cells);
}

/* What compiled code of `inst` finds through its exec. None of it ever changes for an instance. */
void
gbx_runtime_tier_show(gbx_native *n, gbx_instance *inst)
{
    const codegen_env *const env = &instance_of(inst)->module->code.env;
    n->inst = inst;
    n->memory = inst->memory_count ? inst->memories[0] : NULL;
    n->memory_base = n->memory ? n->memory->base : NULL;
    n->cells = inst->cells;
    n->closed = instance_of(inst)->module->code.closed.cells;
    n->globals = inst->globals;
    n->enter = env->stubs[CODEGEN_STUB_ENTER];
    n->resume = env->stubs[CODEGEN_STUB_RESUME];
    n->tail_slots = env->tail_slots;
    for (u32 i = 0; i < CODEGEN_PINS; i++)
        n->pins[i] = env->pins[i] == FACTS_NONE ? NULL : &inst->globals[env->pins[i]]->value;
}

/* An instance with code is in the store from now on. What compiled code was shown last may have been
 * another one, which failed, at the same address. */
static void
tier_joins(gbx_store *s)
{
    gbx_native *const n = &s->exec.native;
    s->has_code = true;
    s->sits = STORE_STANDS;
    n->inst = NULL;
    if (n->segment) tier_show(&s->exec, n->segment);
}

/* RULE: S3. Code that relies on guards is for instances whose memory has them. */
void
gbx_runtime_tier_instance(runtime_instance *i)
{
    gbx_module *const m = i->module;
    runtime_compiler *const c = &m->engine->compiler;
    const wasm_module *const w = m->wasm;
    if (c->mode == GBX_TIER_INTERP) gbx_runtime_probes_instance(i);
    if (c->mode == GBX_TIER_INTERP || w->func_count == w->imported_funcs) return;
    if (i->abi.cells) { /* of the pool: it has them */
        tier_joins(i->abi.store);
        return;
    }
    bool const is_guarded = w->memory_count == 0 || i->abi.memories[0]->guarded;
    (void)pthread_mutex_lock(&c->lock);
    if (gbx_runtime_tier_open(m, is_guarded) && c->mode == GBX_TIER_EAGER) {
        gbx_runtime_published_hold(&c->published, &m->code.published);
        for (u32 k = w->imported_funcs; k < w->func_count; k++) tier_try(c, m, k);
        gbx_runtime_published_tell(&c->published, &m->code.published);
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (!m->code.is_open) gbx_runtime_probes_instance(i);
    if (!m->code.is_open || (m->code.env.is_guarded && !is_guarded)) return;
    for (u32 k = w->imported_funcs; k < w->func_count; k++)
        i->abi.funcs[k]->cell = &m->code.cells[k];
    i->abi.cells = m->code.cells;
    tier_joins(i->abi.store);
}

/* ---- Running */

/* A probe was called, and is not to be compiled as yet. */
static bool
tier_waits(gbx_exec *x, gbx_module *m, const gbx_func *f, const gbx_slot *args)
{
    module_code *const mc = &m->code;
    probe_answer const answer = gbx_runtime_probe_entered(x, f, args);
    bool const has_code = cache_entry_has(&mc->cache, f->func_idx);
    bool const is_made = atomic_load(&f->cell->state) != GBX_CELL_COLD;
    if (answer == PROBE_NONE || (answer == PROBE_FIRST && (has_code || is_made))) return false;
    u32 const bytes = f->code->body_end - f->code->body_off;
    atomic_store_explicit(&f->cell->heat, answer == PROBE_HELD ? 1 : gbx_runtime_tier_heat(m, bytes),
                          memory_order_relaxed);
    return true;
}

/* Under the lock. The code of a probe that was called, if it waited. */
static void
tier_let_probe(module_code *mc, const gbx_func *f)
{
    u32 const probe = wasm_probe_of(mc->env.m, f->func_idx);
    const gbx_body *const body = probe == WASM_PROBE_COUNT ? NULL : mc->held[probe];
    if (!body) return;
    mc->held[probe] = NULL;
    tier_let(&mc->cells[f->func_idx], body);
}

/* PERF: a command's second thread compiles while the guest is interpreted: hello's second run takes 5.5 ms in
 * place of 7.5. Not what takes long: the command's end would wait for it. */
static bool
tier_ask(gbx_module *m, const gbx_func *f)
{
    if (!m->early) return false;
    bool const has_code = cache_entry_has(&m->code.cache, f->func_idx);
    bool const is_short = f->code->body_end - f->code->body_off <= TIER_ASKED_BYTES;
    bool const is_probe = wasm_probe_of(m->wasm, f->func_idx) != WASM_PROBE_COUNT;
    if (has_code || !is_short || is_probe) return false;
    return atomic_load(&f->cell->state) == GBX_CELL_COLD && gbx_runtime_early_ask(m, f->func_idx);
}

static void
tier_warm(gbx_exec *x, const gbx_func *f, const gbx_slot *args)
{
    gbx_module *const m = instance_of(f->inst)->module;
    runtime_compiler *const c = &m->engine->compiler;
    if (tier_waits(x, m, f, args)) return;
    if (tier_ask(m, f)) {
        atomic_store_explicit(&f->cell->heat, TIER_BUSY_HEAT, memory_order_relaxed);
        return;
    }
    if (pthread_mutex_trylock(&c->lock) !=
        0) { /* another thread compiles: not asked again at once */
        atomic_store_explicit(&f->cell->heat, TIER_BUSY_HEAT, memory_order_relaxed);
        return;
    }
    atomic_store_explicit(&f->cell->heat, INT32_MAX / 2, memory_order_relaxed);
    tier_try(c, m, f->func_idx);
    tier_let_probe(&m->code, f);
    (void)pthread_mutex_unlock(&c->lock);
}

void
gbx_runtime_tier_begin(gbx_store *s)
{
    gbx_exec *const x = &s->exec;
    enter_stack *const stack = &s->lane->native;
    x->tier = s->probe_tier;
    x->native = (gbx_native){0};
    if (s->has_code &&
        (stack->region || gbx_runtime_enter_stack_open(stack, (size_t)((u8 *)s->lane->stack_end -
                                                                       (u8 *)s->lane->stack)))) {
        x->tier = &tier_ops;
        x->native = (gbx_native){
                .guard = stack->guard, .low = stack->low, .shown = stack->shown, .high = stack->high};
    }
    atomic_store(&x->attention, x->tier == &tier_ops);
}

void
gbx_runtime_tier_trim(gbx_store *s)
{
    if (gbx_runtime_enter_stack_trim(&s->lane->native)) s->exec.native.shown = s->lane->native.shown;
}

/* What stands there returns to the stub that entered the segment. */
static bool
tier_is_outermost(const gbx_segment *seg, const u8 *sp)
{
    const u8 *const *const stubs = instance_of(seg->func->inst)->module->code.env.stubs;
    uintptr_t ret;
    memcpy(&ret, sp, sizeof ret);
    _Static_assert(CODEGEN_STUB_RESUME == CODEGEN_STUB_ENTER + 1, "the one ends where the other begins");
    return ret - (uintptr_t)stubs[CODEGEN_STUB_ENTER] <
           (uintptr_t)(stubs[CODEGEN_STUB_RESUME] - stubs[CODEGEN_STUB_ENTER]);
}

void
gbx_runtime_tier_called_out(gbx_exec *x, gbx_segment *seg)
{
    seg->suspended = x->native.suspended;
    seg->callee = x->native.callee;
    seg->args = x->native.args;
    seg->is_left = tier_is_outermost(seg, seg->suspended);
}

static void
tier_end(gbx_exec *x, gbx_segment *seg)
{
    x->entry = seg->entry.exec_outer;
    x->native.segment = seg->outer;
}

static gbx_status
tier_enter(gbx_exec *x, gbx_segment *seg, const gbx_native_head *head)
{
    const gbx_body *const body = atomic_load_explicit(&seg->func->cell->body, memory_order_acquire);
    seg->entry.exec = x;
    seg->entry.exec_outer = x->entry;
    seg->outer = x->native.segment;
    if (!head) return tier_enter_at(x, seg, seg->func, body->code + body->general);
    x->native.call_target = body->code + head->code_offset;
    return tier_enter_at(x, seg, seg->func, body->code + body->osr);
}

static gbx_status
tier_resume(gbx_exec *x, gbx_segment *seg, gbx_slot result)
{
    tier_show(x, seg);
    x->native.result = result;
    seg->suspended = NULL;
    return tier_run(x, seg, x->native.resume);
}

static void
tier_shown(gbx_exec *x, gbx_segment *seg)
{
    tier_show(x, seg);
}

static gbx_trap_code
tier_bulk(gbx_exec *x, gbx_slot *args, u32 sub, u32 first, u32 second)
{
    gbx_instance *const inst = x->native.inst;
    if (sub == GBX_TIER_MEMORY_GROW) {
        u64 pages = 0;
        gbx_trap_code const code = inst->libcalls->memory_grow(x, inst, first, args[0], &pages);
        args[0] = (u32)pages;
        return code;
    }
    return gbx_interp_bulk(x, inst, sub, first, second, args);
}

/* ---- Frames */

static void
tier_add_frame(gbx_exec *x, const gbx_segment *seg, u32 func_idx, u32 offset)
{
    if (x->frame_count < GBX_LEN(x->frames))
        x->frames[x->frame_count++] = (gbx_frame_ref){seg->func->inst, func_idx, offset};
    x->frames_total++;
}

static void
tier_add_row(gbx_exec *x, const gbx_segment *seg, const fault_table *t, const fault_row *row)
{
    tier_add_frame(x, seg, t->func_idx, t->wasm_start + FAULT_OFFSET(row->what));
}

/* The row of the call that returns to this offset: the last instruction before it. */
static const fault_row *
tier_call_row(const fault_table *t, u32 code_offset)
{
    u32 low = 0, high = t->row_count;
    while (low < high) {
        u32 const mid = low + (high - low) / 2;
        if (t->rows[mid].code_offset < code_offset)
            low = mid + 1;
        else
            high = mid;
    }
    GBX_ASSERT(low > 0);
    return &t->rows[low - 1];
}

/* From the innermost return address outwards, up to the stub that entered. A recursion's return addresses
 * are alike, so that the last one looked up is remembered. */
static void
tier_walk(gbx_exec *x, const gbx_segment *seg, const u8 *sp)
{
    const code_region *const region = &x->store->engine->compiler.region;
    uintptr_t last = 0;
    const code_blob *blob = NULL;
    const fault_row *row = NULL;
    while (sp + sizeof last <= x->native.high) {
        uintptr_t ret;
        memcpy(&ret, sp, sizeof ret);
        if (ret != last) {
            blob = gbx_runtime_code_find(region, ret);
            if (!blob || !blob->table) return;
            row = tier_call_row(blob->table, (u32)(ret - (uintptr_t)blob->exec));
            last = ret;
        }
        tier_add_row(x, seg, blob->table, row);
        sp += sizeof ret + blob->table->frame_bytes;
    }
}

/* The function at its first instruction: it was stopped when it was entered, by a tail call that left nobody
 * to blame for the call. */
static void
tier_add_entered(gbx_exec *x, const gbx_segment *seg, const fault_table *t)
{
    gbx_module *const m = instance_of(seg->func->inst)->module;
    const wasm_code *const code = &m->wasm->codes[t->func_idx - m->wasm->imported_funcs];
    u32 const offset = gbx_runtime_module_ready(m, t->func_idx) ? code->insns_off : code->body_off;
    tier_add_frame(x, seg, t->func_idx, offset);
}

static void
tier_frames(gbx_exec *x, const gbx_segment *seg, bool is_trapped)
{
    if (!is_trapped) {
        if (seg->suspended) tier_walk(x, seg, seg->suspended);
        return;
    }
    if (!x->fault.pc) return; /* it had no room to begin on */
    const code_blob *const blob =
            gbx_runtime_code_find(&x->store->engine->compiler.region, x->fault.pc);
    GBX_ASSERT(blob && blob->table);
    const fault_table *const t = blob->table;
    const fault_row *const row =
            gbx_runtime_fault_row(t, (u32)(x->fault.pc - (uintptr_t)blob->exec));
    GBX_ASSERT(row);
    /* Offset 0 is no instruction: the prologue, where it is the caller's call that fails. */
    u64 const before = x->frames_total;
    if (FAULT_OFFSET(row->what)) tier_add_row(x, seg, t, row);
    tier_walk(x, seg, (const u8 *)(uintptr_t)x->fault.regs[gbx_codegen_sp_reg()] + t->frame_bytes);
    bool const is_stopped = FAULT_KIND(row->what) == GBX_FAULT_POLL;
    if (is_stopped && x->frames_total == before) tier_add_entered(x, seg, t);
}

static const gbx_tier tier_ops = {
        .warm = tier_warm,
        .enter = tier_enter,
        .resume = tier_resume,
        .end = tier_end,
        .bulk = tier_bulk,
        .frames = tier_frames,
        .show = tier_shown,
};
