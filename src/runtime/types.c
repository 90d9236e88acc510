/* Canonical function types of an engine.
 *
 * call_indirect compares one number, so two types have the same id exactly when they are equal, in
 * whichever modules they stand. A type lives while a module or a host function refers to it, and its id
 * is used again afterwards: an engine that meets hostile modules all day neither grows nor runs out
 * of ids. SAFETY: an id is only compared with ids of live types of the same engine, and every
 * gbx_func keeps its type alive through its module or its store. */
#include <string.h>

#include "base/alloc.h"
#include "runtime/runtime_int.h"

void
gbx_runtime_types_init(runtime_types *t)
{
    int const rc = pthread_mutex_init(&t->lock, NULL);
    GBX_ASSERT(rc == 0);
}

void
gbx_runtime_types_deinit(runtime_types *t)
{
    GBX_ASSERT(t->types.len == 0);
    while (gbx_base_map_pop(&t->types)) {}
    gbx_base_free(t->free_ids);
    (void)pthread_mutex_destroy(&t->lock);
}

static u64
types_hash(map *m, const wasm_functype *sig)
{
    u64 const h = gbx_base_map_hash(m, 0, sig->params, sig->param_count);
    return gbx_base_map_hash(m, h, sig->results, sig->result_count);
}

static runtime_type *
types_find(const map *m, const wasm_functype *sig, u64 hash)
{
    for (map_node *n = gbx_base_map_first(m, hash); n; n = gbx_base_map_next(n)) {
        runtime_type *const type = MAP_ENTRY(n, runtime_type, node);
        if (gbx_wasm_functype_equal(&type->sig, sig)) return type;
    }
    return NULL;
}

/* Room to give back every id there is, so that gbx_runtime_type_put cannot fail. */
static bool
types_take_id(runtime_types *t, u32 *id)
{
    if (t->free_len) {
        *id = t->free_ids[--t->free_len];
        return true;
    }
    if (t->issued == UINT32_MAX) return false;
    if (t->issued == t->cap) {
        u32 const cap = t->cap ? (u32)min_u64((u64)t->cap * 2, UINT32_MAX) : 64;
        u32 *const more = gbx_base_realloc(t->free_ids, cap, sizeof *more);
        if (!more) return false;
        t->free_ids = more;
        t->cap = cap;
    }
    *id = t->issued++;
    return true;
}

/* One block: the type, its values as the API shows them, its values as wasm spells them. */
static runtime_type *
types_new(const wasm_functype *sig)
{
    size_t const count = (size_t)sig->param_count + sig->result_count;
    runtime_type *const type =
            gbx_base_alloc(1, sizeof *type + count * (sizeof(gbx_valtype) + sizeof(wasm_valtype)));
    if (!type) return NULL;
    gbx_valtype *const shown = (gbx_valtype *)(void *)(type + 1);
    wasm_valtype *const bytes = (wasm_valtype *)(void *)(shown + count);
    if (sig->param_count) memcpy(bytes, sig->params, sig->param_count);
    if (sig->result_count) memcpy(bytes + sig->param_count, sig->results, sig->result_count);
    for (size_t i = 0; i < count; i++) shown[i] = gbx_runtime_valtype_out(bytes[i]);
    *type = (runtime_type){
            .refs = 1,
            .sig = {.param_count = sig->param_count,
                    .result_count = sig->result_count,
                    .params = bytes,
                    .results = bytes + sig->param_count,
                    .has_v128 = sig->has_v128},
            .params = shown,
            .results = shown + sig->param_count,
    };
    for (u32 i = 0; i < min_u32(sig->param_count, 32); i++)
        if (shown[i] == GBX_I32 || shown[i] == GBX_F32) type->narrow |= (u32)1 << i;
    return type;
}

static runtime_type *
types_add(runtime_types *t, const wasm_functype *sig, u64 hash)
{
    runtime_type *const type = types_new(sig);
    if (!type) return NULL;
    if (!types_take_id(t, &type->id)) {
        gbx_base_free(type);
        return NULL;
    }
    if (!gbx_base_map_add(&t->types, &type->node, hash)) {
        t->free_ids[t->free_len++] = type->id;
        gbx_base_free(type);
        return NULL;
    }
    return type;
}

runtime_type *
gbx_runtime_type_get(runtime_types *t, const wasm_functype *sig)
{
    (void)pthread_mutex_lock(&t->lock);
    u64 const hash = types_hash(&t->types, sig);
    runtime_type *type = types_find(&t->types, sig, hash);
    if (type) type->refs++;
    else type = types_add(t, sig, hash);
    (void)pthread_mutex_unlock(&t->lock);
    return type;
}

void
gbx_runtime_type_put(runtime_types *t, runtime_type *type)
{
    if (!type) return;
    (void)pthread_mutex_lock(&t->lock);
    bool const last = --type->refs == 0;
    if (last) {
        gbx_base_map_remove(&t->types, &type->node);
        t->free_ids[t->free_len++] = type->id;
    }
    (void)pthread_mutex_unlock(&t->lock);
    if (last) gbx_base_free(type);
}

wasm_valtype
gbx_runtime_valtype_in(gbx_valtype t)
{
    switch (t) {
    case GBX_I32: return WASM_I32;
    case GBX_I64: return WASM_I64;
    case GBX_F32: return WASM_F32;
    case GBX_F64: return WASM_F64;
    case GBX_FUNCREF: return WASM_FUNCREF;
    case GBX_EXTERNREF: return WASM_EXTERNREF;
    case GBX_V128: return WASM_V128;
    case GBX_EXNREF: return WASM_EXNREF;
    }
    return WASM_ANY;
}

gbx_valtype
gbx_runtime_valtype_out(wasm_valtype t)
{
    switch (t) {
    case WASM_I32: return GBX_I32;
    case WASM_I64: return GBX_I64;
    case WASM_F32: return GBX_F32;
    case WASM_F64: return GBX_F64;
    case WASM_FUNCREF: return GBX_FUNCREF;
    case WASM_V128: return GBX_V128;
    case WASM_EXNREF: return GBX_EXNREF;
    default: return GBX_EXTERNREF;
    }
}
