/* Snapshots: what an instance has become, written down so that others can begin with it.
 *
 * Memories become images (image.c), tables and globals values in which functions stand by index: a function
 * of the instance's own is the same function of the new one, an imported one is what the new store links
 * there. Everything else that a reference can mean belongs to the old store: there is no snapshot then.
 *
 * What must hold: a snapshot is the whole of what the guest can tell by WebAssembly alone. So the module
 * has no memory, table or global in common with others, no call is half done (none runs, none was ended by
 * a trap or an exit), and dropped segments stay dropped. What host functions told the guest is not seen
 * here but noted: `from`, see gbx/snapshot.h. A function of another instance is code that runs unseen, so
 * such an import counts as asked.
 *
 * An instance keeps the snapshot it began with, whose images the pool puts it right by. RULE: S4, S21. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/os_mem.h"
#include "runtime/runtime_int.h"

/* An imported function, to be found by what it is bound to. */
typedef struct snapshot_import {
    const gbx_func *func;
    const wasm_import *import;
} snapshot_import;

typedef struct snapshot_taker {
    runtime_snapshot *snap;
    const runtime_instance *from;
    const wasm_module *w;
    snapshot_import *imports; /* sorted by `func` */
    gbx_err *err;
} snapshot_taker;

static gbx_code
snapshot_no_memory(gbx_err *err)
{
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a snapshot");
}

static int
snapshot_compare(const void *a, const void *b)
{
    uintptr_t const x = (uintptr_t)((const snapshot_import *)a)->func;
    uintptr_t const y = (uintptr_t)((const snapshot_import *)b)->func;
    return (x > y) - (x < y);
}

static bool
snapshot_list_imports(snapshot_taker *t)
{
    t->imports = gbx_base_alloc(t->w->imported_funcs, sizeof *t->imports);
    if (!t->imports) return false;
    u32 count = 0;
    for (u32 k = 0; k < t->w->import_count; k++) {
        const wasm_import *const import = &t->w->imports[k];
        if (import->kind != WASM_EXTERN_FUNC) continue;
        t->imports[count++] = (snapshot_import){t->from->abi.funcs[import->idx], import};
    }
    qsort(t->imports, count, sizeof *t->imports, snapshot_compare);
    return true;
}

/* ---- References */

