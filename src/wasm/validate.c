/* Function bodies: validation, and the side table that lets the interpreter run the bytes in place.
 *
 * One walk over the body, with a stack of operand types and a stack of open blocks. Each branch gets
 * one entry in the side table, in the order of the bytes (`if` one for its false edge, `else` one for
 * the jump over it, `br_table` one per target), so that an interpreter that steps over a branch just
 * moves to the next entry. Entries of forward branches are chained through the block they leave until
 * its `end` is reached; while an entry waits, pc_delta holds the offset its branch counts from and
 * side_delta the next link.
 *
 * Targets skip what does nothing at run time (nested ends, nops, the openings behind a loop's head), and
 * a run of block openings is jumped over by the first of them, with a side entry of its own.
 *
 * Dispatch threading (RULE: S7). Where a loop's head is block openings only, then `local.get L;
 * br_table`, a `i32.const K; local.set L; br loop` can only arrive at the br_table's target for K,
 * clamped, as unsigned, to the default. Its entry is pointed there. The proof is in the bytes of this
 * one function: the three instructions stand side by side, so that no branch can come between them
 * (a target is always behind an `end` or at a loop's head); nothing between head and br_table has an
 * effect; and the labels of such a table take no values, because at a loop without parameters none
 * are there. The store to L is still executed.
 *
 * The final `end` of a body becomes `return` in our copy: the interpreter then needs no case for it.
 *
 * A v128 takes one operand like any other value; its high half stands elsewhere (abi/layout.h). The
 * instructions that move operands of any type are marked where they move one of that type:
 * FUSED_LOCAL_GET_V and its like, WASM_SIDE_V128. A `return` of one value is FUSED_RETURN1 only where
 * that is no v128.
 *
 * The walk itself, and the instructions that are only types, are in walk.c; blocks and branches in control.c.
 *
 * SAFETY: `pc` is compared with the body's end before each instruction; immediates may be read past
 * it, by at most WASM_PAD_BYTES bytes (LEB128 readers stop at 10), and are refused at the next
 * comparison. Indices are compared with their space before use. The operand stack has room for one
 * push more than there are, and is grown before anything pushes several.
 * SPEC: core/appendix/algorithm.html, core/valid/instructions.html */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "wasm/fuse.h"
#include "wasm/validate_int.h"

bool
gbx_wasm_val_fail(val *v, const u8 *at, gbx_code code, const char *why)
{
    if (!v->why) {
        v->why = why;
        v->code = code;
        v->why_at = at;
    }
    return false;
}

static bool
validate_mismatch(val *v, wasm_valtype want, wasm_valtype have)
{
    if (v->why) return false;
    text_buf t = gbx_base_text_init(v->text, sizeof v->text);
    if (have == WASM_ANY)
        gbx_base_text_printf(&t, "type mismatch: %s is expected, the operand stack is empty",
                             gbx_wasm_valtype_text(want));
    else
        gbx_base_text_printf(&t, "type mismatch: %s is expected, there is %s",
                             gbx_wasm_valtype_text(want), gbx_wasm_valtype_text(have));
    return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, v->text);
}

bool
gbx_wasm_val_need(val *v, gbx_feature feature)
{
    return gbx_wasm_use(v->m, feature) ||
           gbx_wasm_val_fail(v, v->insn, GBX_UNSUPPORTED, gbx_wasm_refusal(feature));
}

u64
gbx_wasm_val_leb(val *v, val_leb kind)
{
    const u8 *const base = v->m->bytes;
    if (v->pc > v->end) {
        gbx_wasm_val_fail(v, v->end, GBX_MALFORMED, "unexpected end");
        return 0;
    }
    reader r = rd_init(base, (u64)(v->pc - base), (u64)(v->end - base));
    u64 value = 0;
    switch (kind) {
    case LEB_U32: value = gbx_base_rd_u32(&r); break;
    case LEB_U64: value = gbx_base_rd_u64(&r); break;
    case LEB_I32: value = (u64)(i64)gbx_base_rd_i32(&r); break;
    case LEB_I33: value = (u64)gbx_base_rd_i33(&r); break;
    case LEB_I64: value = (u64)gbx_base_rd_i64(&r); break;
    }
    if (!rd_ok(&r)) gbx_wasm_val_fail(v, base + r.why_off, r.code, r.why);
    v->pc = r.at;
    return value;
}

