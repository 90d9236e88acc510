/* Constant expressions, element and data segments: decoding, validation, evaluation.
 *
 * A constant expression is kept as its bytes and evaluated at instantiation; its operand stack is
 * bounded by CONST_EXPR_STACK. Extended constants are in: add, sub and mul of integers, and any global
 * that is immutable and stands before.
 *
 * SAFETY: bytes are read through the sticky reader; evaluation walks only what was validated.
 * SPEC: core/valid/instructions.html#constant-expressions, core/binary/modules.html#element-section */
#include <string.h>

#include "wasm/opcodes.h"
#include "wasm/wasm_int.h"

static void
const_push(decoder *d, wasm_valtype t)
{
    if (d->const_len == GBX_LEN(d->const_types))
        gbx_base_rd_fail(&d->r, GBX_LIMIT, rd_offset(&d->r), WASM_WHY_CONST_EXPR_STACK);
    else
        d->const_types[d->const_len++] = t;
}

static void
const_pop(decoder *d, u64 off, wasm_valtype want)
{
    if (d->const_len == 0 || d->const_types[d->const_len - 1] != want)
        gbx_wasm_invalid(d, off, "type mismatch in a constant expression");
    else
        d->const_len--;
}

static wasm_valtype
const_global(decoder *d, u64 off)
{
    u32 const idx = gbx_base_rd_u32(&d->r);
    if (!rd_ok(&d->r)) return WASM_I32;
    if (idx >= d->m->global_count) {
        gbx_wasm_invalid(d, off, "unknown global in a constant expression (earlier ones only)");
        return WASM_I32;
    }
    if (idx >= d->m->imported_globals && !gbx_wasm_use(d->m, GBX_FEATURE_EXTENDED_CONST)) {
        gbx_wasm_invalid(d, off, "unknown global in a constant expression (imported ones only)");
        return WASM_I32;
    }
    if (d->m->globals[idx].type.is_mutable)
        gbx_wasm_invalid(d, off, "constant expression required: the global is mutable");
    return d->m->globals[idx].type.type;
}

static void
const_v128(decoder *d, u64 off)
{
    u32 const sub = gbx_base_rd_u32(&d->r);
    if (!rd_ok(&d->r)) return;
    if (sub >= OP_FD_COUNT || !gbx_wasm_ops_fd[sub].text) {
        gbx_base_rd_fail(&d->r, GBX_MALFORMED, off, "illegal opcode");
        return;
    }
    gbx_wasm_need(d->m, &d->r, off, GBX_FEATURE_SIMD);
    if (sub != OP_FD_V128_CONST) gbx_wasm_invalid(d, off, "constant expression required");
    (void)gbx_base_rd_bytes(&d->r, 16);
    const_push(d, WASM_V128);
}

static void
const_ref_func(decoder *d, u64 off)
{
    u32 const idx = gbx_base_rd_u32(&d->r);
    gbx_wasm_need(d->m, &d->r, off, GBX_FEATURE_REFERENCE_TYPES);
    if (rd_ok(&d->r) && idx >= d->m->func_count) gbx_wasm_invalid(d, off, "unknown function");
    if (rd_ok(&d->r)) d->func_refs[idx] = 1;
    const_push(d, WASM_FUNCREF);
}

static void
const_insn(decoder *d, u8 op, u64 off)
{
    reader *const r = &d->r;
    switch (op) {
    case OP_I32_CONST: (void)gbx_base_rd_i32(r); const_push(d, WASM_I32); break;
    case OP_I64_CONST: (void)gbx_base_rd_i64(r); const_push(d, WASM_I64); break;
    case OP_F32_CONST: (void)gbx_base_rd_fixed32(r); const_push(d, WASM_F32); break;
    case OP_F64_CONST: (void)gbx_base_rd_fixed64(r); const_push(d, WASM_F64); break;
    case OP_GLOBAL_GET: const_push(d, const_global(d, off)); break;
    case OP_REF_NULL:
        gbx_wasm_need(d->m, r, off, GBX_FEATURE_REFERENCE_TYPES);
        const_push(d, gbx_wasm_read_heaptype(d->m, r));
        break;
    case OP_REF_FUNC: const_ref_func(d, off); break;
    case OP_PREFIX_FD: const_v128(d, off); break;
    case OP_I32_ADD:
    case OP_I32_SUB:
    case OP_I32_MUL:
    case OP_I64_ADD:
    case OP_I64_SUB:
    case OP_I64_MUL: {
        wasm_valtype const t = gbx_wasm_ops[op].out;
        gbx_wasm_need(d->m, r, off, GBX_FEATURE_EXTENDED_CONST);
        const_pop(d, off, t);
        const_pop(d, off, t);
        const_push(d, t);
        break;
    }
    case 0xfb: gbx_wasm_need(d->m, r, off, GBX_FEATURE_GC); break;
    default:
        if (gbx_wasm_ops[op].text || op == OP_PREFIX_FC)
            gbx_wasm_invalid(d, off, "constant expression required");
        else
            gbx_base_rd_fail(r, GBX_MALFORMED, off, "illegal opcode");
    }
}

