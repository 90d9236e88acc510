/* Instances: a module's index spaces bound to things.
 *
 * SPEC: core/exec/modules.html#instantiation. Imports are bound first, all of them or none; then the
 * module's own functions, tables, memories and globals are made, which only the host's memory can
 * fail; then segments and the start function act on the store, and from there on nothing is undone: a
 * table of another instance may already hold this one's functions, so the instance stays.
 *
 * SAFETY: indexes were validated against the counts that the arrays here are made from. */
#include <string.h>

#include "base/alloc.h"
#include "base/os_sync.h"
#include "runtime/runtime_int.h"

/* Arrays that live and die together, in one block: an instance costs one allocation. */
typedef struct instance_part {
    void **at; /* gets the array */
    size_t count, bytes;
} instance_part;

static void *
instance_block(const instance_part *parts, size_t part_count, size_t *block_bytes)
{
    size_t total = 0;
    for (size_t i = 0; i < part_count; i++) {
        size_t bytes; /* counts are limited in limits.def: no sum or product comes near overflow */
        if (__builtin_mul_overflow(parts[i].count, parts[i].bytes, &bytes)) return NULL;
        total += (bytes + 15) & ~(size_t)15;
    }
    u8 *const block = gbx_base_alloc_zero(total, 1);
    if (!block) return NULL;
    *block_bytes = total;
    u8 *at = block;
    for (size_t i = 0; i < part_count; i++) {
        *parts[i].at = at;
        at += (parts[i].count * parts[i].bytes + 15) & ~(size_t)15;
    }
    return block;
}

static gbx_code
instance_out_of_memory(gbx_err *err)
{
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for an instance");
}

static void
instance_fill_funcs(runtime_instance *i, const gbx_module *m, gbx_func *f)
{
    const wasm_module *const w = m->wasm;
    for (u32 k = 0; k < w->func_count - w->imported_funcs; k++) {
        wasm_code *const code = &w->codes[k];
        f[k] = (gbx_func){.inst = &i->abi,
                          .cell = NULL, /* until its memory is there: see tier.c */
                          .code = code,
                          .type_id = m->type_ids[code->type_idx],
                          .func_idx = code->func_idx,
                          .param_count = code->param_count,
                          .result_count = code->result_count,
                          .has_v128 = w->types[code->type_idx].has_v128};
        i->abi.funcs[w->imported_funcs + k] = &f[k];
    }
}

/* The block with all arrays empty, and own functions, whose making cannot fail. */
static runtime_instance *
instance_alloc(gbx_store *s, const gbx_module *m)
{
    const wasm_module *const w = m->wasm;
    u32 const own_funcs = w->func_count - w->imported_funcs;
    void *self, *memories, *tables, *globals, *funcs, *datas, *elems, *items;
    void *own_mem, *own_tab, *own_glob, *own_func, *tags, *own_tag;
    size_t block_bytes;
    const instance_part parts[] = {
            {&self, 1, sizeof(runtime_instance)},
            {&memories, w->memory_count, sizeof(gbx_memory *)},
            {&tables, w->table_count, sizeof(gbx_table *)},
            {&globals, w->global_count, sizeof(gbx_global *)},
            {&funcs, w->func_count, sizeof(gbx_func *)},
            {&datas, w->data_count, sizeof(bool)},
            {&elems, w->elem_count, sizeof(bool)},
            {&items, w->elem_count, sizeof(gbx_slot *)},
            {&own_mem, w->memory_count - w->imported_memories, sizeof(gbx_memory)},
            {&own_tab, w->table_count - w->imported_tables, sizeof(gbx_table)},
            {&own_glob, w->global_count - w->imported_globals, sizeof(gbx_global)},
            {&own_func, own_funcs, sizeof(gbx_func)},
            {&tags, w->tag_count, sizeof(gbx_tag *)},
            {&own_tag, w->tag_count - w->imported_tags, sizeof(gbx_tag)},
    };
    if (!instance_block(parts, GBX_LEN(parts), &block_bytes)) return NULL;
    runtime_instance *const i = self;
    i->abi = (gbx_instance){
            .memories = memories,
            .memory_count = w->memory_count,
            .tables = tables,
            .globals = globals,
            .funcs = funcs,
            .tags = tags,
            .type_ids = m->type_ids,
            .module = w,
            .libcalls = &gbx_runtime_libcalls,
            .store = s,
            .data_dropped = datas,
            .elem_dropped = elems,
    };
    i->module = gbx_runtime_module_retain(m);
    i->block_bytes = block_bytes;
    i->own_memory_count = w->memory_count - w->imported_memories;
    i->own_table_count = w->table_count - w->imported_tables;
    i->elem_count = w->elem_count;
    i->elem_items = items;
    i->own_memories = own_mem;
    i->own_tables = own_tab;
    gbx_global *const g = own_glob;
    for (u32 k = w->imported_globals; k < w->global_count; k++) {
        i->abi.globals[k] = &g[k - w->imported_globals];
    }
    gbx_tag *const t = own_tag;
    for (u32 k = w->imported_tags; k < w->tag_count; k++) {
        const wasm_functype *const sig = &w->types[w->tags[k]];
        t[k - w->imported_tags] = (gbx_tag){
                .sig = sig, .param_count = sig->param_count, .has_v128 = sig->has_v128};
        i->abi.tags[k] = &t[k - w->imported_tags];
    }
    instance_fill_funcs(i, m, own_func);
    return i;
}