bool
gbx_wasm_val_reserve(val *v, u64 more)
{
    u64 const len = (u64)(v->sp - v->types);
    u64 const need = len + more + VAL_SLACK;
    if (need > WASM_MAX_OPERANDS + VAL_SLACK)
        return gbx_wasm_val_fail(v, v->insn, GBX_LIMIT, WASM_WHY_OPERANDS);
    if (need <= v->types_cap) return true;
    u64 const cap = max_u64(need, min_u64(v->types_cap * 2, WASM_MAX_OPERANDS + VAL_SLACK));
    u64 const high = (u64)(v->sp_max - v->types);
    wasm_valtype *const grown = gbx_base_realloc(v->types - VAL_BELOW, VAL_BELOW + cap, 1);
    if (!grown) return gbx_wasm_val_fail(v, v->insn, GBX_NO_MEMORY, "out of memory");
    v->types = grown + VAL_BELOW;
    v->sp_max = v->types + high;
    v->types_cap = cap;
    v->sp = v->types + len;
    v->types_high = v->types + (cap - VAL_SLACK);
    v->floor = v->types + v->ctrls[v->ctrl_len - 1].height;
    return true;
}

bool
gbx_wasm_val_pop(val *v, wasm_valtype want)
{
    if (v->sp == v->floor) {
        if (v->ctrls[v->ctrl_len - 1].unreachable) return true;
        return validate_mismatch(v, want, WASM_ANY);
    }
    wasm_valtype const have = *--v->sp;
    if (GBX_LIKELY(have == want) || have == WASM_ANY || want == WASM_ANY) return true;
    return validate_mismatch(v, want, have);
}

/* The top bit of each byte that is not 0. */
static inline u64
validate_bytes_set(u64 x)
{
    u64 const low = 0x7f7f7f7f7f7f7f7f;
    return (((x & low) + low) | x) & ~low;
}

/* SAFETY: what is read lies between the block's floor and the stack pointer, and among the `count` types. */
bool
gbx_wasm_val_fits(const val *v, const wasm_valtype *types, u32 count)
{
    u32 const n = (u32)min_u64((u64)(v->sp - v->floor), count);
    if (n < count && !v->ctrls[v->ctrl_len - 1].unreachable) return false;
    const wasm_valtype *const have = v->sp - n, *const want = types + (count - n);
    u32 i = 0;
    for (; i + sizeof(u64) <= n; i += sizeof(u64)) {
        u64 a, b;
        memcpy(&a, have + i, sizeof a);
        memcpy(&b, want + i, sizeof b);
        _Static_assert(WASM_ANY == 0, "an unknown type fits any");
        if (validate_bytes_set(a ^ b) & validate_bytes_set(a)) return false;
    }
    for (; i < n; i++)
        if (have[i] != want[i] && have[i] != WASM_ANY) return false;
    return true;
}

/* Pops whatever is there: WASM_ANY below a branch. */
static bool
validate_pop_any(val *v, wasm_valtype *have)
{
    if (v->sp == v->floor) {
        *have = WASM_ANY;
        if (v->ctrls[v->ctrl_len - 1].unreachable) return true;
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID,
                                 "type mismatch: a value is expected, the operand stack is empty");
    }
    *have = *--v->sp;
    return true;
}

static inline void
validate_push(val *v, wasm_valtype t)
{
    *v->sp++ = t;
}

bool
gbx_wasm_val_push_types(val *v, const wasm_valtype *types, u32 count)
{
    if (!gbx_wasm_val_reserve(v, count)) return false;
    memcpy(v->sp, types, count);
    v->sp += count;
    return true;
}

void
gbx_wasm_val_unreachable(val *v)
{
    v->sp = v->floor;
    v->ctrls[v->ctrl_len - 1].unreachable = true;
}

static inline void
validate_num(val *v, const op_row *row)
{
    u8 const b = row->b, a = row->a;
    if (b) (void)gbx_wasm_val_pop(v, b);
    if (a) (void)gbx_wasm_val_pop(v, a);
    if (row->out) validate_push(v, row->out);
}

/* Mark the current instruction for the interpreter, in our copy. */
static void
validate_mark(val *v, u8 op)
{
    v->m->bytes[v->insn - v->m->bytes] = op;
}

/* The index of a memory. Anything but one zero byte is several memories' way to spell it. */
static bool
validate_memory_idx(val *v, u32 *idx)
{
    const u8 *const at = v->pc;
    *idx = 0;
    if (*at == 0) {
        v->pc++;
    } else if (v->m->features_off & GBX_FEATURE_BIT(GBX_FEATURE_MULTI_MEMORY)) {
        return gbx_wasm_val_fail(v, at, GBX_MALFORMED, "zero byte expected");
    } else {
        *idx = val_u32(v);
        if (v->why || !gbx_wasm_val_need(v, GBX_FEATURE_MULTI_MEMORY)) return false;
    }
    return *idx < v->m->memory_count || gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown memory");
}

