/* Tables: arrays of references that may grow. Null is 0, so fresh elements are null.
 *
 * All tables of a store draw on one budget, `left`: a module may have 100,000 of them.
 *
 * SAFETY: `len` never exceeds `cap`; whoever runs code compares an index with `len` and reads `elems`
 * anew after anything that may grow the table. */
#include <string.h>

#include "base/alloc.h"
#include "runtime/runtime_int.h"

static gbx_code
table_draw(u64 len, u64 *left, const char *what, gbx_err *err)
{
    if (len > *left) {
        return gbx_base_err_set(err, GBX_LIMIT, GBX_NO_OFFSET,
                                "%s starts with %llu elements, the store allows %llu more: raise "
                                "table_elems",
                                what, (unsigned long long)len, (unsigned long long)*left);
    }
    *left -= len;
    return GBX_OK;
}

gbx_code
gbx_runtime_table_init(gbx_table *t, const wasm_tabletype *type, u64 *left, const char *what,
                       gbx_err *err)
{
    u64 const most = type->limits.is_64 ? UINT64_MAX : UINT32_MAX;
    *t = (gbx_table){.max = type->limits.has_max ? type->limits.max : most,
                     .has_max = type->limits.has_max,
                     .is_64 = type->limits.is_64,
                     .elem_type = type->elem};
    u64 const len = type->limits.min;
    GBX_TRY(table_draw(len, left, what, err));
    t->elems = gbx_base_alloc_zero(len, sizeof *t->elems);
    if (!t->elems) {
        *left += len;
        return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET,
                                "no memory for the %llu elements of %s", (unsigned long long)len,
                                what);
    }
    t->len = t->cap = len;
    return GBX_OK;
}

void
gbx_runtime_table_reset(gbx_table *t, const wasm_tabletype *type, u64 *left)
{
    u64 const len = type->limits.min;
    if (t->cap != len) { /* it has grown: what it takes is given back */
        gbx_runtime_table_deinit(t, left);
        return;
    }
    *left += t->len;
    t->len = 0;
    memset(t->elems, 0, len * sizeof *t->elems);
}

gbx_code
gbx_runtime_table_reuse(gbx_table *t, const wasm_tabletype *type, u64 *left, const char *what, gbx_err *err)
{
    if (!t->elems) return gbx_runtime_table_init(t, type, left, what, err);
    GBX_TRY(table_draw(type->limits.min, left, what, err));
    t->len = type->limits.min;
    return GBX_OK;
}

void
gbx_runtime_table_deinit(gbx_table *t, u64 *left)
{
    *left += t->len;
    gbx_base_free(t->elems);
    *t = (gbx_table){0};
}

/* Grown in steps of half its size, so that a guest that grows by ones does not copy each time. */
static bool
table_make_room(gbx_table *t, u64 len, u64 most)
{
    if (len <= t->cap) return true;
    u64 const cap = max_u64(len, min_u64(most, t->cap + t->cap / 2));
    gbx_slot *more = gbx_base_realloc(t->elems, cap, sizeof *more);
    u64 got = cap;
    if (!more && cap > len) {
        more = gbx_base_realloc(t->elems, len, sizeof *more);
        got = len;
    }
    if (!more) return false;
    t->elems = more;
    t->cap = got;
    return true;
}

u64
gbx_runtime_table_grow(gbx_table *t, gbx_slot init, u64 delta, u64 *left)
{
    u64 const old = t->len;
    if (delta > *left || delta > t->max - old) return UINT64_MAX;
    if (!table_make_room(t, old + delta, min_u64(t->max, old + *left))) return UINT64_MAX;
    for (u64 i = 0; i < delta; i++) t->elems[old + i] = init;
    t->len = old + delta;
    *left -= delta;
    return old;
}
