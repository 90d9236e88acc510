/* Closed tables: what call_indirect finds there is known before the first call.
 *
 * RULE: S10. Every instance of the module has the same elements, for ever, because
 *   - the table is defined here, it is not exported, and no instruction of a body writes to it (validation
 *     has seen them all, wasm_tabletype.is_written);
 *   - its first elements are null, and the segments that replace them stand at constant places, fit, and
 *     consist of functions of this module and nulls;
 *   - no segment goes to a table of somebody else, so that nobody calls into an instance before all of its
 *     segments are there.
 * Compiled code then finds the cell of a function by its index and type, in a row for the type. Rows are as
 * many as fit a bound of the module's own size; for other types the general way is taken.
 *
 * SAFETY: a place of a row is the cell of a function of that very type, or NULL. */
#include "base/alloc.h"
#include "base/reader.h"
#include "runtime/runtime_int.h"
#include "wasm/opcodes.h"

#define CLOSED_ROWS_MOST 64u
#define CLOSED_PLACES(func_count) ((u64)16 * (func_count) + 1024) /* of all rows together */

/* The number in `i32.const n; end`. */
static bool
closed_offset(const wasm_module *w, wasm_const c, u32 *offset)
{
    if (w->bytes[c.off] != OP_I32_CONST) return false;
    reader r = rd_init(w->bytes, c.off + 1, c.end);
    *offset = (u32)gbx_base_rd_i32(&r);
    return rd_ok(&r) && rd_offset(&r) + 1 == c.end;
}

/* The function in `ref.func f; end`, or FACTS_NONE of `ref.null t; end`. */
static bool
closed_item(reader *r, u32 *func)
{
    u8 const op = gbx_base_rd_u8(r);
    if (op != OP_REF_FUNC && op != OP_REF_NULL) return false;
    *func = gbx_base_rd_u32(r);
    if (op == OP_REF_NULL) *func = FACTS_NONE;
    return gbx_base_rd_u8(r) == OP_END && rd_ok(r);
}

static bool
closed_segment(const wasm_module *w, const wasm_elem *seg, u32 *funcs, u32 len)
{
    u32 offset;
    if (!closed_offset(w, seg->offset, &offset)) return false;
    if (offset > len || seg->count > len - offset) return false;
    reader r = rd_init(w->bytes, seg->items_off, seg->items_end);
    for (u32 i = 0; i < seg->count; i++) {
        u32 *const func = &funcs[offset + i];
        if (!seg->is_exprs)
            *func = gbx_base_rd_u32(&r);
        else if (!closed_item(&r, func))
            return false;
    }
    return rd_ok(&r);
}

static bool
closed_may_be(const wasm_module *w, u32 table)
{
    const wasm_tabletype *const t = &w->tables[table];
    if (t->elem != WASM_FUNCREF || t->is_written || t->limits.is_64) return false;
    if (t->limits.min == 0 || t->limits.min > CLOSED_PLACES(w->func_count) - 1) return false;
    for (u32 i = 0; i < w->export_count; i++)
        if (w->exports[i].kind == WASM_EXTERN_TABLE && w->exports[i].idx == table) return false;
    return true;
}

/* The functions by place. NULL: it is not closed, or memory is short. */
static u32 *
closed_funcs(const wasm_module *w, u32 table)
{
    u32 const len = (u32)w->tables[table].limits.min;
    u32 *const funcs = gbx_base_alloc(len, sizeof *funcs);
    if (!funcs) return NULL;
    for (u32 i = 0; i < len; i++) funcs[i] = FACTS_NONE;
    for (u32 i = 0; i < w->elem_count; i++) {
        const wasm_elem *const seg = &w->elems[i];
        if (seg->mode != WASM_SEGMENT_ACTIVE) continue;
        if (seg->table_idx < w->imported_tables ||
            (seg->table_idx == table && !closed_segment(w, seg, funcs, len))) {
            gbx_base_free(funcs);
            return NULL;
        }
    }
    return funcs;
}

/* A row for each type in the order in which the table has them; returns how many. */
static u32
closed_rows(const gbx_module *m, const u32 *funcs, u32 len, u32 *rows)
{
    const wasm_module *const w = m->wasm;
    u32 count = 0;
    for (u32 i = 0; i < w->type_count; i++) rows[i] = FACTS_NONE;
    for (u32 i = 0; i < len; i++) {
        if (funcs[i] == FACTS_NONE || rows[w->func_types[funcs[i]]] != FACTS_NONE) continue;
        if (count == CLOSED_ROWS_MOST || ((u64)count + 1) * (len + 1) > CLOSED_PLACES(w->func_count)) break;
        u32 const id = m->type_ids[w->func_types[funcs[i]]];
        for (u32 k = 0; k < w->type_count; k++)
            if (m->type_ids[k] == id) rows[k] = count * (len + 1);
        count++;
    }
    return count;
}

static bool
closed_fill(runtime_closed *c, const gbx_module *m, const codegen_env *env, const u32 *funcs, u32 len)
{
    const wasm_module *const w = m->wasm;
    c->rows = gbx_base_alloc(max_u32(w->type_count, 1), sizeof *c->rows);
    if (!c->rows) return false;
    u32 const count = closed_rows(m, funcs, len, c->rows);
    if (!count) return false;
    c->cells = gbx_base_alloc_zero((u64)count * (len + 1), sizeof *c->cells);
    if (!c->cells) return false;
    for (u32 i = 0; i < len; i++) {
        u32 const row = funcs[i] == FACTS_NONE ? FACTS_NONE : c->rows[w->func_types[funcs[i]]];
        if (row != FACTS_NONE) c->cells[row + i] = &env->cells[funcs[i]];
    }
    return true;
}

void
gbx_runtime_closed_init(runtime_closed *c, const gbx_module *m, codegen_env *env)
{
    const wasm_module *const w = m->wasm;
    for (u32 t = w->imported_tables; t < w->table_count; t++) {
        u32 *const funcs = closed_may_be(w, t) ? closed_funcs(w, t) : NULL;
        if (!funcs) continue;
        u32 const len = (u32)w->tables[t].limits.min;
        bool const ok = closed_fill(c, m, env, funcs, len);
        gbx_base_free(funcs);
        if (ok) {
            env->closed_table = t;
            env->closed_len = len;
            env->closed_rows = c->rows;
            return;
        }
        gbx_runtime_closed_deinit(c);
    }
}

void
gbx_runtime_closed_deinit(runtime_closed *c)
{
    gbx_base_free(c->cells);
    gbx_base_free(c->rows);
    *c = (runtime_closed){0};
}