/* Its tables may be counted by a store that is gone; those that are not were taken off before. Its module may
 * be gone as well: see pool.c. */
static void
instance_free_own(runtime_instance *i, u64 *table_left)
{
    if (i->is_early) gbx_runtime_early_stop(i->module);
    for (u32 k = 0; k < i->own_memory_count; k++) gbx_runtime_memory_deinit(&i->own_memories[k]);
    for (u32 k = 0; k < i->own_table_count; k++) gbx_runtime_table_deinit(&i->own_tables[k], table_left);
    for (u32 k = 0; k < i->elem_count; k++) gbx_base_free(i->elem_items[k]);
    gbx_base_free(i);
}

void
gbx_runtime_instance_free(runtime_instance *i)
{
    u64 nobodys = 0;
    instance_free_own(i, &nobodys);
}

/* ---- From tenant to tenant */

/* What memory and table k begin with: as declared, or as large as the snapshot has them. */
wasm_limits
gbx_runtime_instance_memory_type(const runtime_instance *i, u32 k)
{
    const wasm_module *const w = i->abi.module;
    wasm_limits type = w->memories[k];
    if (i->snapshot) type.min = i->snapshot->memories[k - w->imported_memories].pages;
    return type;
}

wasm_tabletype
gbx_runtime_instance_table_type(const runtime_instance *i, u32 k)
{
    const wasm_module *const w = i->abi.module;
    wasm_tabletype type = w->tables[k];
    if (i->snapshot) type.limits.min = i->snapshot->tables[k - w->imported_tables].len;
    return type;
}

/* NULL where there is no memory that could be put right by it. */
static const module_image *
instance_image(const runtime_instance *i)
{
    if (!i->snapshot) return gbx_runtime_image_find(i->module);
    return i->own_memory_count ? &i->snapshot->memories[0].image : NULL;
}

/* RULE: S4. False: it cannot be used again. Memories that are large on purpose, and those without guards,
 * whose address space is scarce, are not kept. */
