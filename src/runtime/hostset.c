/* Sets of host functions, WASI's above all: 46 functions that every store gets.
 *
 * Their types and a table of their names are made when a set is first defined in an engine, and live as
 * long as it does. What a store has of them is a block of functions with its own data in each. */
#include <string.h>

#include "base/alloc.h"
#include "runtime/runtime_int.h"

#define HOSTSET_VALUES 16u /* parameters or results of a row, at most */

void
gbx_runtime_hostsets_init(runtime_hostsets *h)
{
    int const rc = pthread_mutex_init(&h->lock, NULL);
    GBX_ASSERT(rc == 0);
}

static void
hostset_free(runtime_hostset *h, runtime_types *t)
{
    for (u32 i = 0; h->types && i < h->set->count; i++) gbx_runtime_type_put(t, h->types[i]);
    while (gbx_base_map_pop(&h->names)) {}
    gbx_base_free(h->types);
    gbx_base_free(h->rows);
    gbx_base_free(h);
}

void
gbx_runtime_hostsets_deinit(runtime_hostsets *h, runtime_types *t)
{
    while (h->list) {
        runtime_hostset *const set = h->list;
        h->list = set->next;
        hostset_free(set, t);
    }
    (void)pthread_mutex_destroy(&h->lock);
}

static void
hostset_letters(const char *letters, wasm_valtype *out, u32 *count)
{
    GBX_ASSERT(strlen(letters) <= HOSTSET_VALUES);
    for (*count = 0; letters[*count]; ++*count) out[*count] = letters[*count] == 'I' ? WASM_I64 : WASM_I32;
}

static bool
hostset_add(runtime_hostset *h, runtime_types *t, u32 row)
{
    const runtime_host_row *const r = &h->set->rows[row];
    wasm_valtype params[HOSTSET_VALUES], results[HOSTSET_VALUES];
    wasm_functype sig = {.params = params, .results = results};
    hostset_letters(r->params, params, &sig.param_count);
    hostset_letters(r->results, results, &sig.result_count);
    h->types[row] = gbx_runtime_type_get(t, &sig);
    h->rows[row].row = row;
    u64 const hash = gbx_base_map_hash(&h->names, 0, r->name, strlen(r->name));
    return h->types[row] && gbx_base_map_add(&h->names, &h->rows[row].node, hash);
}

static runtime_hostset *
hostset_new(runtime_types *t, const runtime_host_set *set)
{
    runtime_hostset *const h = gbx_base_alloc_zero(1, sizeof *h);
    if (!h) return NULL;
    h->set = set;
    h->rows = gbx_base_alloc_zero(set->count, sizeof *h->rows);
    h->types = gbx_base_alloc_zero(set->count, sizeof(runtime_type *));
    bool ok = h->rows && h->types;
    for (u32 i = 0; ok && i < set->count; i++) ok = hostset_add(h, t, i);
    if (ok) return h;
    hostset_free(h, t);
    return NULL;
}

const runtime_hostset *
gbx_runtime_hostset_get(runtime_hostsets *h, runtime_types *t, const runtime_host_set *set)
{
    (void)pthread_mutex_lock(&h->lock);
    runtime_hostset *found = h->list;
    while (found && found->set != set) found = found->next;
    if (!found && (found = hostset_new(t, set))) {
        found->next = h->list;
        h->list = found;
    }
    (void)pthread_mutex_unlock(&h->lock);
    return found;
}

u32
gbx_runtime_hostset_find(const runtime_hostset *h, rd_name module, rd_name name)
{
    const runtime_host_set *const set = h->set;
    if (strlen(set->module) != module.len || memcmp(set->module, module.text, module.len) != 0)
        return set->count;
    u64 const hash = gbx_base_map_hash_again(&h->names, 0, name.text, name.len);
    for (map_node *n = gbx_base_map_first(&h->names, hash); n; n = gbx_base_map_next(n)) {
        u32 const row = MAP_ENTRY(n, hostset_name, node)->row;
        const char *const text = set->rows[row].name;
        if (strlen(text) == name.len && memcmp(text, name.text, name.len) == 0) return row;
    }
    return set->count;
}
