/* The linker: names to things. Belongs to a store; what it names belongs to the store as well. */
#include <string.h>

#include "base/alloc.h"
#include "runtime/runtime_int.h"

typedef struct linker_def {
    map_node node;
    runtime_extern ext;
    u32 module_len, name_len;
    char names[]; /* module, name; no separator: both may hold any byte */
} linker_def;

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
}

void
gbx_runtime_linker_orphan(gbx_linker *l)
{
    linker_clear(l);
    l->store = NULL;
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
    gbx_base_free(l);
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

bool
gbx_runtime_linker_find(gbx_linker *l, rd_name module, rd_name name, runtime_extern *out)
{
    const linker_def *const d = linker_find(l, module, name, linker_hash(l, module, name));
    if (d) *out = d->ext;
    return d != NULL;
}
