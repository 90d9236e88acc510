/* Looking things up by name and showing types: exports, function names, signatures.
 *
 * SAFETY: the name section is hostile and not validated: it is walked with the sticky reader each
 * time, and damage ends the walk. SPEC: core/appendix/custom.html#name-section */
#include <string.h>

#include "base/text.h"
#include "wasm/wasm_int.h"

void
gbx_wasm_index_names(wasm_module *m)
{
    reader r = rd_init(m->bytes, m->name_sub_off, m->name_sub_end);
    m->name_off = m->name_sub_off;
    m->name_end = m->name_sub_end;
    m->name_sub_off = m->name_sub_end = 0;
    while (rd_left(&r)) {
        u8 const id = gbx_base_rd_u8(&r);
        u32 const size = gbx_base_rd_u32(&r);
        u64 const off = rd_offset(&r);
        if (!gbx_base_rd_bytes(&r, size)) return;
        if (id == 1) { /* function names */
            m->name_sub_off = (u32)off;
            m->name_sub_end = (u32)off + size;
            return;
        }
    }
}

rd_name
gbx_wasm_func_name(const wasm_module *m, u32 func_idx)
{
    reader r = rd_init(m->bytes, m->name_sub_off, m->name_sub_end);
    rd_name const none = {"", 0};
    if (!rd_left(&r)) return none;
    u32 const count = gbx_base_rd_u32(&r);
    for (u32 i = 0; i < count && rd_ok(&r); i++) {
        u32 const idx = gbx_base_rd_u32(&r);
        rd_name const name = gbx_base_rd_name(&r, WASM_MAX_NAME_BYTES);
        if (idx >= func_idx) return rd_ok(&r) && idx == func_idx ? name : none;
    }
    return none;
}

/* The subsection `space`; nothing where there is none, or damage before it. */
static reader
names_find(const wasm_module *m, u8 space)
{
    reader r = rd_init(m->bytes, m->name_off, m->name_end);
    while (rd_left(&r)) {
        u8 const id = gbx_base_rd_u8(&r);
        u32 const size = gbx_base_rd_u32(&r);
        u64 const off = rd_offset(&r);
        if (!gbx_base_rd_bytes(&r, size)) break;
        if (id == space) return rd_init(m->bytes, off, off + size);
    }
    return rd_init(m->bytes, 0, 0);
}

/* A list of indices and names. Of several for an index the first holds. */
static void
names_read(reader *r, u32 count, rd_name *out)
{
    u32 const names = rd_left(r) ? gbx_base_rd_u32(r) : 0;
    for (u32 i = 0; i < names && rd_ok(r); i++) {
        u32 const idx = gbx_base_rd_u32(r);
        rd_name const name = gbx_base_rd_name(r, WASM_MAX_NAME_BYTES);
        if (out && idx < count && rd_ok(r) && !out[idx].len) out[idx] = name;
    }
}

void
gbx_wasm_names(const wasm_module *m, u8 space, u32 count, rd_name *out)
{
    reader r = names_find(m, space);
    names_read(&r, count, out);
}

void
gbx_wasm_local_names(const wasm_module *m, u32 func_idx, u32 count, rd_name *out)
{
    reader r = names_find(m, 2);
    u32 const funcs = rd_left(&r) ? gbx_base_rd_u32(&r) : 0;
    for (u32 i = 0; i < funcs && rd_ok(&r); i++) {
        bool const is_it = gbx_base_rd_u32(&r) == func_idx;
        names_read(&r, count, is_it ? out : NULL);
        if (is_it) return;
    }
}

const wasm_export *
gbx_wasm_find_export(const wasm_module *m, const char *name, size_t name_len)
{
    for (u32 i = 0; i < m->export_count; i++) {
        const wasm_export *const e = &m->exports[i];
        if (e->name.len == name_len && memcmp(e->name.text, name, name_len) == 0) return e;
    }
    return NULL;
}

bool
gbx_wasm_functype_equal(const wasm_functype *a, const wasm_functype *b)
{
    return a->param_count == b->param_count && a->result_count == b->result_count &&
           memcmp(a->params, b->params, a->param_count) == 0 &&
           memcmp(a->results, b->results, a->result_count) == 0;
}

const char *
gbx_wasm_valtype_text(wasm_valtype t)
{
    switch (t) {
    case WASM_I32: return "i32";
    case WASM_I64: return "i64";
    case WASM_F32: return "f32";
    case WASM_F64: return "f64";
    case WASM_V128: return "v128";
    case WASM_FUNCREF: return "funcref";
    case WASM_EXTERNREF: return "externref";
    case WASM_EXNREF: return "exnref";
    default: return "any";
    }
}

static void
name_print_types(text_buf *t, const wasm_valtype *types, u32 count)
{
    gbx_base_text_printf(t, "(");
    for (u32 i = 0; i < count && !t->cut; i++)
        gbx_base_text_printf(t, "%s%s", i ? ", " : "", gbx_wasm_valtype_text(types[i]));
    gbx_base_text_printf(t, ")");
}

void
gbx_wasm_functype_print(const wasm_functype *type, char *buf, size_t cap)
{
    text_buf t = gbx_base_text_init(buf, cap);
    name_print_types(&t, type->params, type->param_count);
    gbx_base_text_printf(&t, " -> ");
    name_print_types(&t, type->results, type->result_count);
}
