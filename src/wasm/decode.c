/* Bytes -> module: the preamble and the sections, each read once, in order.
 *
 * Given a private copy of the file, it fills a wasm_module whose arrays live in the module's arena and
 * whose names and bodies point into the bytes. What it must hold: nothing is believed before it is
 * compared with what is left of the section; an array is allocated only for a count that the bytes
 * left could meet; the first failure is the one reported, with offset and section. Bodies are
 * validated after the last section (validate.c), so that messages can name functions.
 *
 * SAFETY: all reads go through the sticky reader, whose bounds are those of the current section.
 * SPEC: core/binary/modules.html, core/valid/modules.html */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "wasm/opcodes.h"
#include "wasm/wasm_int.h"


enum {
    SEC_CUSTOM,
    SEC_TYPE,
    SEC_IMPORT,
    SEC_FUNCTION,
    SEC_TABLE,
    SEC_MEMORY,
    SEC_GLOBAL,
    SEC_EXPORT,
    SEC_START,
    SEC_ELEMENT,
    SEC_CODE,
    SEC_DATA,
    SEC_DATA_COUNT,
    SEC_TAG,
    SEC_COUNT
};

typedef struct section_row {
    const char *name;
    u8 order; /* place in the order that sections must keep; 0: anywhere */
} section_row;

/* ORDER: SEC_ */
static const section_row section_rows[SEC_COUNT] = {
    {"custom", 0}, {"type", 1},    {"import", 2}, {"function", 3}, {"table", 4},
    {"memory", 5}, {"global", 7},  {"export", 8}, {"start", 9},    {"element", 10},
    {"code", 12},  {"data", 13},   {"data count", 11}, {"tag", 6},
};

void
gbx_wasm_invalid(decoder *d, u64 offset, const char *why)
{
    gbx_base_rd_fail(&d->r, GBX_INVALID, offset, why);
}

/* `count` zeroed items; a failure to allocate is remembered like a bad byte. */
static void *
decode_array(decoder *d, u64 count, size_t bytes)
{
    void *const p = gbx_base_arena_alloc(&d->m->arena, count, bytes);
    if (!p) gbx_base_rd_fail(&d->r, GBX_NO_MEMORY, rd_offset(&d->r), "out of memory");
    return p;
}

/* A vector's count, and room for `have` items before it: index spaces hold imports first. `old` is
 * the array so far, which is copied. */
static u32
decode_space(decoder *d, void **old, u32 have, u64 max, const char *why, size_t bytes)
{
    u32 const count = gbx_base_rd_count(&d->r, max, why);
    if (!rd_ok(&d->r)) return 0;
    if ((u64)count + have > max) {
        gbx_base_rd_fail(&d->r, GBX_LIMIT, rd_offset(&d->r), why);
        return 0;
    }
    void *const all = decode_array(d, (u64)count + have, bytes);
    if (!all) return 0;
    if (have) memcpy(all, *old, have * bytes);
    *old = all;
    return count;
}

/* A value type that is not a number, by its first byte. */
static wasm_valtype
decode_other_valtype(wasm_module *m, reader *r, u64 off, u8 t)
{
    switch (t) {
    case WASM_V128: gbx_wasm_need(m, r, off, GBX_FEATURE_SIMD); break;
    case WASM_FUNCREF:
    case WASM_EXTERNREF: gbx_wasm_need(m, r, off, GBX_FEATURE_REFERENCE_TYPES); break;
    case WASM_EXNREF: gbx_wasm_need(m, r, off, GBX_FEATURE_EXCEPTIONS); break;
    case 0x63:
    case 0x64: gbx_wasm_need(m, r, off, GBX_FEATURE_FUNCTION_REFERENCES); break;
    case 0x68:
    case 0x75: gbx_wasm_need(m, r, off, GBX_FEATURE_STACK_SWITCHING); break;
    default:
        if (t >= 0x6a && t <= 0x74) gbx_wasm_need(m, r, off, GBX_FEATURE_GC);
        else gbx_base_rd_fail(r, GBX_MALFORMED, off, "malformed value type");
    }
    return rd_ok(r) ? t : 0;
}

wasm_valtype
gbx_wasm_read_valtype(wasm_module *m, reader *r)
{
    u64 const off = rd_offset(r);
    u8 const t = gbx_base_rd_u8(r);
    return t >= WASM_F64 && t <= WASM_I32 ? t : decode_other_valtype(m, r, off, t);
}