/* The static offset of an access. Where 64-bit addresses are, the format has one form for all memories,
 * and what is too large for a narrow one is a matter of validity. */
static u64
validate_offset(val *v, const wasm_limits *mem)
{
    if (GBX_LIKELY(*v->pc < 0x80)) return *v->pc++;
    if (v->m->features_off & GBX_FEATURE_BIT(GBX_FEATURE_MEMORY64)) return gbx_wasm_val_leb(v, LEB_U32);
    u64 const offset = gbx_wasm_val_leb(v, LEB_U64);
    if (!mem->is_64 && offset > UINT32_MAX)
        gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "offset out of range");
    return offset;
}

/* The number in exactly the bytes [p, end), which are enough for it. */
static void
validate_write_leb(u8 *p, const u8 *end, u64 value)
{
    for (; p < end; p++, value >>= 7) *p = (u8)((value & 0x7f) | (p + 1 < end ? 0x80 : 0));
}

/* Flags (alignment, and whether a memory is named), memory, offset; *address is the type of addresses.
 * Flags spelt with surplus bytes are rewritten in place, their surplus moved into the offset, so that the
 * interpreter may count on one byte. */
static bool
validate_memarg(val *v, unsigned bytes_log2, wasm_valtype *address)
{
    u8 *const at = v->m->bytes + (v->pc - v->m->bytes);
    u32 const flags = val_u32(v);
    u64 const surplus = (u64)(v->pc - at) - 1;
    u32 mem_idx = 0;
    if (v->why) return false;
    if (flags >= 0x80) return gbx_wasm_val_fail(v, at, GBX_MALFORMED, "malformed memop flags");
    const u8 *const idx_at = v->pc;
    if (flags & OP_MEMARG_HAS_MEMORY) {
        mem_idx = val_u32(v);
        if (v->why || !gbx_wasm_val_need(v, GBX_FEATURE_MULTI_MEMORY)) return false;
    }
    u64 const idx_bytes = (u64)(v->pc - idx_at);
    if (mem_idx >= v->m->memory_count) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown memory");
    if ((flags & ~OP_MEMARG_HAS_MEMORY) > bytes_log2)
        return gbx_wasm_val_fail(v, at, GBX_INVALID, "alignment must not be larger than natural");
    const wasm_limits *const mem = &v->m->memories[mem_idx];
    u64 const offset = validate_offset(v, mem);
    if (GBX_UNLIKELY(surplus) && !v->why && v->pc <= v->end) {
        at[0] = (u8)flags;
        validate_write_leb(at + 1, at + 1 + idx_bytes, mem_idx);
        validate_write_leb(at + 1 + idx_bytes, v->pc, offset);
    }
    *address = val_address_type(mem);
    return !v->why;
}

/* A load or store of an operand `value` (0: a load) that leaves `out` (0: nothing). */
static bool
validate_access(val *v, unsigned bytes_log2, wasm_valtype value, wasm_valtype out)
{
    wasm_valtype address = WASM_I32;
    if (GBX_LIKELY(v->has_memory32 && *v->pc <= bytes_log2)) {
        v->pc++;
        (void)validate_offset(v, v->m->memories);
    } else if (!validate_memarg(v, bytes_log2, &address)) {
        return false;
    }
    if (value && !gbx_wasm_val_pop(v, value)) return false;
    if (!gbx_wasm_val_pop(v, address)) return false;
    if (out) validate_push(v, out);
    return true;
}

static bool
validate_local(val *v, u8 op)
{
    u32 const idx = val_u32(v);
    if (idx >= v->local_count) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown local");
    wasm_valtype const t = v->locals[idx];
    if (GBX_UNLIKELY(t == WASM_V128))
        validate_mark(v, op == OP_LOCAL_GET   ? FUSED_LOCAL_GET_V
                         : op == OP_LOCAL_SET ? FUSED_LOCAL_SET_V
                                              : FUSED_LOCAL_TEE_V);
    if (op != OP_LOCAL_GET && !gbx_wasm_val_pop(v, t)) return false;
    if (op != OP_LOCAL_SET) validate_push(v, t);
    return true;
}