static bool
instance_put_right(runtime_instance *i)
{
    const wasm_module *const w = i->abi.module;
    runtime_pool *const pool = &i->module->engine->pool;
    const module_image *const img = instance_image(i);
    if (!img || i->is_huge || w->memory_count > 1 || w->imported_memories) return false;
    if (!gbx_runtime_pool_wants(pool, i->home)) return false;
    gbx_memory *const mem = w->memory_count ? &i->own_memories[0] : NULL;
    i->idle_bytes = i->block_bytes;
    if (mem) {
        if (!mem->base || !mem->guarded) return false;
        i->idle_bytes += gbx_runtime_image_restore(img, mem, i->is_mapped, &pool->written,
                                                   gbx_runtime_pool_room(pool));
        u64 const pages = gbx_runtime_instance_memory_type(i, 0).min;
        if (!gbx_runtime_memory_shrink(mem, pages * MEMORY_PAGE_BYTES)) return false;
    }
    for (u32 k = w->imported_tables; k < w->table_count; k++) {
        gbx_table *const t = &i->own_tables[k - w->imported_tables];
        wasm_tabletype const type = gbx_runtime_instance_table_type(i, k);
        gbx_runtime_table_reset(t, &type, &i->abi.store->table_left);
        i->idle_bytes += t->cap * sizeof *t->elems;
    }
    for (u32 k = 0; k < w->elem_count; k++) {
        gbx_base_free(i->elem_items[k]);
        i->elem_items[k] = NULL;
    }
    if (img->has_passive || i->snapshot) {
        memset(i->abi.data_dropped, 0, w->data_count * sizeof *i->abi.data_dropped);
        memset(i->abi.elem_dropped, 0, w->elem_count * sizeof *i->abi.elem_dropped);
    }
    i->image = img;
    i->is_reused = true;
    return true;
}

/* What it has of others, and its globals, is written when it is taken again; nothing stays until then. */
static void
instance_forget(runtime_instance *i)
{
    const wasm_module *const w = i->abi.module;
    memset(i->abi.funcs, 0, w->imported_funcs * sizeof *i->abi.funcs);
    memset(i->abi.tables, 0, w->imported_tables * sizeof *i->abi.tables);
    memset(i->abi.globals, 0, w->imported_globals * sizeof *i->abi.globals);
    memset(i->abi.tags, 0, w->imported_tags * sizeof *i->abi.tags);
    for (u32 k = w->imported_globals; k < w->global_count; k++) *i->abi.globals[k] = (gbx_global){0};
    i->abi.store = NULL;
    i->life = LIFE_READY;
    i->initialize = NULL;
    i->has_resume = false;
    i->next = NULL;
    i->snapshot = NULL;
}

void
gbx_runtime_instance_release(runtime_instance *i)
{
    gbx_base_free(i->name);
    i->name = NULL;
    gbx_module *const m = i->module;
    runtime_snapshot *const snap = i->snapshot;
    if (instance_put_right(i)) {
        instance_forget(i);
        gbx_runtime_pool_put(&m->engine->pool, i);
    } else {
        instance_free_own(i, &i->abi.store->table_left);
    }
    gbx_runtime_snapshot_release(snap);
    gbx_runtime_module_release(m);
}

/* An idle one of the pool, or a new one, for `s`. `snap`: what it begins with, or NULL.
 * NULL: memory is short. */
static runtime_instance *
instance_get(gbx_store *s, gbx_module *m, runtime_snapshot *snap)
{
    const module_image *const img = snap ? NULL : gbx_runtime_image_get(m);
    pool_link *const home = snap ? &snap->idle : &m->idle;
    bool const may_reuse = (img || snap) && !s->limits.huge_pages;
    runtime_instance *i = may_reuse ? gbx_runtime_pool_take(&m->engine->pool, home) : NULL;
    if (i) {
        (void)gbx_runtime_module_retain(m);
        i->abi.store = s;
    } else {
        i = instance_alloc(s, m);
        if (!i) return NULL;
        i->home = home;
        i->image = img;
        i->is_huge = s->limits.huge_pages;
    }
    if (snap) i->snapshot = gbx_runtime_snapshot_retain(snap);
    return i;
}