/* A funcref is older than reference types where it stands for a table's elements. */
wasm_valtype
gbx_wasm_read_reftype(wasm_module *m, reader *r)
{
    u64 const off = rd_offset(r);
    if (rd_left(r) && *r->at == WASM_FUNCREF) return gbx_base_rd_u8(r);
    wasm_valtype const t = gbx_wasm_read_valtype(m, r);
    if (rd_ok(r) && !wasm_is_ref(t))
        gbx_base_rd_fail(r, GBX_MALFORMED, off, "malformed reference type");
    return t;
}

/* An index of a type begins with a byte that no abstract type has. */
wasm_valtype
gbx_wasm_read_heaptype(wasm_module *m, reader *r)
{
    if (rd_left(r) && (*r->at < 0x40 || *r->at >= 0x80))
        gbx_wasm_need(m, r, rd_offset(r), GBX_FEATURE_FUNCTION_REFERENCES);
    return gbx_wasm_read_reftype(m, r);
}

/* Bits of the flags: maximum, shared, 64-bit, custom page size. */
static wasm_limits
decode_limits_flags(wasm_module *m, reader *r, bool is_table)
{
    u64 const off = rd_offset(r);
    u8 const flags = gbx_base_rd_u8(r);
    wasm_limits const l = {.has_max = flags & 1, .is_64 = flags & 4};
    if (flags >= (is_table ? 8 : 16)) gbx_base_rd_fail(r, GBX_MALFORMED, off, "malformed limits flags");
    if (flags & 8) gbx_wasm_need(m, r, off, GBX_FEATURE_CUSTOM_PAGE_SIZES);
    if (flags & 2) gbx_wasm_need(m, r, off, GBX_FEATURE_THREADS);
    if (flags & 4) gbx_wasm_need(m, r, off, GBX_FEATURE_MEMORY64);
    return l;
}

wasm_limits
gbx_wasm_read_limits(wasm_module *m, reader *r, bool is_table)
{
    u64 const off = rd_offset(r);
    wasm_limits l = decode_limits_flags(m, r, is_table);
    /* With 64-bit addresses the format has one form of limits, and narrow ones are a matter of range. */
    bool const is_wide = !(m->features_off & GBX_FEATURE_BIT(GBX_FEATURE_MEMORY64));
    l.min = is_wide ? gbx_base_rd_u64(r) : gbx_base_rd_u32(r);
    if (l.has_max) l.max = is_wide ? gbx_base_rd_u64(r) : gbx_base_rd_u32(r);
    if (!rd_ok(r)) return l;
    u64 const most = is_table ? (l.is_64 ? UINT64_MAX : UINT32_MAX)
                              : (l.is_64 ? WASM_MAX_MEMORY64_PAGES : WASM_MAX_MEMORY_PAGES);
    if (l.min > most || (l.has_max && l.max > most))
        gbx_base_rd_fail(r, GBX_INVALID, off,
                         is_table  ? "table size must be at most 2^32-1"
                         : l.is_64 ? "memory size must be at most 2^48 pages"
                                   : "memory size must be at most 65536 pages (4 GiB)");
    if (l.has_max && l.max < l.min)
        gbx_base_rd_fail(r, GBX_INVALID, off, "size minimum must not be greater than maximum");
    return l;
}

/* A vector of value types. No count's limit is known before the whole type is read. */
static const wasm_valtype *
decode_valtypes(decoder *d, u32 *count, u64 max, const char *why)
{
    *count = gbx_base_rd_count(&d->r, max, why);
    const u8 *const types = d->r.at;
    for (u32 i = 0; i < *count; i++) (void)gbx_wasm_read_valtype(d->m, &d->r);
    return types;
}

/* Sorts type indices so that equal types stand together; the lowest index leads. */
static int
decode_type_order(const void *pa, const void *pb, void *data)
{
    const wasm_functype *const types = data;
    u32 const ia = *(const u32 *)pa, ib = *(const u32 *)pb;
    const wasm_functype *const a = &types[ia], *const b = &types[ib];
    if (a->param_count != b->param_count) return a->param_count < b->param_count ? -1 : 1;
    if (a->result_count != b->result_count) return a->result_count < b->result_count ? -1 : 1;
    int c = memcmp(a->params, b->params, a->param_count);
    if (c == 0) c = memcmp(a->results, b->results, a->result_count);
    if (c == 0) c = ia < ib ? -1 : ia > ib;
    return c;
}