static bool
validate_global(val *v, bool set)
{
    u32 const idx = val_u32(v);
    if (idx >= v->m->global_count) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown global");
    wasm_globaltype const g = v->m->globals[idx].type;
    if (v->global_uses) v->global_uses[idx]++;
    if (GBX_UNLIKELY(g.type == WASM_V128)) {
        validate_mark(v, set ? FUSED_GLOBAL_SET_V : FUSED_GLOBAL_GET_V);
        v->has_v128 = true;
    }
    if (!set) {
        validate_push(v, g.type);
        return true;
    }
    if (!g.is_mutable)
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "immutable global: global.set needs a mutable one");
    return gbx_wasm_val_pop(v, g.type);
}

static bool
validate_select(val *v, bool typed)
{
    wasm_valtype t = WASM_ANY;
    if (typed) {
        u32 const count = val_u32(v);
        if (!gbx_wasm_val_need(v, GBX_FEATURE_REFERENCE_TYPES)) return false;
        if (count != 1) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "invalid result arity");
        reader r = rd_init(v->m->bytes, (u64)(v->pc - v->m->bytes), (u64)(v->end - v->m->bytes));
        t = gbx_wasm_read_valtype(v->m, &r);
        if (!rd_ok(&r)) return gbx_wasm_val_fail(v, v->m->bytes + r.why_off, r.code, r.why);
        v->pc = r.at;
        if (t == WASM_V128) v->has_v128 = true;
        return gbx_wasm_val_pop(v, WASM_I32) && gbx_wasm_val_pop(v, t) && gbx_wasm_val_pop(v, t) &&
               (validate_push(v, t), true);
    }
    wasm_valtype a, b;
    if (!gbx_wasm_val_pop(v, WASM_I32) || !validate_pop_any(v, &b) || !validate_pop_any(v, &a))
        return false;
    if (wasm_is_ref(a) || wasm_is_ref(b) || (a != b && a != WASM_ANY && b != WASM_ANY))
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID,
                                 "type mismatch: select needs two numbers of one type");
    if (a == WASM_V128 || b == WASM_V128) validate_mark(v, FUSED_SELECT_V);
    validate_push(v, a == WASM_ANY ? b : a);
    return true;
}

static bool
validate_ref(val *v, u8 op)
{
    if (!gbx_wasm_val_need(v, GBX_FEATURE_REFERENCE_TYPES)) return false;
    if (op == OP_REF_NULL) {
        reader r = rd_init(v->m->bytes, (u64)(v->pc - v->m->bytes), (u64)(v->end - v->m->bytes));
        wasm_valtype const t = gbx_wasm_read_heaptype(v->m, &r);
        if (!rd_ok(&r)) return gbx_wasm_val_fail(v, v->m->bytes + r.why_off, r.code, r.why);
        v->pc = r.at;
        validate_push(v, t);
        return true;
    }
    if (op == OP_REF_IS_NULL) {
        wasm_valtype t;
        if (!validate_pop_any(v, &t)) return false;
        if (t != WASM_ANY && !wasm_is_ref(t))
            return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "type mismatch: a reference is expected");
        validate_push(v, WASM_I32);
        return true;
    }
    u32 const idx = val_u32(v);
    if (idx >= v->m->func_count) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown function");
    if (!v->func_refs[idx])
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "undeclared function reference");
    validate_push(v, WASM_FUNCREF);
    return true;
}

static bool
validate_table_idx(val *v, wasm_tabletype **type)
{
    u32 const idx = val_u32(v);
    if (idx >= v->m->table_count) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown table");
    *type = &v->m->tables[idx];
    return true;
}

/* By whichever thread. */
static void
validate_written(wasm_tabletype *t)
{
    __atomic_store_n(&t->is_written, true, __ATOMIC_RELAXED);
}

static bool
validate_data_idx(val *v)
{
    u32 const idx = val_u32(v);
    v->uses_data_idx = true;
    if (v->has_data_count && idx >= v->data_count)
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown data segment");
    return true;
}

static bool
validate_elem_idx(val *v, wasm_valtype *type)
{
    u32 const idx = val_u32(v);
    if (idx >= v->m->elem_count)
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown elem segment");
    *type = v->m->elems[idx].type;
    return true;
}

static bool
validate_pop3(val *v, wasm_valtype a, wasm_valtype b, wasm_valtype c)
{
    return gbx_wasm_val_pop(v, c) && gbx_wasm_val_pop(v, b) && gbx_wasm_val_pop(v, a);
}

