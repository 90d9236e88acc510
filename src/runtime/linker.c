/* The linker: names to things. Belongs to a store; what it names belongs to the store as well. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "runtime/runtime_int.h"

#define LINKER_TYPE_SHOWN 512u /* bytes of a type in words */

typedef struct linker_def {
    map_node node;
    runtime_extern ext;
    runtime_told told;
    u32 module_len, name_len;
    char names[]; /* module, name; no separator: both may hold any byte */
} linker_def;

/* What a store has of a set. */
struct linker_set {
    linker_set *next;
    const runtime_hostset *names; /* the engine's */
    runtime_host_func *funcs;     /* by row; the store's */
};

gbx_code
gbx_runtime_linker_new(gbx_store *s, gbx_linker **out, gbx_err *err)
{
    *out = NULL;
    gbx_linker *const l = gbx_base_alloc_zero(1, sizeof *l);
    if (!l) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a linker");
    l->store = s;
    l->next = s->linkers;
    l->link = &s->linkers;
    if (l->next) l->next->link = &l->next;
    s->linkers = l;
    *out = l;
    return GBX_OK;
}

static void
linker_clear(gbx_linker *l)
{
    for (map_node *n; (n = gbx_base_map_pop(&l->defs));) {
        gbx_base_free(MAP_ENTRY(n, linker_def, node));
    }
    while (l->sets) {
        linker_set *const set = l->sets;
        l->sets = set->next;
        gbx_base_free(set);
    }
}

void
gbx_runtime_linker_orphan(gbx_linker *l)
{
    linker_clear(l);
    l->store = NULL;
    l->wasi = NULL;
}

void
gbx_runtime_linker_free(gbx_linker *l)
{
    if (!l) return;
    if (l->store) {
        *l->link = l->next;
        if (l->next) l->next->link = l->link;
    }
    linker_clear(l);
    gbx_base_free((void *)(uintptr_t)l->abi.name.text);
    gbx_base_free(l);
}

const runtime_abi *
gbx_runtime_linker_abi(const gbx_linker *l)
{
    return &l->abi;
}

gbx_code
gbx_runtime_linker_set_abi(gbx_linker *l, rd_name name, u32 major, bool is_required, gbx_err *err)
{
    char *const text = gbx_base_alloc(name.len, 1);
    if (!text) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a name");
    memcpy(text, name.text, name.len);
    gbx_base_free((void *)(uintptr_t)l->abi.name.text);
    l->abi = (runtime_abi){
            .is_set = true, .is_required = is_required, .major = major, .name = {text, name.len}};
    return GBX_OK;
}

gbx_store *
gbx_runtime_linker_store(const gbx_linker *l)
{
    return l->store;
}

static u64
linker_hash(gbx_linker *l, rd_name module, rd_name name)
{
    u64 const h = gbx_base_map_hash(&l->defs, 0, module.text, module.len);
    return gbx_base_map_hash(&l->defs, h, name.text, name.len);
}

static linker_def *
linker_find(const gbx_linker *l, rd_name module, rd_name name, u64 hash)
{
    for (map_node *n = gbx_base_map_first(&l->defs, hash); n; n = gbx_base_map_next(n)) {
        linker_def *const d = MAP_ENTRY(n, linker_def, node);
        if (d->module_len == module.len && d->name_len == name.len &&
            memcmp(d->names, module.text, module.len) == 0 &&
            memcmp(d->names + module.len, name.text, name.len) == 0) {
            return d;
        }
    }
    return NULL;
}

static gbx_code
linker_out_of_memory(gbx_err *err)
{
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a definition");
}

gbx_code
gbx_runtime_linker_define(gbx_linker *l, rd_name module, rd_name name, runtime_extern ext,
                          gbx_err *err)
{
    u64 const hash = linker_hash(l, module, name);
    linker_def *d = linker_find(l, module, name, hash);
    if (!d) {
        d = gbx_base_alloc(1, sizeof *d + module.len + (size_t)name.len);
        if (!d) return linker_out_of_memory(err);
        d->module_len = module.len;
        d->name_len = name.len;
        memcpy(d->names, module.text, module.len);
        memcpy(d->names + module.len, name.text, name.len);
        if (!gbx_base_map_add(&l->defs, &d->node, hash)) {
            gbx_base_free(d);
            return linker_out_of_memory(err);
        }
    }
    d->ext = ext;
    d->told = (runtime_told){0};
    return GBX_OK;
}

void
gbx_runtime_linker_tell(gbx_linker *l, rd_name module, rd_name name, runtime_told told)
{
    linker_def *const d = linker_find(l, module, name, linker_hash(l, module, name));
    if (d) d->told = told;
}

void
gbx_runtime_linker_set_wasi(gbx_linker *l, void *wasi)
{
    l->wasi = wasi;
}

void *
gbx_runtime_linker_wasi(const gbx_linker *l)
{
    return l->wasi;
}