/* Give every type the lowest index of its equals. Sorting keeps a hostile set of types cheap. */
static gbx_code
decode_type_canon(decoder *d)
{
    wasm_module *const m = d->m;
    u32 *const order = gbx_base_alloc(m->type_count, sizeof *order);
    if (!order) return gbx_base_err_set(d->err, GBX_NO_MEMORY, GBX_NO_OFFSET, "out of memory");
    for (u32 i = 0; i < m->type_count; i++) order[i] = i;
    qsort_r(order, m->type_count, sizeof *order, decode_type_order, m->types);
    for (u32 i = 0; i < m->type_count; i++) {
        wasm_functype *const t = &m->types[order[i]];
        t->canon = order[i];
        if (i && gbx_wasm_functype_equal(t, &m->types[order[i - 1]]))
            t->canon = m->types[order[i - 1]].canon;
    }
    gbx_base_free(order);
    return GBX_OK;
}

static gbx_code
decode_types(decoder *d)
{
    wasm_module *const m = d->m;
    m->type_count = gbx_base_rd_count(&d->r, WASM_MAX_TYPES, WASM_WHY_TYPES);
    m->types = decode_array(d, m->type_count, sizeof *m->types);
    for (u32 i = 0; rd_ok(&d->r) && i < m->type_count; i++) {
        u64 const off = rd_offset(&d->r);
        wasm_functype *const t = &m->types[i];
        u8 const form = gbx_base_rd_u8(&d->r);
        if (form == 0x5e || form == 0x5f || form == 0x50 || form == 0x4f || form == 0x4e)
            gbx_wasm_need(m, &d->r, off, GBX_FEATURE_GC);
        else if (form == 0x5d)
            gbx_wasm_need(m, &d->r, off, GBX_FEATURE_STACK_SWITCHING);
        else if (form != 0x60)
            gbx_base_rd_fail(&d->r, GBX_MALFORMED, off, "malformed function type");
        t->params = decode_valtypes(d, &t->param_count, WASM_MAX_PARAMS, WASM_WHY_PARAMS);
        t->results = decode_valtypes(d, &t->result_count, WASM_MAX_RESULTS, WASM_WHY_RESULTS);
        if (!rd_ok(&d->r)) break;
        if (t->result_count > 1) gbx_wasm_need(m, &d->r, off, GBX_FEATURE_MULTI_VALUE);
        t->has_v128 = memchr(t->params, WASM_V128, t->param_count) ||
                      memchr(t->results, WASM_V128, t->result_count);
    }
    GBX_TRY(gbx_base_rd_done(&d->r, d->err));
    return decode_type_canon(d);
}

static u32
decode_type_idx(decoder *d)
{
    u64 const off = rd_offset(&d->r);
    u32 const idx = gbx_base_rd_u32(&d->r);
    if (rd_ok(&d->r) && idx >= d->m->type_count) gbx_wasm_invalid(d, off, "unknown type");
    return rd_ok(&d->r) ? idx : 0;
}

static wasm_tabletype
decode_tabletype(decoder *d)
{
    wasm_tabletype t = {0};
    u64 const off = rd_offset(&d->r);
    if (d->m->table_count) gbx_wasm_need(d->m, &d->r, off, GBX_FEATURE_REFERENCE_TYPES);
    t.elem = gbx_wasm_read_reftype(d->m, &d->r);
    t.limits = gbx_wasm_read_limits(d->m, &d->r, true);
    return t;
}

static wasm_globaltype
decode_globaltype(decoder *d)
{
    wasm_globaltype g = {0};
    g.type = gbx_wasm_read_valtype(d->m, &d->r);
    u64 const off = rd_offset(&d->r);
    u8 const mut = gbx_base_rd_u8(&d->r);
    if (mut > 1) gbx_base_rd_fail(&d->r, GBX_MALFORMED, off, "malformed mutability");
    g.is_mutable = mut == 1;
    return g;
}