/* A length that must fit both of two: the narrower type of addresses. */
static wasm_valtype
validate_narrower(wasm_valtype a, wasm_valtype b)
{
    return a == WASM_I64 ? b : a;
}

/* The type of addresses of the memory whose index stands at `pc`. */
static bool
validate_memory(val *v, wasm_valtype *address)
{
    u32 idx;
    if (!validate_memory_idx(v, &idx)) return false;
    *address = val_address_type(&v->m->memories[idx]);
    return true;
}

static bool
validate_bulk_memory(val *v, u32 sub)
{
    wasm_valtype to, from;
    if (!gbx_wasm_val_need(v, GBX_FEATURE_BULK_MEMORY)) return false;
    switch (sub) {
    case OP_FC_MEMORY_INIT:
        return validate_data_idx(v) && validate_memory(v, &to) &&
               validate_pop3(v, to, WASM_I32, WASM_I32);
    case OP_FC_DATA_DROP: return validate_data_idx(v);
    case OP_FC_MEMORY_COPY:
        return validate_memory(v, &to) && validate_memory(v, &from) &&
               validate_pop3(v, to, from, validate_narrower(to, from));
    default: return validate_memory(v, &to) && validate_pop3(v, to, WASM_I32, to);
    }
}

static bool
validate_bulk_table(val *v, u32 sub)
{
    wasm_tabletype *to, *from;
    wasm_valtype type;
    bool const is_new = sub >= OP_FC_TABLE_GROW;
    if (!gbx_wasm_val_need(v, is_new ? GBX_FEATURE_REFERENCE_TYPES : GBX_FEATURE_BULK_MEMORY))
        return false;
    switch (sub) {
    case OP_FC_ELEM_DROP: return validate_elem_idx(v, &type);
    case OP_FC_TABLE_INIT:
        if (!validate_elem_idx(v, &type) || !validate_table_idx(v, &to)) return false;
        if (type != to->elem)
            return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "type mismatch in table.init");
        validate_written(to);
        return validate_pop3(v, val_address_type(&to->limits), WASM_I32, WASM_I32);
    case OP_FC_TABLE_COPY: {
        if (!validate_table_idx(v, &to) || !validate_table_idx(v, &from)) return false;
        if (to->elem != from->elem)
            return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "type mismatch in table.copy");
        validate_written(to);
        wasm_valtype const a = val_address_type(&to->limits), b = val_address_type(&from->limits);
        return validate_pop3(v, a, b, validate_narrower(a, b));
    }
    case OP_FC_TABLE_GROW:
        if (!validate_table_idx(v, &to) || !gbx_wasm_val_pop(v, val_address_type(&to->limits)) ||
            !gbx_wasm_val_pop(v, to->elem))
            return false;
        validate_written(to);
        validate_push(v, val_address_type(&to->limits));
        return true;
    case OP_FC_TABLE_SIZE:
        if (!validate_table_idx(v, &to)) return false;
        validate_push(v, val_address_type(&to->limits));
        return true;
    default:
        if (!validate_table_idx(v, &to)) return false;
        validate_written(to);
        type = val_address_type(&to->limits);
        return validate_pop3(v, type, to->elem, type);
    }
}

static bool
validate_fc(val *v)
{
    u32 const sub = val_u32(v);
    if (v->why) return false;
    if (sub >= 0x13 && sub <= 0x16) return gbx_wasm_val_need(v, GBX_FEATURE_WIDE_ARITHMETIC);
    if (sub >= OP_FC_COUNT || !gbx_wasm_ops_fc[sub].text)
        return gbx_wasm_val_fail(v, v->insn, GBX_MALFORMED, "illegal opcode");
    if (sub >= OP_FC_TABLE_INIT) return validate_bulk_table(v, sub);
    if (sub >= OP_FC_MEMORY_INIT) return validate_bulk_memory(v, sub);
    if (!gbx_wasm_val_need(v, GBX_FEATURE_SATURATING)) return false;
    validate_num(v, &gbx_wasm_ops_fc[sub]);
    return true;
}

/* Lane bytes: `count` of them, each below `limit`. */
static bool
validate_lanes(val *v, u32 count, u32 limit)
{
    const u8 *const lanes = v->pc;
    v->pc += count;
    for (u32 i = 0; i < count; i++)
        if (lanes[i] >= limit) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "invalid lane index");
    return true;
}