wasm_const
gbx_wasm_read_const(decoder *d, wasm_valtype type)
{
    reader *const r = &d->r;
    d->const_len = 0;
    wasm_const c = {.off = (u32)rd_offset(r)};
    while (rd_ok(r)) {
        u64 const off = rd_offset(r);
        u8 const op = gbx_base_rd_u8(r);
        if (!rd_ok(r)) break;
        if (op == OP_END) {
            const_pop(d, off, type);
            if (rd_ok(r) && d->const_len) gbx_wasm_invalid(d, off, "type mismatch in a constant expression");
            break;
        }
        const_insn(d, op, off);
    }
    c.end = (u32)rd_offset(r);
    return c;
}

static u64
const_binary(u8 op, u64 a, u64 b)
{
    switch (op) {
    case OP_I32_ADD: return (u32)(a + b);
    case OP_I32_SUB: return (u32)(a - b);
    case OP_I32_MUL: return (u32)(a * b);
    case OP_I64_ADD: return a + b;
    case OP_I64_SUB: return a - b;
    default: return a * b;
    }
}

/* Any expression. Its own function, because the stack is large. */
__attribute__((noinline)) static wasm_value
const_eval_stack(reader r, const wasm_const_env *env)
{
    GBX_UNINIT wasm_value stack[GBX_LEN(((decoder *)NULL)->const_types)];
    u32 len = 0;
    for (;;) {
        u8 const op = gbx_base_rd_u8(&r);
        GBX_ASSERT(rd_ok(&r));
        wasm_value v = {0, 0};
        switch (op) {
        case OP_I32_CONST: v.low = (u32)gbx_base_rd_i32(&r); break;
        case OP_I64_CONST: v.low = (u64)gbx_base_rd_i64(&r); break;
        case OP_F32_CONST: v.low = gbx_base_rd_fixed32(&r); break;
        case OP_F64_CONST: v.low = gbx_base_rd_fixed64(&r); break;
        case OP_GLOBAL_GET: v = env->global_get(env->data, gbx_base_rd_u32(&r)); break;
        case OP_REF_NULL: (void)gbx_base_rd_u8(&r); break;
        case OP_REF_FUNC: v.low = env->func_ref(env->data, gbx_base_rd_u32(&r)); break;
        case OP_PREFIX_FD:
            (void)gbx_base_rd_u32(&r);
            v.low = gbx_base_rd_fixed64(&r);
            v.high = gbx_base_rd_fixed64(&r);
            break;
        case OP_END: return stack[0];
        default:
            len -= 2;
            v.low = const_binary(op, stack[len].low, stack[len + 1].low);
        }
        stack[len++] = v;
    }
}

/* PERF: nearly all of Go's 30,000 to 100,000 segments have a lone i32.const for an offset. With readers,
 * which look for the end at each byte, their evaluation took a third of hello's instantiation.
 * SAFETY: the expression was validated: it ends in `end`, and its numbers inside it. */
wasm_value
gbx_wasm_const_eval(const wasm_module *m, wasm_const c, const wasm_const_env *env)
{
    const u8 *p = m->bytes + c.off;
    if (*p++ == OP_I32_CONST) {
        u32 value = 0, shift = 0, byte;
        do {
            byte = *p++;
            value |= (byte & 0x7f) << shift;
            shift += 7;
        } while (byte & 0x80);
        if (shift < 32 && byte & 0x40) value |= UINT32_MAX << shift;
        if (*p == OP_END) return (wasm_value){value, 0};
    }
    return const_eval_stack(rd_init(m->bytes, c.off, c.end), env);
}