static void
decode_memory(decoder *d)
{
    wasm_module *const m = d->m;
    if (m->memory_count) gbx_wasm_need(m, &d->r, rd_offset(&d->r), GBX_FEATURE_MULTI_MEMORY);
    m->memories[m->memory_count++] = gbx_wasm_read_limits(m, &d->r, false);
}

/* A tag's type: an attribute that must be 0 (an exception), and a function type without results. */
static u32
decode_tag(decoder *d)
{
    u64 const off = rd_offset(&d->r);
    gbx_wasm_need(d->m, &d->r, off, GBX_FEATURE_EXCEPTIONS);
    if (gbx_base_rd_u8(&d->r) != 0)
        gbx_base_rd_fail(&d->r, GBX_MALFORMED, off, "malformed tag attribute");
    u32 const idx = decode_type_idx(d);
    if (rd_ok(&d->r) && d->m->types[idx].result_count)
        gbx_wasm_invalid(d, off, "non-empty tag result type");
    return idx;
}

static void
decode_import_desc(decoder *d, wasm_import *imp)
{
    wasm_module *const m = d->m;
    u64 const off = rd_offset(&d->r);
    u8 const kind = gbx_base_rd_u8(&d->r);
    imp->kind = (wasm_extern)kind;
    switch (kind) {
    case WASM_EXTERN_FUNC:
        imp->idx = m->func_count;
        m->func_types[m->func_count++] = decode_type_idx(d);
        break;
    case WASM_EXTERN_TABLE:
        imp->idx = m->table_count;
        m->tables[m->table_count++] = decode_tabletype(d);
        break;
    case WASM_EXTERN_MEMORY:
        imp->idx = m->memory_count;
        decode_memory(d);
        break;
    case WASM_EXTERN_GLOBAL:
        imp->idx = m->global_count;
        m->globals[m->global_count++].type = decode_globaltype(d);
        break;
    case WASM_EXTERN_TAG:
        imp->idx = m->tag_count;
        m->tags[m->tag_count++] = decode_tag(d);
        break;
    default: gbx_base_rd_fail(&d->r, GBX_MALFORMED, off, "malformed import kind");
    }
}

static gbx_code
decode_imports(decoder *d)
{
    wasm_module *const m = d->m;
    u32 const count = gbx_base_rd_count(&d->r, WASM_MAX_IMPORTS, WASM_WHY_IMPORTS);
    m->imports = decode_array(d, count, sizeof *m->imports);
    m->func_types = decode_array(d, count, sizeof *m->func_types);
    m->tables = decode_array(d, count, sizeof *m->tables);
    m->memories = decode_array(d, count, sizeof *m->memories);
    m->globals = decode_array(d, count, sizeof *m->globals);
    m->tags = decode_array(d, count, sizeof *m->tags);
    for (u32 i = 0; rd_ok(&d->r) && i < count; i++) {
        wasm_import *const imp = &m->imports[m->import_count++];
        imp->module = gbx_base_rd_name(&d->r, WASM_MAX_NAME_BYTES);
        imp->name = gbx_base_rd_name(&d->r, WASM_MAX_NAME_BYTES);
        if (rd_ok(&d->r)) decode_import_desc(d, imp);
    }
    m->imported_funcs = m->func_count;
    m->imported_tables = m->table_count;
    m->imported_memories = m->memory_count;
    m->imported_globals = m->global_count;
    m->imported_tags = m->tag_count;
    return gbx_base_rd_done(&d->r, d->err);
}

static gbx_code
decode_functions(decoder *d)
{
    wasm_module *const m = d->m;
    void *all = m->func_types;
    u32 const count = decode_space(d, &all, m->func_count, WASM_MAX_FUNCS, WASM_WHY_FUNCS,
                                   sizeof *m->func_types);
    m->func_types = all;
    for (u32 i = 0; rd_ok(&d->r) && i < count; i++)
        m->func_types[m->func_count++] = decode_type_idx(d);
    d->declared_funcs = count;
    return gbx_base_rd_done(&d->r, d->err);
}

static gbx_code
decode_tables(decoder *d)
{
    wasm_module *const m = d->m;
    void *all = m->tables;
    u32 const count = decode_space(d, &all, m->table_count, WASM_MAX_TABLES, WASM_WHY_TABLES,
                                   sizeof *m->tables);
    m->tables = all;
    for (u32 i = 0; rd_ok(&d->r) && i < count; i++) {
        if (rd_left(&d->r) && *d->r.at == 0x40)
            gbx_wasm_need(m, &d->r, rd_offset(&d->r), GBX_FEATURE_FUNCTION_REFERENCES);
        m->tables[m->table_count++] = decode_tabletype(d);
    }
    return gbx_base_rd_done(&d->r, d->err);
}