/* Immediates of a vector instruction; *address stays 0 where it is no access. */
static bool
validate_fd_imm(val *v, op_imm imm, wasm_valtype *address)
{
    switch (imm) {
    case IMM_MEM1:
    case IMM_MEM2:
    case IMM_MEM4:
    case IMM_MEM8:
    case IMM_MEM16: return validate_memarg(v, (unsigned)(imm - IMM_MEM1), address);
    case IMM_LANEMEM1:
    case IMM_LANEMEM2:
    case IMM_LANEMEM4:
    case IMM_LANEMEM8: {
        unsigned const log2 = (unsigned)(imm - IMM_LANEMEM1);
        return validate_memarg(v, log2, address) && validate_lanes(v, 1, 16u >> log2);
    }
    case IMM_LANE2: return validate_lanes(v, 1, 2);
    case IMM_LANE4: return validate_lanes(v, 1, 4);
    case IMM_LANE8: return validate_lanes(v, 1, 8);
    case IMM_LANE16: return validate_lanes(v, 1, 16);
    case IMM_SHUFFLE: return validate_lanes(v, 16, 32);
    case IMM_V128: v->pc += 16; return true;
    default: return true;
    }
}

static bool
validate_fd(val *v)
{
    u32 const sub = val_u32(v);
    wasm_valtype address = 0;
    if (v->why) return false;
    if (sub >= OP_FD_COUNT || !gbx_wasm_ops_fd[sub].text)
        return gbx_wasm_val_fail(v, v->insn, GBX_MALFORMED, "illegal opcode");
    const op_row_fd *const row = &gbx_wasm_ops_fd[sub];
    if (!gbx_wasm_val_need(v, GBX_FEATURE_SIMD)) return false;
    if (sub >= OP_FD_RELAXED && !gbx_wasm_val_need(v, GBX_FEATURE_RELAXED_SIMD)) return false;
    v->has_v128 = true;
    if (!validate_fd_imm(v, row->imm, &address)) return false;
    if (row->c && !gbx_wasm_val_pop(v, row->c)) return false;
    if (row->b && !gbx_wasm_val_pop(v, row->b)) return false;
    if (row->a && !gbx_wasm_val_pop(v, address ? address : row->a)) return false;
    if (row->out) validate_push(v, row->out);
    return true;
}

static bool
validate_table_access(val *v, bool set)
{
    wasm_tabletype *t;
    if (!gbx_wasm_val_need(v, GBX_FEATURE_REFERENCE_TYPES) || !validate_table_idx(v, &t)) return false;
    wasm_valtype const address = val_address_type(&t->limits);
    if (set) {
        validate_written(t);
        return gbx_wasm_val_pop(v, t->elem) && gbx_wasm_val_pop(v, address);
    }
    if (!gbx_wasm_val_pop(v, address)) return false;
    validate_push(v, t->elem);
    return true;
}

static bool
validate_memory_pages(val *v, bool grow)
{
    wasm_valtype address;
    if (!validate_memory(v, &address) || (grow && !gbx_wasm_val_pop(v, address))) return false;
    validate_push(v, address);
    return true;
}

/* Opcodes that are not in the table: those of features we know by name are refused by it. */
static bool
validate_unknown(val *v, u8 op)
{
    static const struct {
        u8 from, to;
        gbx_feature feature;
    } known[] = {
        {0x06, 0x07, GBX_FEATURE_LEGACY_EXCEPTIONS}, {0x09, 0x09, GBX_FEATURE_LEGACY_EXCEPTIONS},
        {0x14, 0x15, GBX_FEATURE_FUNCTION_REFERENCES}, {0x18, 0x19, GBX_FEATURE_LEGACY_EXCEPTIONS},
        {0xd3, 0xd3, GBX_FEATURE_GC}, {0xd4, 0xd6, GBX_FEATURE_FUNCTION_REFERENCES},
        {0xe0, 0xe6, GBX_FEATURE_STACK_SWITCHING}, {0xfb, 0xfb, GBX_FEATURE_GC},
        {0xfe, 0xfe, GBX_FEATURE_THREADS},
    };
    for (u32 i = 0; i < GBX_LEN(known); i++)
        if (op >= known[i].from && op <= known[i].to) return gbx_wasm_val_need(v, known[i].feature);
    return gbx_wasm_val_fail(v, v->insn, GBX_MALFORMED, "illegal opcode");
}

static bool
validate_returns_one(const val *v)
{
    return v->type->result_count == 1 && v->type->results[0] != WASM_V128;
}