static u32
segment_table(decoder *d, wasm_elem *e, bool explicit_idx)
{
    u64 const off = rd_offset(&d->r);
    e->table_idx = explicit_idx ? gbx_base_rd_u32(&d->r) : 0;
    if (rd_ok(&d->r) && e->table_idx >= d->m->table_count) gbx_wasm_invalid(d, off, "unknown table");
    return e->table_idx;
}

static void
segment_elem_items(decoder *d, wasm_elem *e)
{
    e->count = gbx_base_rd_count(&d->r, WASM_MAX_SEGMENT_ELEMS, WASM_WHY_SEGMENT_ELEMS);
    e->items_off = (u32)rd_offset(&d->r);
    for (u32 i = 0; rd_ok(&d->r) && i < e->count; i++) {
        if (e->is_exprs) {
            (void)gbx_wasm_read_const(d, e->type);
            continue;
        }
        u64 const off = rd_offset(&d->r);
        u32 const idx = gbx_base_rd_u32(&d->r);
        if (rd_ok(&d->r) && idx >= d->m->func_count) gbx_wasm_invalid(d, off, "unknown function");
        if (rd_ok(&d->r)) d->func_refs[idx] = 1;
    }
    e->items_end = (u32)rd_offset(&d->r);
}

/* The flags: bit 0 passive or declared, bit 1 explicit table or declared, bit 2 expressions. */
static void
segment_elem(decoder *d, wasm_elem *e)
{
    u64 const off = rd_offset(&d->r);
    u32 const flags = gbx_base_rd_u32(&d->r);
    if (flags > 7) {
        gbx_base_rd_fail(&d->r, GBX_MALFORMED, off, "malformed elements segment kind");
        return;
    }
    if (flags) gbx_wasm_need(d->m, &d->r, off, GBX_FEATURE_BULK_MEMORY);
    e->mode = !(flags & 1) ? WASM_SEGMENT_ACTIVE
              : flags & 2  ? WASM_SEGMENT_DECLARED
                           : WASM_SEGMENT_PASSIVE;
    e->is_exprs = flags & 4;
    e->type = WASM_FUNCREF;
    if (e->mode == WASM_SEGMENT_ACTIVE) {
        segment_table(d, e, flags & 2);
        if (rd_ok(&d->r))
            e->offset = gbx_wasm_read_const(
                    d, d->m->tables[e->table_idx].limits.is_64 ? WASM_I64 : WASM_I32);
    }
    if (flags & 3) {
        u64 const kind_off = rd_offset(&d->r);
        if (e->is_exprs)
            e->type = gbx_wasm_read_reftype(d->m, &d->r);
        else if (gbx_base_rd_u8(&d->r) != 0)
            gbx_base_rd_fail(&d->r, GBX_MALFORMED, kind_off, "malformed element kind");
    }
    segment_elem_items(d, e);
    if (rd_ok(&d->r) && e->mode == WASM_SEGMENT_ACTIVE && d->m->tables[e->table_idx].elem != e->type)
        gbx_wasm_invalid(d, off, "type mismatch between an element segment and its table");
}

gbx_code
gbx_wasm_decode_elems(decoder *d)
{
    wasm_module *const m = d->m;
    u32 const count = gbx_base_rd_count(&d->r, WASM_MAX_ELEM_SEGMENTS, WASM_WHY_ELEM_SEGMENTS);
    m->elems = gbx_base_arena_alloc(&m->arena, count, sizeof *m->elems);
    if (!m->elems) return gbx_base_err_set(d->err, GBX_NO_MEMORY, GBX_NO_OFFSET, "out of memory");
    for (u32 i = 0; rd_ok(&d->r) && i < count; i++) segment_elem(d, &m->elems[m->elem_count++]);
    return gbx_base_rd_done(&d->r, d->err);
}

/* The LEB128 at `*p`, of four bytes at most, which are there: its numeral at the top of a word, below it
 * nothing, and *spare, the bits below. False: it is longer. */
static inline bool
segment_leb(const u8 **p, u32 *top, u32 *spare)
{
    u32 word;
    memcpy(&word, *p, sizeof word);
    u32 const ends = ~word & 0x80808080;
    if (GBX_UNLIKELY(!ends)) return false;
    u32 const bytes = ((u32)__builtin_ctz(ends) + 1) / 8;
    u32 const pairs = (word & 0x7f007f) | (word >> 1 & 0x3f803f80);
    *spare = 32 - bytes * 7;
    *top = ((pairs & 0x3fff) | (pairs >> 2 & 0xfffc000)) << *spare;
    *p += bytes;
    return true;
}