static gbx_code
decode_memories(decoder *d)
{
    wasm_module *const m = d->m;
    void *all = m->memories;
    u32 const count = decode_space(d, &all, m->memory_count, WASM_MAX_MEMORIES, WASM_WHY_MEMORIES,
                                   sizeof *m->memories);
    m->memories = all;
    for (u32 i = 0; rd_ok(&d->r) && i < count; i++) decode_memory(d);
    return gbx_base_rd_done(&d->r, d->err);
}

static gbx_code
decode_tags(decoder *d)
{
    wasm_module *const m = d->m;
    void *all = m->tags;
    gbx_wasm_need(m, &d->r, rd_offset(&d->r), GBX_FEATURE_EXCEPTIONS);
    u32 const count =
            decode_space(d, &all, m->tag_count, WASM_MAX_TAGS, WASM_WHY_TAGS, sizeof *m->tags);
    m->tags = all;
    for (u32 i = 0; rd_ok(&d->r) && i < count; i++) m->tags[m->tag_count++] = decode_tag(d);
    return gbx_base_rd_done(&d->r, d->err);
}

static gbx_code
decode_globals(decoder *d)
{
    wasm_module *const m = d->m;
    void *all = m->globals;
    u32 const count = decode_space(d, &all, m->global_count, WASM_MAX_GLOBALS, WASM_WHY_GLOBALS,
                                   sizeof *m->globals);
    m->globals = all;
    for (u32 i = 0; rd_ok(&d->r) && i < count; i++) {
        wasm_global g = {.type = decode_globaltype(d)};
        if (rd_ok(&d->r)) g.init = gbx_wasm_read_const(d, g.type.type);
        m->globals[m->global_count++] = g;
    }
    return gbx_base_rd_done(&d->r, d->err);
}

static u32
decode_space_count(const wasm_module *m, wasm_extern kind)
{
    switch (kind) {
    case WASM_EXTERN_FUNC: return m->func_count;
    case WASM_EXTERN_TABLE: return m->table_count;
    case WASM_EXTERN_MEMORY: return m->memory_count;
    case WASM_EXTERN_GLOBAL: return m->global_count;
    case WASM_EXTERN_TAG: return m->tag_count;
    }
    return 0;
}

static int
decode_name_order(const void *pa, const void *pb)
{
    const rd_name *const a = pa, *const b = pb;
    u32 const least = a->len < b->len ? a->len : b->len;
    int const c = memcmp(a->text, b->text, least);
    return c ? c : a->len < b->len ? -1 : a->len > b->len;
}

/* Export names must be unique. Sorted, so that a million hostile names stay cheap. */
static gbx_code
decode_check_export_names(decoder *d)
{
    wasm_module *const m = d->m;
    rd_name *const names = gbx_base_alloc(m->export_count, sizeof *names);
    if (!names) return gbx_base_err_set(d->err, GBX_NO_MEMORY, GBX_NO_OFFSET, "out of memory");
    for (u32 i = 0; i < m->export_count; i++) names[i] = m->exports[i].name;
    qsort(names, m->export_count, sizeof *names, decode_name_order);
    gbx_code code = GBX_OK;
    for (u32 i = 1; i < m->export_count; i++) {
        if (decode_name_order(&names[i - 1], &names[i]) != 0) continue;
        char shown[128];
        text_buf t = gbx_base_text_init(shown, sizeof shown);
        gbx_base_text_escape(&t, names[i].text, names[i].len, 100);
        u64 const off = (u64)((const u8 *)names[i].text - m->bytes);
        code = gbx_base_err_set(d->err, GBX_INVALID, off, "duplicate export name \"%s\" at byte 0x%llx",
                                shown, (unsigned long long)off);
        break;
    }
    gbx_base_free(names);
    return code;
}