/* One byte counts as there wherever it stands: behind the body's end, the next comparison refuses it. */
static void
validate_const(val *v, u8 op)
{
    bool const is_32 = op == OP_I32_CONST;
    if (*v->pc < (is_32 ? 0x40 : 0x80)) v->pc++;
    else (void)gbx_wasm_val_leb(v, is_32 ? LEB_I32 : LEB_I64);
    validate_push(v, is_32 ? WASM_I32 : WASM_I64);
}

bool
gbx_wasm_val_insn(val *v, u8 op)
{
    const op_row *const row = &gbx_wasm_ops[op];
    wasm_valtype t;
    switch (op) {
    case OP_UNREACHABLE: gbx_wasm_val_unreachable(v); return true;
    case OP_NOP: return true;
    case OP_BLOCK:
    case OP_LOOP:
    case OP_IF: return gbx_wasm_val_block(v, op);
    case OP_ELSE: return gbx_wasm_val_else(v);
    case OP_END: return gbx_wasm_val_end(v);
    case OP_BR: return gbx_wasm_val_br(v);
    case OP_BR_IF: return gbx_wasm_val_br_if(v);
    case OP_BR_TABLE: return gbx_wasm_val_br_table(v);
    case OP_RETURN:
        if (validate_returns_one(v)) validate_mark(v, FUSED_RETURN1);
        return gbx_wasm_val_return(v);
    case OP_CALL: return gbx_wasm_val_call(v, false);
    case OP_CALL_INDIRECT: return gbx_wasm_val_call_indirect(v, false);
    case OP_RETURN_CALL:
        return gbx_wasm_val_need(v, GBX_FEATURE_TAIL_CALL) && gbx_wasm_val_call(v, true);
    case OP_RETURN_CALL_INDIRECT:
        return gbx_wasm_val_need(v, GBX_FEATURE_TAIL_CALL) && gbx_wasm_val_call_indirect(v, true);
    case OP_TRY_TABLE:
        return gbx_wasm_val_need(v, GBX_FEATURE_EXCEPTIONS) && gbx_wasm_val_try_table(v);
    case OP_THROW: return gbx_wasm_val_need(v, GBX_FEATURE_EXCEPTIONS) && gbx_wasm_val_throw(v);
    case OP_THROW_REF:
        if (!gbx_wasm_val_need(v, GBX_FEATURE_EXCEPTIONS) || !gbx_wasm_val_pop(v, WASM_EXNREF))
            return false;
        gbx_wasm_val_unreachable(v);
        return true;
    case OP_DROP: return validate_pop_any(v, &t);
    case OP_SELECT:
    case OP_SELECT_T: return validate_select(v, op == OP_SELECT_T);
    case OP_GLOBAL_GET:
    case OP_GLOBAL_SET: return validate_global(v, op == OP_GLOBAL_SET);
    case OP_TABLE_GET:
    case OP_TABLE_SET: return validate_table_access(v, op == OP_TABLE_SET);
    case OP_MEMORY_SIZE:
    case OP_MEMORY_GROW: return validate_memory_pages(v, op == OP_MEMORY_GROW);
    case OP_LOCAL_GET:
    case OP_LOCAL_SET:
    case OP_LOCAL_TEE: return validate_local(v, op);
    case OP_I32_CONST:
    case OP_I64_CONST: validate_const(v, op); return true;
    case OP_F32_CONST: v->pc += 4; validate_push(v, WASM_F32); return true;
    case OP_F64_CONST: v->pc += 8; validate_push(v, WASM_F64); return true;
    case OP_REF_NULL:
    case OP_REF_IS_NULL:
    case OP_REF_FUNC: return validate_ref(v, op);
    case OP_PREFIX_FC: return validate_fc(v);
    case OP_PREFIX_FD: return validate_fd(v);
    default: break;
    }
    switch (row->imm) {
    case IMM_MEM1:
    case IMM_MEM2:
    case IMM_MEM4:
    case IMM_MEM8: return validate_access(v, (unsigned)(row->imm - IMM_MEM1), row->b, row->out);
    case IMM_NONE: validate_num(v, row); return true;
    default: return validate_unknown(v, op);
    }
}

/* Sign extension operators are on the fast path, which asks for no feature. */
static bool
validate_no_sign_extension(val *v, const u8 *pc)
{
    for (; pc < v->end; pc += gbx_wasm_insn_len(v->m, pc)) {
        if (*pc < OP_I32_EXTEND8_S || *pc > OP_I64_EXTEND32_S) continue;
        v->insn = pc;
        return gbx_wasm_val_need(v, GBX_FEATURE_SIGN_EXTENSION);
    }
    return true;
}