static rd_name
linker_name(const linker_def *d, bool of_module)
{
    if (of_module) return (rd_name){d->names, d->module_len};
    return (rd_name){d->names + d->module_len, d->name_len};
}

static int
linker_compare_names(rd_name a, rd_name b)
{
    u32 const len = (u32)min_u64(a.len, b.len);
    int const order = len ? memcmp(a.text, b.text, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int
linker_compare(const void *a, const void *b)
{
    const linker_def *const x = *(const linker_def *const *)a, *const y = *(const linker_def *const *)b;
    int const order = linker_compare_names(linker_name(x, true), linker_name(y, true));
    return order ? order : linker_compare_names(linker_name(x, false), linker_name(y, false));
}

gbx_code
gbx_runtime_linker_each(const gbx_linker *l, runtime_linker_visit visit, void *data, gbx_err *err)
{
    const linker_def **const list = gbx_base_alloc(l->defs.len, sizeof(const linker_def *));
    if (!list) return linker_out_of_memory(err);
    size_t count = 0;
    for (size_t i = 0; i < l->defs.bucket_count; i++)
        for (map_node *n = l->defs.buckets[i]; n; n = n->next) list[count++] = MAP_ENTRY(n, linker_def, node);
    GBX_ASSERT(count == l->defs.len);
    if (count) qsort(list, count, sizeof(const linker_def *), linker_compare);
    for (size_t i = 0; i < count; i++) {
        const linker_def *const d = list[i];
        char text[LINKER_TYPE_SHOWN];
        gbx_runtime_extern_print(gbx_runtime_extern_given(d->ext), text, sizeof text);
        bool const is_host = d->ext.kind != WASM_EXTERN_FUNC || !d->ext.of.func->code;
        visit(data, linker_name(d, true), linker_name(d, false), d->ext.kind, text, is_host, d->told);
    }
    gbx_base_free(list);
    return GBX_OK;
}

gbx_code
gbx_runtime_linker_define_instance(gbx_linker *l, rd_name module, gbx_instance *inst, gbx_err *err)
{
    for (u32 i = 0; i < inst->module->export_count; i++) {
        const wasm_export *const e = &inst->module->exports[i];
        runtime_extern const ext = gbx_runtime_instance_extern(inst, e->kind, e->idx);
        GBX_TRY(gbx_runtime_linker_define(l, module, e->name, ext, err));
    }
    return GBX_OK;
}

/* What the set replaces. */
static void
linker_forget(gbx_linker *l, const runtime_host_set *set)
{
    rd_name const module = {set->module, (u32)strlen(set->module)};
    for (u32 i = 0; l->defs.len && i < set->count; i++) {
        rd_name const name = {set->rows[i].name, (u32)strlen(set->rows[i].name)};
        linker_def *const d = linker_find(l, module, name, linker_hash(l, module, name));
        if (!d) continue;
        gbx_base_map_remove(&l->defs, &d->node);
        gbx_base_free(d);
    }
}

gbx_code
gbx_runtime_linker_define_set(gbx_linker *l, const runtime_host_set *set, void *with, gbx_err *err)
{
    gbx_store *const s = l->store;
    gbx_engine *const e = s->engine;
    const runtime_hostset *const names = gbx_runtime_hostset_get(&e->hostsets, &e->types, set);
    runtime_host_func *const funcs = names ? gbx_base_alloc(set->count, sizeof *funcs) : NULL;
    linker_set *const own = funcs ? gbx_base_alloc(1, sizeof *own) : NULL;
    if (!own || !gbx_runtime_store_own(s, funcs, gbx_base_free)) {
        gbx_base_free(own);
        gbx_base_free(funcs);
        return linker_out_of_memory(err);
    }
    for (u32 i = 0; i < set->count; i++) {
        const runtime_type *const type = names->types[i];
        void *data;
        gbx_host_fn const fn = set->bind(with, i, &data);
        funcs[i] = (runtime_host_func){.func = {.host = fn,
                                                .host_data = data,
                                                .type_id = type->id,
                                                .param_count = type->sig.param_count,
                                                .result_count = type->sig.result_count},
                                       .type = names->types[i],
                                       .store = s};
    }
    linker_forget(l, set);
    *own = (linker_set){.next = l->sets, .names = names, .funcs = funcs};
    l->sets = own;
    return GBX_OK;
}

bool
gbx_runtime_linker_find(gbx_linker *l, rd_name module, rd_name name, runtime_extern *out)
{
    const linker_def *const d =
            l->defs.len ? linker_find(l, module, name, linker_hash(l, module, name)) : NULL;
    if (d) {
        *out = d->ext;
        return true;
    }
    for (const linker_set *set = l->sets; set; set = set->next) {
        u32 const row = gbx_runtime_hostset_find(set->names, module, name);
        if (row == set->names->set->count) continue;
        *out = (runtime_extern){.kind = WASM_EXTERN_FUNC, .of.func = &set->funcs[row].func};
        return true;
    }
    return false;
}