static gbx_code
instance_bind_imports(runtime_instance *i, gbx_linker *l, gbx_err *err)
{
    const wasm_module *const w = i->abi.module;
    runtime_extern *const found = gbx_base_alloc(w->import_count, sizeof *found);
    if (!found) return instance_out_of_memory(err);
    gbx_code const code = gbx_runtime_link(l, i->module, found, NULL, NULL, err);
    for (u32 k = 0; code == GBX_OK && k < w->import_count; k++) {
        u32 const idx = w->imports[k].idx;
        switch (w->imports[k].kind) {
        case WASM_EXTERN_FUNC: i->abi.funcs[idx] = found[k].of.func; break;
        case WASM_EXTERN_TABLE: i->abi.tables[idx] = found[k].of.table; break;
        case WASM_EXTERN_MEMORY: i->abi.memories[idx] = found[k].of.memory; break;
        case WASM_EXTERN_GLOBAL: i->abi.globals[idx] = found[k].of.global; break;
        case WASM_EXTERN_TAG: i->abi.tags[idx] = found[k].of.tag; break;
        }
    }
    gbx_base_free(found);
    return code;
}

gbx_code
gbx_runtime_instance_make_own(runtime_instance *i, gbx_err *err)
{
    const wasm_module *const w = i->abi.module;
    gbx_store *const s = i->abi.store;
    for (u32 k = w->imported_memories; k < w->memory_count; k++) {
        gbx_memory *const mem = &i->own_memories[k - w->imported_memories];
        wasm_limits const type = gbx_runtime_instance_memory_type(i, k);
        const char *const what = i->snapshot ? "the snapshot's memory" : "the module's memory";
        bool const may_take = !mem->base && !i->snapshot && !i->image;
        if (may_take && gbx_runtime_early_take(i->module, &s->limits, mem)) {
            i->is_early = i->awaits_early = true;
        } else {
            GBX_TRY((mem->base ? gbx_runtime_memory_reuse : gbx_runtime_memory_init)(
                    mem, &type, s->limits.memory_bytes, what, err));
            if (s->limits.huge_pages) gbx_runtime_memory_use_huge_pages(mem);
        }
        figure_memory(s, mem->bytes);
        i->abi.memories[k] = mem;
    }
    for (u32 k = w->imported_tables; k < w->table_count; k++) {
        gbx_table *const t = &i->own_tables[k - w->imported_tables];
        wasm_tabletype const type = gbx_runtime_instance_table_type(i, k);
        const char *const what = i->snapshot ? "the snapshot's table" : "the module's table";
        GBX_TRY((t->elems ? gbx_runtime_table_reuse : gbx_runtime_table_init)(
                t, &type, &s->table_left, what, err));
        i->abi.tables[k] = t;
    }
    /* In order: an initialiser may read the globals before it. A snapshot has values for them. */
    for (u32 k = w->imported_globals; k < w->global_count; k++) {
        wasm_value const v =
                i->snapshot ? (wasm_value){0, 0} : gbx_runtime_init_const(&i->abi, w->globals[k].init);
        *i->abi.globals[k] = (gbx_global){
                .value = v.low,
                .high = v.high,
                .type = w->globals[k].type.type,
                .is_mutable = w->globals[k].type.is_mutable,
        };
    }
    return GBX_OK;
}

/* Segments, then the start function: what the guest does to its store. */
gbx_code
gbx_runtime_instance_start(runtime_instance *i, gbx_trap *trap, gbx_err *err)
{
    const wasm_module *const w = i->abi.module;
    u64 const begun_ns = gbx_base_os_now_ns();
    gbx_trap_code code = gbx_runtime_init_segments(i, trap);
    gbx_runtime_name_trap(i->abi.store, &i->abi, trap);
    u64 const spent_ns = gbx_base_os_now_ns() - begun_ns;
    (void)atomic_fetch_add_explicit(&i->module->image_ns, spent_ns, memory_order_relaxed);
    const char *where = "while its segments were applied";
    if (code == GBX_TRAP_NONE && w->has_start) {
        where = "in the start function";
        const gbx_func *const f = i->abi.funcs[w->start_func];
        gbx_slot none[1] = {0};
        code = gbx_runtime_call(i->abi.store, f, none, trap);
    }
    if (code == GBX_TRAP_NONE) return GBX_OK;
    return gbx_base_err_set(err, GBX_TRAPPED, GBX_NO_OFFSET, "the instance trapped %s: %s%s%s", where,
                            gbx_trap_text(code), trap->message[0] ? ": " : "", trap->message);
}