/* A segment for memory 0 whose offset is a lone i32.const. False: it is not one, and nothing was read.
 * PERF: nearly all of Go's 30,000 to 100,000 are. Reading them one by one took 250 instructions, so 80.
 * SAFETY: SEGMENT_PLAIN bytes are there, which the fixed parts and two numbers of four bytes do not pass. */
static inline bool
segment_data_plain(reader *r, wasm_data *s)
{
    enum { SEGMENT_PLAIN = 11 };
    const u8 *const from = r->at;
    const u8 *p = from + 2;
    u32 at, len, spare;
    if (rd_left(r) < SEGMENT_PLAIN || from[0] != 0 || from[1] != OP_I32_CONST) return false;
    if (!segment_leb(&p, &at, &spare) || *p++ != OP_END) return false;
    s->at = (u32)((i32)at >> spare);
    if (GBX_LIKELY(*p < 0x80)) len = *p++;
    else if (segment_leb(&p, &len, &spare)) len >>= spare;
    else return false;
    if (len > (size_t)(r->end - p)) return false;
    s->bytes_len = len & INT32_MAX;
    s->bytes_off = (u32)(p - r->base);
    r->at = p + len;
    return true;
}

/* Any segment; as a special one it is the next, of which `left` may follow. */
static void
segment_data(decoder *d, wasm_data *data, u32 left)
{
    wasm_module *const m = d->m;
    if (!m->special_datas) m->special_datas = gbx_base_arena_alloc(&m->arena, left, sizeof *m->special_datas);
    if (!m->special_datas) {
        gbx_base_rd_fail(&d->r, GBX_NO_MEMORY, rd_offset(&d->r), "out of memory");
        return;
    }
    data->is_special = true;
    data->at = m->special_data_count;
    wasm_special_data *const s = &m->special_datas[m->special_data_count++];
    u64 const off = rd_offset(&d->r);
    u32 const flags = gbx_base_rd_u32(&d->r);
    if (flags > 2) {
        gbx_base_rd_fail(&d->r, GBX_MALFORMED, off, "malformed data segment kind");
        return;
    }
    if (flags) gbx_wasm_need(d->m, &d->r, off, GBX_FEATURE_BULK_MEMORY);
    s->mode = flags == 1 ? WASM_SEGMENT_PASSIVE : WASM_SEGMENT_ACTIVE;
    if (s->mode == WASM_SEGMENT_ACTIVE) {
        s->mem_idx = flags == 2 ? gbx_base_rd_u32(&d->r) : 0;
        if (rd_ok(&d->r) && s->mem_idx >= d->m->memory_count) gbx_wasm_invalid(d, off, "unknown memory");
        if (rd_ok(&d->r))
            s->offset = gbx_wasm_read_const(d, d->m->memories[s->mem_idx].is_64 ? WASM_I64 : WASM_I32);
    }
    u32 const len = gbx_base_rd_u32(&d->r);
    data->bytes_off = (u32)rd_offset(&d->r);
    (void)gbx_base_rd_bytes(&d->r, len);
    data->bytes_len = len & INT32_MAX;
}

gbx_code
gbx_wasm_decode_datas(decoder *d)
{
    wasm_module *const m = d->m;
    u32 const count = gbx_base_rd_count(&d->r, WASM_MAX_DATA_SEGMENTS, WASM_WHY_DATA_SEGMENTS);
    m->datas = gbx_base_arena_alloc(&m->arena, count, sizeof *m->datas);
    if (!m->datas) return gbx_base_err_set(d->err, GBX_NO_MEMORY, GBX_NO_OFFSET, "out of memory");
    GBX_ASSERT(WASM_MAX_MODULE_BYTES <= INT32_MAX);
    bool const is_usual = m->memory_count && !m->memories[0].is_64;
    for (u32 i = 0; rd_ok(&d->r) && i < count; i++) {
        wasm_data *const s = &m->datas[m->data_count++];
        if (!is_usual || !segment_data_plain(&d->r, s)) segment_data(d, s, count - i);
    }
    return gbx_base_rd_done(&d->r, d->err);
}