/* Declared locals, spelt out one type a local behind the parameters. */
static bool
validate_locals(val *v, const wasm_functype *type)
{
    const u8 *const base = v->m->bytes;
    reader r = rd_init(base, (u64)(v->pc - base), (u64)(v->end - base));
    u64 total = type->param_count;
    u64 over_off = 0;
    memcpy(v->locals, type->params, type->param_count);
    u32 const groups = gbx_base_rd_count(&r, UINT32_MAX, "");
    for (u32 i = 0; i < groups && rd_ok(&r); i++) {
        u64 const off = rd_offset(&r);
        u32 const count = gbx_base_rd_u32(&r);
        wasm_valtype const t = gbx_wasm_read_valtype(v->m, &r);
        if (!rd_ok(&r)) break;
        if (total + count <= WASM_MAX_LOCALS)
            memset(v->locals + total, t, count);
        else if (total <= WASM_MAX_LOCALS)
            over_off = off;
        total += count;
        if (total > UINT32_MAX) gbx_base_rd_fail(&r, GBX_MALFORMED, off, "too many locals");
    }
    if (rd_ok(&r) && total > WASM_MAX_LOCALS)
        gbx_base_rd_fail(&r, GBX_LIMIT, over_off, WASM_WHY_LOCALS);
    if (!rd_ok(&r)) return gbx_wasm_val_fail(v, base + r.why_off, r.code, r.why);
    const wasm_valtype *const vector = memchr(v->locals, WASM_V128, total);
    v->local_count = (u32)total;
    v->fast_locals = vector ? (u32)(vector - v->locals) : v->local_count;
    v->has_v128 = vector || type->has_v128;
    v->pc = r.at;
    return true;
}

/* A copy in the arena of what the validator has gathered; NULL for nothing. */
static const void *
validate_keep(val *v, const void *items, u32 count, size_t bytes)
{
    if (count == 0) return NULL;
    void *const kept = gbx_base_arena_alloc(v->arena, count, bytes);
    if (!kept) gbx_wasm_val_fail(v, v->end, GBX_NO_MEMORY, "out of memory");
    else memcpy(kept, items, count * bytes);
    return kept;
}

bool
gbx_wasm_val_body(val *v, wasm_code *c, u32 func_idx)
{
    wasm_module *const m = v->m;
    u32 const type_idx = m->func_types[func_idx];
    v->type = &m->types[type_idx];
    v->pc = m->bytes + c->body_off;
    v->end = m->bytes + c->body_end;
    v->insn = v->pc;
    v->disp_at = NULL;
    v->skip_from = v->skip_to = NULL;
    v->run_end = v->pc;
    v->side_len = 0;
    v->ctrl_len = 0;
    v->target_len = v->dispatch_len = 0;
    v->try_len = v->open_try_len = v->catch_len = 0;
    v->sp = v->sp_max = v->floor = v->types;
    if (!validate_locals(v, v->type)) return false;
    c->insns_off = (u32)(v->pc - m->bytes);
    if (!gbx_wasm_val_open_body(v)) return false;
    c->entry = gbx_wasm_val_skip(v, v->pc);
    if (!gbx_wasm_val_walk(v)) return false;
    if (v->pc != v->end)
        return gbx_wasm_val_fail(v, v->pc, GBX_MALFORMED,
                                 "section size mismatch: the body goes on behind its final end");
    if (m->features_off & GBX_FEATURE_BIT(GBX_FEATURE_SIGN_EXTENSION) &&
        !validate_no_sign_extension(v, m->bytes + c->insns_off))
        return false;
    m->bytes[c->body_end - 1] = validate_returns_one(v) ? FUSED_RETURN1 : OP_RETURN;

    const wasm_side *const side = validate_keep(v, v->side, v->side_len, sizeof *side);
    const wasm_try *const tries = validate_keep(v, v->tries, v->try_len, sizeof *tries);
    const wasm_catch *const catches = validate_keep(v, v->catches, v->catch_len, sizeof *catches);
    if (v->why) return false;
    c->side = side;
    c->side_count = v->side_len;
    c->tries = tries;
    c->try_count = v->try_len;
    c->catches = catches;
    c->catch_count = v->catch_len;
    c->has_v128 = v->has_v128;
    c->param_count = v->type->param_count;
    c->result_count = v->type->result_count;
    c->local_count = v->local_count;
    c->stack_max = (u32)(v->sp_max - v->types);
    c->func_idx = func_idx;
    c->type_idx = type_idx;
    return true;
}