/* All but what the guest does: an instance in its store. */
static gbx_code
instance_make(gbx_store *s, gbx_module *m, runtime_snapshot *snap, gbx_linker *l, runtime_instance **out,
              gbx_err *err)
{
    if (m->wasm->uses & GBX_FEATURE_BIT(GBX_FEATURE_SIMD)) GBX_TRY(gbx_runtime_store_need_v128(s, err));
    runtime_instance *const i = instance_get(s, m, snap);
    if (!i) return instance_out_of_memory(err);
    gbx_code code = instance_bind_imports(i, l, err);
    if (code == GBX_OK) code = gbx_runtime_instance_make_own(i, err);
    if (code == GBX_OK) gbx_runtime_tier_instance(i);
    if (code != GBX_OK) {
        instance_free_own(i, &s->table_left);
        gbx_runtime_snapshot_release(snap);
        gbx_runtime_module_release(m);
        return code;
    }
    i->next = s->instances;
    s->instances = i;
    if (!s->home) gbx_runtime_figures_home(s, m);
    *out = i;
    return GBX_OK;
}

gbx_code
gbx_runtime_instance_new(gbx_store *s, const gbx_module *m, gbx_linker *l, const char *name,
                         gbx_instance **out, gbx_trap *trap, gbx_err *err)
{
    u64 const begun_ns = gbx_base_os_now_ns();
    gbx_trap own_trap;
    runtime_instance *i;
    if (!trap) trap = &own_trap;
    trap->code = GBX_TRAP_NONE;
    *out = NULL;
    GBX_TRY(instance_make(s, gbx_runtime_module_mutable(m), NULL, l, &i, err));
    GBX_TRY(gbx_runtime_name_instance(i, name, err));
    gbx_code const code = gbx_runtime_instance_start(i, trap, err);
    gbx_runtime_figures_instance(s, i, gbx_base_os_now_ns() - begun_ns);
    if (code != GBX_OK) return code;
    if (i->module->is_library) gbx_runtime_life_set(i, LIFE_FRESH);
    *out = &i->abi;
    return GBX_OK;
}

gbx_code
gbx_runtime_instance_resume(gbx_store *s, runtime_snapshot *snap, gbx_linker *l, gbx_instance **out,
                            gbx_err *err)
{
    u64 const begun_ns = gbx_base_os_now_ns();
    runtime_instance *i;
    *out = NULL;
    GBX_TRY(instance_make(s, snap->module, snap, l, &i, err));
    gbx_runtime_snapshot_apply(snap, i);
    gbx_runtime_figures_instance(s, i, gbx_base_os_now_ns() - begun_ns);
    if (snap->is_fresh) gbx_runtime_life_set(i, LIFE_FRESH);
    *out = &i->abi;
    return GBX_OK;
}

runtime_extern
gbx_runtime_instance_extern(const gbx_instance *inst, wasm_extern kind, u32 idx)
{
    runtime_extern ext = {.kind = kind};
    switch (kind) {
    case WASM_EXTERN_FUNC: ext.of.func = inst->funcs[idx]; break;
    case WASM_EXTERN_TABLE: ext.of.table = inst->tables[idx]; break;
    case WASM_EXTERN_MEMORY: ext.of.memory = inst->memories[idx]; break;
    case WASM_EXTERN_GLOBAL: ext.of.global = inst->globals[idx]; break;
    case WASM_EXTERN_TAG: ext.of.tag = inst->tags[idx]; break;
    }
    return ext;
}

bool
gbx_runtime_instance_export(const gbx_instance *inst, rd_name name, runtime_extern *out)
{
    const wasm_export *const e = gbx_wasm_find_export(inst->module, name.text, name.len);
    if (e) *out = gbx_runtime_instance_extern(inst, e->kind, e->idx);
    return e != NULL;
}

const gbx_module *
gbx_runtime_instance_module(const gbx_instance *inst)
{
    return instance_of(inst)->module;
}