static gbx_code
decode_exports(decoder *d)
{
    wasm_module *const m = d->m;
    m->export_count = gbx_base_rd_count(&d->r, WASM_MAX_EXPORTS, WASM_WHY_EXPORTS);
    m->exports = decode_array(d, m->export_count, sizeof *m->exports);
    for (u32 i = 0; rd_ok(&d->r) && i < m->export_count; i++) {
        static const char *const unknown[] = {"unknown function", "unknown table",
                                              "unknown memory", "unknown global", "unknown tag"};
        wasm_export *const e = &m->exports[i];
        e->name = gbx_base_rd_name(&d->r, WASM_MAX_NAME_BYTES);
        u64 const off = rd_offset(&d->r);
        u8 const kind = gbx_base_rd_u8(&d->r);
        e->kind = (wasm_extern)kind;
        e->idx = gbx_base_rd_u32(&d->r);
        if (!rd_ok(&d->r)) break;
        if (kind == WASM_EXTERN_TAG) gbx_wasm_need(m, &d->r, off, GBX_FEATURE_EXCEPTIONS);
        if (kind > WASM_EXTERN_TAG)
            gbx_base_rd_fail(&d->r, GBX_MALFORMED, off, "malformed export kind");
        else if (e->idx >= decode_space_count(m, e->kind))
            gbx_wasm_invalid(d, off, unknown[e->kind]);
        else if (kind == WASM_EXTERN_FUNC)
            d->func_refs[e->idx] = 1;
    }
    GBX_TRY(gbx_base_rd_done(&d->r, d->err));
    return decode_check_export_names(d);
}

static gbx_code
decode_start(decoder *d)
{
    wasm_module *const m = d->m;
    u64 const off = rd_offset(&d->r);
    m->start_func = gbx_base_rd_u32(&d->r);
    GBX_TRY(gbx_base_rd_done(&d->r, d->err));
    if (m->start_func >= m->func_count) {
        gbx_wasm_invalid(d, off, "unknown function");
        return gbx_base_rd_done(&d->r, d->err);
    }
    const wasm_functype *const t = &m->types[m->func_types[m->start_func]];
    if (t->param_count || t->result_count) gbx_wasm_invalid(d, off, "start function must be () -> ()");
    m->has_start = true;
    return gbx_base_rd_done(&d->r, d->err);
}

/* Bodies are only delimited here. */
static gbx_code
decode_codes(decoder *d)
{
    wasm_module *const m = d->m;
    u64 const section_off = rd_offset(&d->r);
    m->code_bytes = rd_left(&d->r);
    u32 const count = gbx_base_rd_count(&d->r, WASM_MAX_FUNCS, WASM_WHY_FUNCS);
    if (rd_ok(&d->r) && count != d->declared_funcs)
        gbx_base_rd_fail(&d->r, GBX_MALFORMED, section_off,
                         "function and code section have inconsistent lengths");
    for (u32 i = 0; rd_ok(&d->r) && i < count; i++) {
        wasm_code *const c = &m->codes[i];
        u64 const off = rd_offset(&d->r);
        u32 const size = gbx_base_rd_u32(&d->r);
        if (rd_ok(&d->r) && size > WASM_MAX_BODY_BYTES)
            gbx_base_rd_fail(&d->r, GBX_LIMIT, off, WASM_WHY_BODY_BYTES);
        c->body_off = (u32)rd_offset(&d->r);
        c->body_end = c->body_off + size;
        (void)gbx_base_rd_bytes(&d->r, size);
    }
    return gbx_base_rd_done(&d->r, d->err);
}

static gbx_code
decode_data_count(decoder *d)
{
    u64 const off = rd_offset(&d->r);
    gbx_wasm_need(d->m, &d->r, off, GBX_FEATURE_BULK_MEMORY);
    d->data_count = gbx_base_rd_u32(&d->r);
    d->has_data_count = true;
    if (d->data_count > WASM_MAX_DATA_SEGMENTS)
        gbx_base_rd_fail(&d->r, GBX_LIMIT, off, WASM_WHY_DATA_SEGMENTS);
    return gbx_base_rd_done(&d->r, d->err);
}

static gbx_code
decode_custom(decoder *d)
{
    wasm_module *const m = d->m;
    rd_name const name = gbx_base_rd_name(&d->r, WASM_MAX_NAME_BYTES);
    GBX_TRY(gbx_base_rd_done(&d->r, d->err));
    if (name.len == 4 && memcmp(name.text, "name", 4) == 0 && !m->name_sub_end) {
        m->name_sub_off = (u32)rd_offset(&d->r);
        m->name_sub_end = (u32)(d->r.end - d->r.base);
    }
    d->r.at = d->r.end;
    return GBX_OK;
}