static bool
snapshot_same_name(rd_name a, rd_name b)
{
    return a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

/* The import that `f` is bound to; NULL where there is none. *is_one: all that are bound to it have the same
 * names, so that no linker can supply different things for them. */
static const wasm_import *
snapshot_find_import(const snapshot_taker *t, const gbx_func *f, bool *is_one)
{
    u32 low = 0, high = t->w->imported_funcs;
    while (low < high) {
        u32 const mid = low + (high - low) / 2;
        if ((uintptr_t)t->imports[mid].func < (uintptr_t)f) low = mid + 1;
        else high = mid;
    }
    *is_one = true;
    if (low == t->w->imported_funcs || t->imports[low].func != f) return NULL;
    const wasm_import *const first = t->imports[low].import;
    for (u32 k = low + 1; k < t->w->imported_funcs && t->imports[k].func == f; k++)
        if (!snapshot_same_name(t->imports[k].import->module, first->module) ||
            !snapshot_same_name(t->imports[k].import->name, first->name))
            *is_one = false;
    return first;
}

/* `ref` as 1 + function index, 0 for null. `what` and `idx` say where it stands. */
static gbx_code
snapshot_ref(const snapshot_taker *t, wasm_valtype type, gbx_slot ref, const char *what, u32 idx, u32 *out)
{
    *out = 0;
    if (ref == 0) return GBX_OK;
    const char *why = "a reference that means something in its own store alone";
    if (type == WASM_FUNCREF) {
        const gbx_func *const f = (const gbx_func *)(uintptr_t)ref;
        bool is_one;
        const wasm_import *const import = snapshot_find_import(t, f, &is_one);
        if (instance_is_own(t->from, f)) *out = 1 + f->func_idx;
        else if (import && is_one) *out = 1 + import->idx;
        if (*out) return GBX_OK;
        why = import ? "a function that is imported by several names"
                     : "a function of another instance or of the host";
    }
    return gbx_base_err_set(t->err, GBX_SNAPSHOT, GBX_NO_OFFSET,
                            "%s %u holds %s: clear it before a snapshot is taken", what, idx, why);
}

static bool
snapshot_is_ref(u8 type)
{
    return type == WASM_FUNCREF || type == WASM_EXTERNREF || type == WASM_EXNREF;
}

static gbx_code
snapshot_globals(const snapshot_taker *t)
{
    for (u32 k = 0; k < t->w->global_count; k++) {
        const gbx_global *const g = t->from->abi.globals[k];
        wasm_value *const v = &t->snap->globals[k];
        *v = (wasm_value){g->value, g->high};
        if (!snapshot_is_ref(g->type)) continue;
        u32 item;
        GBX_TRY(snapshot_ref(t, g->type, g->value, "global", k, &item));
        v->low = item;
    }
    return GBX_OK;
}

static gbx_code
snapshot_tables(const snapshot_taker *t)
{
    for (u32 k = 0; k < t->w->table_count; k++) {
        const gbx_table *const from = t->from->abi.tables[k];
        snapshot_table *const to = &t->snap->tables[k];
        to->len = from->len;
        to->items = gbx_base_alloc(from->len, sizeof *to->items);
        if (!to->items) return snapshot_no_memory(t->err);
        for (u64 i = 0; i < from->len; i++)
            GBX_TRY(snapshot_ref(t, from->elem_type, from->elems[i], "table", k, &to->items[i]));
    }
    return GBX_OK;
}

/* ---- Memories */

static bool
snapshot_is_zero(const u8 *bytes, u64 len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* The image has what is not zero, in one piece. */
static gbx_code
snapshot_memory_take(const snapshot_taker *t, const gbx_memory *mem, snapshot_memory *out)
{
    u64 const pages = mem->bytes / MEMORY_PAGE_BYTES;
    u64 from = 0, to = pages;
    while (from < to && snapshot_is_zero(mem->base + from * MEMORY_PAGE_BYTES, MEMORY_PAGE_BYTES)) from++;
    while (from < to && snapshot_is_zero(mem->base + (to - 1) * MEMORY_PAGE_BYTES, MEMORY_PAGE_BYTES)) to--;
    module_image *const img = &out->image;
    out->pages = pages;
    if (from < to) {
        img->start = img->from = from * MEMORY_PAGE_BYTES;
        img->to = to * MEMORY_PAGE_BYTES;
        if (!gbx_base_os_image_begin(&img->os, img->to - img->from)) return snapshot_no_memory(t->err);
        memcpy(img->os.bytes, mem->base + img->from, img->to - img->from);
        gbx_base_os_image_seal(&img->os);
    }
    atomic_store_explicit(&img->state, MODULE_IMAGE_READY, memory_order_release);
    return GBX_OK;
}

/* ---- Taking */

static gbx_code
snapshot_refuse(gbx_err *err, const char *why)
{
    return gbx_base_err_set(err, GBX_SNAPSHOT, GBX_NO_OFFSET, "no snapshot can be taken: %s", why);
}

static gbx_code
snapshot_allowed(const runtime_instance *i, gbx_err *err)
{
    const wasm_module *const w = i->abi.module;
    const gbx_store *const s = i->abi.store;
    if (s->depth)
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET,
                                "a snapshot is taken while no call runs in the store");
    if (s->has_ended) return snapshot_refuse(err, "a call in this store trapped, or the guest exited");
    if (i->snapshot) return snapshot_refuse(err, "the instance came from a snapshot itself");
    if (w->imported_memories || w->imported_tables || w->imported_globals)
        return snapshot_refuse(err, "the module imports a memory, a table or a global, which others "
                                    "may change");
    return GBX_OK;
}

static bool
snapshot_alloc(runtime_snapshot *snap, const wasm_module *w)
{
    snap->memories = gbx_base_alloc_zero(w->memory_count, sizeof *snap->memories);
    snap->tables = gbx_base_alloc_zero(w->table_count, sizeof *snap->tables);
    snap->globals = gbx_base_alloc_zero(w->global_count, sizeof *snap->globals);
    snap->data_dropped = gbx_base_alloc_zero(w->data_count, sizeof *snap->data_dropped);
    snap->elem_dropped = gbx_base_alloc_zero(w->elem_count, sizeof *snap->elem_dropped);
    return snap->memories && snap->tables && snap->globals && snap->data_dropped && snap->elem_dropped;
}

static gbx_code
snapshot_fill(const snapshot_taker *t)
{
    const gbx_instance *const abi = &t->from->abi;
    GBX_TRY(snapshot_globals(t));
    GBX_TRY(snapshot_tables(t));
    for (u32 k = 0; k < t->w->memory_count; k++)
        GBX_TRY(snapshot_memory_take(t, abi->memories[k], &t->snap->memories[k]));
    if (t->w->data_count) memcpy(t->snap->data_dropped, abi->data_dropped, t->w->data_count);
    if (t->w->elem_count) memcpy(t->snap->elem_dropped, abi->elem_dropped, t->w->elem_count);
    return GBX_OK;
}

gbx_code
gbx_runtime_snapshot_take(gbx_instance *inst, runtime_snapshot **out, u32 *from, gbx_err *err)
{
    runtime_instance *const i = instance_of(inst);
    const wasm_module *const w = inst->module;
    *out = NULL;
    GBX_TRY(snapshot_allowed(i, err));
    *from = inst->store->exec.asked;
    for (u32 k = 0; k < w->imported_funcs; k++)
        if (inst->funcs[k]->code) *from |= GBX_FROM_HOST;
    runtime_snapshot *const snap = gbx_base_alloc_zero(1, sizeof *snap);
    if (!snap) return snapshot_no_memory(err);
    atomic_init(&snap->refs, 1);
    snap->module = gbx_runtime_module_retain(i->module);
    snap->is_fresh = i->life == LIFE_FRESH;
    snap->idle = (pool_link){&snap->idle, &snap->idle};
    snapshot_taker t = {.snap = snap, .from = i, .w = w, .err = err};
    bool const is_there = snapshot_alloc(snap, w) && snapshot_list_imports(&t);
    gbx_code const code = is_there ? snapshot_fill(&t) : snapshot_no_memory(err);
    gbx_base_free(t.imports);
    if (code == GBX_OK) *out = snap;
    else gbx_runtime_snapshot_release(snap);
    return code;
}

/* ---- Owners */

runtime_snapshot *
gbx_runtime_snapshot_retain(runtime_snapshot *snap)
{
    (void)atomic_fetch_add_explicit(&snap->refs, 1, memory_order_relaxed);
    return snap;
}

void
gbx_runtime_snapshot_release(runtime_snapshot *snap)
{
    if (!snap || atomic_fetch_sub_explicit(&snap->refs, 1, memory_order_acq_rel) != 1) return;
    gbx_module *const m = snap->module;
    gbx_runtime_pool_forget(&m->engine->pool, &snap->idle);
    for (u32 k = 0; snap->memories && k < m->wasm->memory_count; k++)
        gbx_base_os_image_close(&snap->memories[k].image.os);
    for (u32 k = 0; snap->tables && k < m->wasm->table_count; k++) gbx_base_free(snap->tables[k].items);
    gbx_base_free(snap->memories);
    gbx_base_free(snap->tables);
    gbx_base_free(snap->globals);
    gbx_base_free(snap->data_dropped);
    gbx_base_free(snap->elem_dropped);
    gbx_base_free(snap);
    gbx_runtime_module_release(m);
}

const gbx_module *
gbx_runtime_snapshot_module(const runtime_snapshot *snap)
{
    return snap->module;
}

/* ---- Beginning with one */

static gbx_slot
snapshot_func(const gbx_instance *inst, u64 item)
{
    return item ? (u64)(uintptr_t)inst->funcs[item - 1] : 0;
}

/* SAFETY: the instance's memories and tables were made as large as the snapshot's. */
void
gbx_runtime_snapshot_apply(const runtime_snapshot *snap, runtime_instance *i)
{
    const gbx_instance *const abi = &i->abi;
    const wasm_module *const w = abi->module;
    for (u32 k = 0; !i->is_reused && k < w->memory_count; k++) {
        const module_image *const img = &snap->memories[k].image;
        bool const is_mapped = gbx_runtime_image_begin(img, abi->memories[k], !i->is_huge);
        if (k == 0) i->is_mapped = is_mapped;
    }
    for (u32 k = 0; k < w->table_count; k++) {
        const snapshot_table *const from = &snap->tables[k];
        gbx_slot *const to = abi->tables[k]->elems;
        for (u64 at = 0; at < from->len; at++) to[at] = snapshot_func(abi, from->items[at]);
    }
    for (u32 k = 0; k < w->global_count; k++) {
        gbx_global *const g = abi->globals[k];
        g->value = snapshot_is_ref(g->type) ? snapshot_func(abi, snap->globals[k].low) : snap->globals[k].low;
        g->high = snap->globals[k].high;
    }
    if (w->data_count) memcpy(abi->data_dropped, snap->data_dropped, w->data_count);
    if (w->elem_count) memcpy(abi->elem_dropped, snap->elem_dropped, w->elem_count);
}