/* Facts that later sections need once all imports and functions are counted. */
static gbx_code
decode_index_spaces(decoder *d)
{
    wasm_module *const m = d->m;
    if (d->func_refs) return GBX_OK;
    d->func_refs = gbx_base_arena_alloc(&m->arena, m->func_count, 1);
    m->codes = gbx_base_arena_alloc(&m->arena, d->declared_funcs, sizeof *m->codes);
    if (!d->func_refs || !m->codes)
        return gbx_base_err_set(d->err, GBX_NO_MEMORY, GBX_NO_OFFSET, "out of memory");
    return GBX_OK;
}

static gbx_code
decode_section(decoder *d, u8 id)
{
    /* From the global section on, indices of functions may be named. */
    if (section_rows[id].order >= section_rows[SEC_GLOBAL].order) GBX_TRY(decode_index_spaces(d));
    switch (id) {
    case SEC_CUSTOM: return decode_custom(d);
    case SEC_TYPE: return decode_types(d);
    case SEC_IMPORT: return decode_imports(d);
    case SEC_FUNCTION: return decode_functions(d);
    case SEC_TABLE: return decode_tables(d);
    case SEC_MEMORY: return decode_memories(d);
    case SEC_GLOBAL: return decode_globals(d);
    case SEC_EXPORT: return decode_exports(d);
    case SEC_START: return decode_start(d);
    case SEC_ELEMENT: return gbx_wasm_decode_elems(d);
    case SEC_CODE: return decode_codes(d);
    case SEC_DATA: return gbx_wasm_decode_datas(d);
    case SEC_DATA_COUNT: return decode_data_count(d);
    default: return decode_tags(d);
    }
}

static gbx_code
decode_sections(decoder *d)
{
    wasm_module *const m = d->m;
    reader file = rd_init(m->bytes, 8, m->len);
    u8 last = 0;
    while (rd_left(&file)) {
        u64 const off = rd_offset(&file);
        u8 const id = gbx_base_rd_u8(&file);
        u32 const size = gbx_base_rd_u32(&file);
        if (rd_ok(&file) && id >= SEC_COUNT)
            gbx_base_rd_fail(&file, GBX_MALFORMED, off, "malformed section id");
        GBX_TRY_IN(gbx_base_rd_done(&file, d->err), d->err, "in a section header");
        if (size > rd_left(&file))
            return gbx_base_err_set(d->err, GBX_TRUNCATED, off,
                                    "length out of bounds: unexpected end of the %s section at byte "
                                    "0x%llx: it has %u bytes, %zu are there, %zu are missing",
                                    section_rows[id].name, (unsigned long long)off, size,
                                    rd_left(&file), size - rd_left(&file));
        if (id != SEC_CUSTOM) {
            if (section_rows[id].order <= last)
                return gbx_base_err_set(d->err, GBX_MALFORMED, off,
                                        "unexpected content after last section: the %s section at byte "
                                        "0x%llx is repeated or out of order",
                                        section_rows[id].name, (unsigned long long)off);
            last = section_rows[id].order;
        }
        u64 const from = rd_offset(&file);
        d->r = rd_init(m->bytes, from, from + size);
        GBX_TRY_IN(decode_section(d, id), d->err, "in the %s section", section_rows[id].name);
        if (rd_left(&d->r))
            return gbx_base_err_set(d->err, GBX_MALFORMED, rd_offset(&d->r),
                                    "section size mismatch at byte 0x%llx: %zu bytes too many; in the "
                                    "%s section",
                                    (unsigned long long)rd_offset(&d->r), rd_left(&d->r),
                                    section_rows[id].name);
        (void)gbx_base_rd_bytes(&file, size);
    }
    return GBX_OK;
}

/* What only the whole module shows. */
static gbx_code
decode_finish(decoder *d)
{
    wasm_module *const m = d->m;
    GBX_TRY(decode_index_spaces(d));
    if (d->declared_funcs && !m->code_bytes)
        return gbx_base_err_set(d->err, GBX_MALFORMED, m->len,
                                "function and code section have inconsistent lengths: %u functions are "
                                "declared and there is no code section",
                                d->declared_funcs);
    if (d->has_data_count && d->data_count != m->data_count)
        return gbx_base_err_set(d->err, GBX_MALFORMED, m->len,
                                "data count and data section have inconsistent lengths: %u and %u",
                                d->data_count, m->data_count);
    gbx_wasm_index_names(m);
    size_t verdict_len = 0;
    u8 *const verdict = d->known.verdict ? d->known.verdict(d->known.data, m, &verdict_len) : NULL;
    if (verdict && gbx_wasm_verdict_restore(m, verdict, verdict_len)) return GBX_OK;
    gbx_base_free(verdict);
    GBX_TRY_IN(gbx_wasm_validate_bodies(d), d->err, "in the code section");
    if (d->uses_data_idx && !d->has_data_count)
        return gbx_base_err_set(d->err, GBX_MALFORMED, m->len, "data count section required");
    return GBX_OK;
}

static gbx_code
decode_preamble(const wasm_module *m, gbx_err *err)
{
    static const u8 magic[4] = {0, 'a', 's', 'm'};
    static const u8 version[4] = {1, 0, 0, 0};
    size_t const have = m->len < 4 ? m->len : 4;
    if (have == 0)
        return gbx_base_err_set(err, GBX_BAD_MAGIC, 0, "unexpected end: the file is empty");
    if (memcmp(m->bytes, magic, have) != 0)
        return gbx_base_err_set(err, GBX_BAD_MAGIC, 0,
                                "magic header not detected: the file does not begin with \\0asm");
    if (m->len < 8)
        return gbx_base_err_set(err, GBX_TRUNCATED, m->len,
                                "unexpected end: the file ends after %zu bytes, inside its header",
                                m->len);
    if (m->bytes[6] == 1 && m->bytes[7] == 0)
        return gbx_base_err_set(err, GBX_COMPONENT, 4,
                                "unknown binary version: this is a component (preview 2), not a core "
                                "module (preview 1)");
    if (memcmp(m->bytes + 4, version, 4) != 0)
        return gbx_base_err_set(err, GBX_BAD_MAGIC, 4, "unknown binary version");
    return GBX_OK;
}

gbx_code
gbx_wasm_module_new(u8 *bytes, size_t len, u64 features_off, wasm_module **out, gbx_err *err)
{
    *out = NULL;
    gbx_code code = GBX_NO_MEMORY;
    u8 *const padded = gbx_base_realloc(bytes, len + WASM_PAD_BYTES, 1);
    if (padded) code = gbx_wasm_module_open(padded, len, features_off, 1, (wasm_known){0}, out, err);
    else (void)gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "out of memory");
    if (code != GBX_OK) gbx_base_free(padded ? padded : bytes);
    return code;
}

/* The bytes behind are zero, so that a body's last immediates can be read. */
gbx_code
gbx_wasm_module_open(u8 *bytes, size_t len, u64 features_off, u32 threads, wasm_known known,
                     wasm_module **out, gbx_err *err)
{
    *out = NULL;
    wasm_module *m = gbx_base_alloc_zero(1, sizeof *m);
    gbx_code code;
    if (!m) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "out of memory");
    memset(bytes + len, 0, WASM_PAD_BYTES);
    m->bytes = bytes;
    m->len = len;
    m->features_off = features_off;
    decoder d = {.m = m, .err = err, .threads = threads, .known = known};
    if (len > WASM_MAX_MODULE_BYTES) {
        code = gbx_base_err_set(err, GBX_LIMIT, GBX_NO_OFFSET, "%s", WASM_WHY_MODULE_BYTES);
        goto out;
    }
    code = decode_preamble(m, err);
    if (code == GBX_OK) code = decode_sections(&d);
    if (code == GBX_OK) code = decode_finish(&d);
out:
    if (code == GBX_OK) {
        *out = m;
        return GBX_OK;
    }
    if (known.failed) known.failed(known.data);
    m->bytes = NULL;
    gbx_wasm_module_free(m);
    return code;
}

void
gbx_wasm_module_free(wasm_module *m)
{
    if (!m) return;
    gbx_base_arena_deinit(&m->arena);
    gbx_base_free(m->bytes);
    gbx_base_free(m->verdict);
    gbx_wasm_again_free(m->again);
    gbx_base_free(m);
}
