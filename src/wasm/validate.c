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
 * SAFETY: `pc` is compared with the body's end before each instruction; immediates may be read past
 * it, by at most DECODE_PAD bytes (LEB128 readers stop at 10), and are refused at the next
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
    case LEB_I32: value = (u64)(i64)gbx_base_rd_i32(&r); break;
    case LEB_I33: value = (u64)gbx_base_rd_i33(&r); break;
    case LEB_I64: value = (u64)gbx_base_rd_i64(&r); break;
    }
    if (!rd_ok(&r)) gbx_wasm_val_fail(v, base + r.why_off, r.code, r.why);
    v->pc = r.at;
    return value;
}

static inline u32
validate_u32(val *v)
{
    if (GBX_LIKELY(*v->pc < 0x80)) return *v->pc++;
    return (u32)gbx_wasm_val_leb(v, LEB_U32);
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
    wasm_valtype *const grown = gbx_base_realloc(v->types, cap, 1);
    if (!grown) return gbx_wasm_val_fail(v, v->insn, GBX_NO_MEMORY, "out of memory");
    v->types = grown;
    v->sp_max = grown + high;
    v->types_cap = cap;
    v->sp = grown + len;
    v->types_high = grown + (cap - VAL_SLACK);
    v->floor = grown + v->ctrls[v->ctrl_len - 1].height;
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
gbx_wasm_val_pop_types(val *v, const wasm_valtype *types, u32 count)
{
    while (count)
        if (!gbx_wasm_val_pop(v, types[--count])) return false;
    return true;
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

/* Alignment and offset. An alignment spelt with surplus bytes is rewritten in place, its surplus moved
 * into the offset, so that the interpreter may count on one byte. */
static bool
validate_memarg(val *v, unsigned bytes_log2)
{
    if (v->m->memory_count == 0) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown memory 0");
    u8 *const at = v->m->bytes + (v->pc - v->m->bytes);
    u32 const align = validate_u32(v);
    bool const surplus = v->pc - at > 1;
    if (align & 0x40 && align < 0x80)
        return gbx_wasm_val_fail(v, at, GBX_UNSUPPORTED, "multiple memories are not supported");
    if (align > bytes_log2)
        return gbx_wasm_val_fail(v, at, align >= 32 ? GBX_MALFORMED : GBX_INVALID,
                                 align >= 32 ? "malformed memop flags"
                                             : "alignment must not be larger than natural");
    u32 offset = validate_u32(v);
    if (GBX_UNLIKELY(surplus) && !v->why && v->pc <= v->end) {
        at[0] = (u8)align;
        for (u8 *p = at + 1; p < v->pc; p++, offset >>= 7)
            *p = (u8)((offset & 0x7f) | (p + 1 < v->pc ? 0x80 : 0));
    }
    return true;
}

static bool
validate_local(val *v, u8 op)
{
    u32 const idx = validate_u32(v);
    if (idx >= v->local_count) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown local");
    wasm_valtype const t = v->locals[idx];
    if (op != OP_LOCAL_GET && !gbx_wasm_val_pop(v, t)) return false;
    if (op != OP_LOCAL_SET) validate_push(v, t);
    if (op == OP_LOCAL_SET && v->insn == v->const_end) {
        v->set_end = v->pc;
        v->set_local = idx;
    }
    return true;
}

static bool
validate_global(val *v, bool set)
{
    u32 const idx = validate_u32(v);
    if (idx >= v->m->global_count) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown global");
    wasm_globaltype const g = v->m->globals[idx].type;
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
        u32 const count = validate_u32(v);
        if (count != 1) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "invalid result arity");
        reader r = rd_init(v->m->bytes, (u64)(v->pc - v->m->bytes), (u64)(v->end - v->m->bytes));
        t = gbx_wasm_read_valtype(&r);
        if (!rd_ok(&r)) return gbx_wasm_val_fail(v, v->m->bytes + r.why_off, r.code, r.why);
        v->pc = r.at;
        return gbx_wasm_val_pop(v, WASM_I32) && gbx_wasm_val_pop(v, t) && gbx_wasm_val_pop(v, t) &&
               (validate_push(v, t), true);
    }
    wasm_valtype a, b;
    if (!gbx_wasm_val_pop(v, WASM_I32) || !validate_pop_any(v, &b) || !validate_pop_any(v, &a))
        return false;
    bool const is_ref = a == WASM_FUNCREF || a == WASM_EXTERNREF || b == WASM_FUNCREF || b == WASM_EXTERNREF;
    if (is_ref || (a != b && a != WASM_ANY && b != WASM_ANY))
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID,
                                 "type mismatch: select needs two numbers of one type");
    validate_push(v, a == WASM_ANY ? b : a);
    return true;
}

static bool
validate_ref(val *v, u8 op)
{
    if (op == OP_REF_NULL) {
        reader r = rd_init(v->m->bytes, (u64)(v->pc - v->m->bytes), (u64)(v->end - v->m->bytes));
        wasm_valtype const t = gbx_wasm_read_reftype(&r);
        if (!rd_ok(&r)) return gbx_wasm_val_fail(v, v->m->bytes + r.why_off, r.code, r.why);
        v->pc = r.at;
        validate_push(v, t);
        return true;
    }
    if (op == OP_REF_IS_NULL) {
        wasm_valtype t;
        if (!validate_pop_any(v, &t)) return false;
        if (t != WASM_ANY && t != WASM_FUNCREF && t != WASM_EXTERNREF)
            return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "type mismatch: a reference is expected");
        validate_push(v, WASM_I32);
        return true;
    }
    u32 const idx = validate_u32(v);
    if (idx >= v->m->func_count) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown function");
    if (!v->func_refs[idx])
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "undeclared function reference");
    validate_push(v, WASM_FUNCREF);
    return true;
}

static bool
validate_table_idx(val *v, wasm_valtype *elem)
{
    u32 const idx = validate_u32(v);
    if (idx >= v->m->table_count) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown table");
    *elem = v->m->tables[idx].elem;
    return true;
}

static bool
validate_data_idx(val *v)
{
    u32 const idx = validate_u32(v);
    v->uses_data_idx = true;
    if (v->has_data_count && idx >= v->data_count)
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown data segment");
    return true;
}

static bool
validate_elem_idx(val *v, wasm_valtype *type)
{
    u32 const idx = validate_u32(v);
    if (idx >= v->m->elem_count)
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown elem segment");
    *type = v->m->elems[idx].type;
    return true;
}

static bool
validate_memory_idx(val *v)
{
    u64 const at = (u64)(v->pc - v->m->bytes);
    u8 const idx = *v->pc++;
    if (idx != 0)
        return gbx_wasm_val_fail(v, v->m->bytes + at, GBX_MALFORMED, "zero byte expected");
    if (v->m->memory_count == 0) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown memory 0");
    return true;
}

static bool
validate_pop3_i32(val *v)
{
    return gbx_wasm_val_pop(v, WASM_I32) && gbx_wasm_val_pop(v, WASM_I32) &&
           gbx_wasm_val_pop(v, WASM_I32);
}

static bool
validate_fc(val *v)
{
    u32 const sub = validate_u32(v);
    wasm_valtype a, b;
    if (sub >= OP_FC_COUNT || !gbx_wasm_ops_fc[sub].text)
        return gbx_wasm_val_fail(v, v->insn, GBX_MALFORMED, "illegal opcode");
    switch (sub) {
    case OP_FC_MEMORY_INIT: return validate_data_idx(v) && validate_memory_idx(v) && validate_pop3_i32(v);
    case OP_FC_DATA_DROP: return validate_data_idx(v);
    case OP_FC_MEMORY_COPY:
        return validate_memory_idx(v) && validate_memory_idx(v) && validate_pop3_i32(v);
    case OP_FC_MEMORY_FILL: return validate_memory_idx(v) && validate_pop3_i32(v);
    case OP_FC_TABLE_INIT:
        if (!validate_elem_idx(v, &a) || !validate_table_idx(v, &b)) return false;
        if (a != b) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "type mismatch in table.init");
        return validate_pop3_i32(v);
    case OP_FC_ELEM_DROP: return validate_elem_idx(v, &a);
    case OP_FC_TABLE_COPY:
        if (!validate_table_idx(v, &a) || !validate_table_idx(v, &b)) return false;
        if (a != b) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "type mismatch in table.copy");
        return validate_pop3_i32(v);
    case OP_FC_TABLE_GROW:
        return validate_table_idx(v, &a) && gbx_wasm_val_pop(v, WASM_I32) && gbx_wasm_val_pop(v, a) &&
               (validate_push(v, WASM_I32), true);
    case OP_FC_TABLE_SIZE:
        return validate_table_idx(v, &a) && (validate_push(v, WASM_I32), true);
    case OP_FC_TABLE_FILL:
        return validate_table_idx(v, &a) && gbx_wasm_val_pop(v, WASM_I32) && gbx_wasm_val_pop(v, a) &&
               gbx_wasm_val_pop(v, WASM_I32);
    default: validate_num(v, &gbx_wasm_ops_fc[sub]); return true;
    }
}

static bool
validate_table_access(val *v, bool set)
{
    wasm_valtype elem;
    if (!validate_table_idx(v, &elem)) return false;
    if (set) return gbx_wasm_val_pop(v, elem) && gbx_wasm_val_pop(v, WASM_I32);
    if (!gbx_wasm_val_pop(v, WASM_I32)) return false;
    validate_push(v, elem);
    return true;
}

/* Opcodes that are not in the table: those of features we know by name are refused by it. */
static bool
validate_unknown(val *v, u8 op)
{
    static const struct {
        u8 from, to;
        const char *why;
    } known[] = {
        {0x06, 0x0a, "exceptions are not supported"},
        {0x14, 0x15, "typed function references (call_ref) are not supported"},
        {0x18, 0x19, "exceptions are not supported"},
        {0x1f, 0x1f, "exceptions (try_table) are not supported"},
        {0xd3, 0xd6, "typed function references are not supported"},
        {0xfb, 0xfb, "garbage collection is not supported"},
        {0xfd, 0xfd, "SIMD is not supported"},
        {0xfe, 0xfe, "threads (atomic operations) are not supported"},
    };
    for (u32 i = 0; i < GBX_LEN(known); i++)
        if (op >= known[i].from && op <= known[i].to)
            return gbx_wasm_val_fail(v, v->insn, GBX_UNSUPPORTED, known[i].why);
    return gbx_wasm_val_fail(v, v->insn, GBX_MALFORMED, "illegal opcode");
}

/* One instruction that is not on the fast path below. */
static bool
validate_insn(val *v, u8 op)
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
        if (v->type->result_count == 1) v->m->bytes[v->insn - v->m->bytes] = FUSED_RETURN1;
        return gbx_wasm_val_return(v);
    case OP_CALL: return gbx_wasm_val_call(v, false);
    case OP_CALL_INDIRECT: return gbx_wasm_val_call_indirect(v, false);
    case OP_RETURN_CALL: return gbx_wasm_val_call(v, true);
    case OP_RETURN_CALL_INDIRECT: return gbx_wasm_val_call_indirect(v, true);
    case OP_DROP: return validate_pop_any(v, &t);
    case OP_SELECT:
    case OP_SELECT_T: return validate_select(v, op == OP_SELECT_T);
    case OP_GLOBAL_GET:
    case OP_GLOBAL_SET: return validate_global(v, op == OP_GLOBAL_SET);
    case OP_TABLE_GET:
    case OP_TABLE_SET: return validate_table_access(v, op == OP_TABLE_SET);
    case OP_MEMORY_SIZE:
        return validate_memory_idx(v) && (validate_push(v, WASM_I32), true);
    case OP_MEMORY_GROW:
        return validate_memory_idx(v) && gbx_wasm_val_pop(v, WASM_I32) &&
               (validate_push(v, WASM_I32), true);
    case OP_LOCAL_GET:
    case OP_LOCAL_SET:
    case OP_LOCAL_TEE: return validate_local(v, op);
    case OP_I32_CONST:
        v->const_value = (u32)gbx_wasm_val_leb(v, LEB_I32);
        v->const_end = v->pc;
        validate_push(v, WASM_I32);
        return true;
    case OP_I64_CONST: (void)gbx_wasm_val_leb(v, LEB_I64); validate_push(v, WASM_I64); return true;
    case OP_F32_CONST: v->pc += 4; validate_push(v, WASM_F32); return true;
    case OP_F64_CONST: v->pc += 8; validate_push(v, WASM_F64); return true;
    case OP_REF_NULL:
    case OP_REF_IS_NULL:
    case OP_REF_FUNC: return validate_ref(v, op);
    case OP_PREFIX_FC: return validate_fc(v);
    default: break;
    }
    switch (row->imm) {
    case IMM_MEM1:
    case IMM_MEM2:
    case IMM_MEM4:
    case IMM_MEM8: {
        if (!validate_memarg(v, (unsigned)(row->imm - IMM_MEM1))) return false;
        validate_num(v, row);
        return true;
    }
    case IMM_NONE: validate_num(v, row); return true;
    default: return validate_unknown(v, op);
    }
}

/* A plain instruction whose operands are there with the right types: true, and *top is what they leave.
 * Anything else, right or wrong, is left to the slow path. */
static inline bool
validate_plain(const op_row *row, wasm_valtype **top, const wasm_valtype *floor)
{
    wasm_valtype *sp = *top;
    if (row->b) {
        if (sp - floor < 2 || sp[-1] != row->b || sp[-2] != row->a) return false;
        sp -= 2;
    } else if (row->a) {
        if (sp == floor || sp[-1] != row->a) return false;
        sp--;
    }
    if (row->out) *sp++ = row->out;
    *top = sp;
    return true;
}

/* One instruction on the fast path: one-byte immediates, operands in place. False: not taken, nothing
 * changed. `*pc` is behind the opcode. */
static inline bool
validate_fast(val *v, u8 op, const u8 **pc, wasm_valtype **top)
{
    const op_row *const row = &gbx_wasm_ops[op];
    wasm_valtype *const sp = *top;
    u8 const imm = **pc;
    switch (row->imm) {
    case IMM_NONE: return row->a && validate_plain(row, top, v->floor);
    case IMM_IDX: {
        if (op < OP_LOCAL_GET || op > OP_LOCAL_TEE || imm >= 0x80 || imm >= v->local_count) return false;
        wasm_valtype const t = v->locals[imm];
        if (op == OP_LOCAL_GET) {
            *sp = t;
            *top = sp + 1;
        } else {
            if (sp == v->floor || sp[-1] != t) return false;
            if (op == OP_LOCAL_SET) {
                *top = sp - 1;
                if (v->insn == v->const_end) {
                    v->set_end = *pc + 1;
                    v->set_local = imm;
                }
            }
        }
        ++*pc;
        return true;
    }
    case IMM_I32:
        if (imm >= 0x40) return false;
        v->const_value = imm;
        v->const_end = ++*pc;
        *sp = WASM_I32;
        *top = sp + 1;
        return true;
    case IMM_I64:
        if (imm >= 0x80) return false;
        ++*pc;
        *sp = WASM_I64;
        *top = sp + 1;
        return true;
    case IMM_MEM1:
    case IMM_MEM2:
    case IMM_MEM4:
    case IMM_MEM8:
        if (imm > row->imm - IMM_MEM1 || (*pc)[1] >= 0x80 || !v->has_memory ||
            !validate_plain(row, top, v->floor))
            return false;
        *pc += 2;
        return true;
    default: return false;
    }
}

/* The body, instruction by instruction. */
static bool
validate_insns(val *v)
{
    const u8 *pc = v->pc;
    wasm_valtype *sp = v->sp;
    fuse_run fuse = {.automaton = gbx_wasm_fuse_automaton(v->m->fuse_set)};
    while (v->ctrl_len) {
        if (GBX_UNLIKELY(pc >= v->end))
            return gbx_wasm_val_fail(v, v->end, GBX_MALFORMED, "unexpected end: END opcode expected");
        if (GBX_UNLIKELY(sp >= v->types_high)) {
            v->sp = sp;
            if (!gbx_wasm_val_reserve(v, VAL_SLACK)) return false;
            sp = v->sp;
        }
        u8 const op = *pc;
        u8 *const insn = v->m->bytes + (pc - v->m->bytes);
        v->insn = pc++;
        if (!validate_fast(v, op, &pc, &sp)) {
            v->pc = pc;
            v->sp = sp;
            if (!validate_insn(v, op) || GBX_UNLIKELY(v->why)) return false;
            pc = v->pc;
            sp = v->sp;
            bool const is_wide_index = op >= OP_LOCAL_GET && op <= OP_GLOBAL_SET && pc - insn > 2;
            gbx_wasm_fuse_next(&fuse, insn, is_wide_index ? 0 : fuse.automaton->classes[op]);
        } else {
            gbx_wasm_fuse_next(&fuse, insn, fuse.automaton->classes[op]);
        }
        if (sp > v->sp_max) v->sp_max = sp;
    }
    v->pc = pc;
    v->sp = sp;
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
        wasm_valtype const t = gbx_wasm_read_valtype(&r);
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
    v->local_count = (u32)total;
    v->pc = r.at;
    return true;
}

/* One function: fills its wasm_code. */
static bool
validate_body(val *v, wasm_code *c, u32 func_idx)
{
    wasm_module *const m = v->m;
    u32 const type_idx = m->func_types[func_idx];
    v->type = &m->types[type_idx];
    v->pc = m->bytes + c->body_off;
    v->end = m->bytes + c->body_end;
    v->insn = v->pc;
    v->const_end = v->set_end = v->disp_at = NULL;
    v->skip_from = v->skip_to = NULL;
    v->run_end = v->pc;
    v->side_len = 0;
    v->ctrl_len = 0;
    v->target_len = 0;
    v->sp = v->sp_max = v->floor = v->types;
    if (!validate_locals(v, v->type)) return false;
    c->insns_off = (u32)(v->pc - m->bytes);
    if (!gbx_wasm_val_open_body(v)) return false;
    c->entry = gbx_wasm_val_skip(v, v->pc);
    if (!validate_insns(v)) return false;
    if (v->pc != v->end)
        return gbx_wasm_val_fail(v, v->pc, GBX_MALFORMED,
                                 "section size mismatch: the body goes on behind its final end");
    m->bytes[c->body_end - 1] = v->type->result_count == 1 ? FUSED_RETURN1 : OP_RETURN;

    wasm_side *const side = gbx_base_arena_alloc(&m->arena, v->side_len, sizeof *side);
    if (!side) return gbx_wasm_val_fail(v, v->end, GBX_NO_MEMORY, "out of memory");
    if (v->side_len) memcpy(side, v->side, v->side_len * sizeof *side);
    c->side = side;
    c->param_count = v->type->param_count;
    c->result_count = v->type->result_count;
    c->local_count = v->local_count;
    c->stack_max = (u32)(v->sp_max - v->types);
    c->func_idx = func_idx;
    c->type_idx = type_idx;
    return true;
}

static gbx_code
validate_report(const val *v, gbx_err *err, u32 func_idx)
{
    rd_name const name = gbx_wasm_func_name(v->m, func_idx);
    char shown[256];
    text_buf t = gbx_base_text_init(shown, sizeof shown);
    gbx_base_text_escape(&t, name.text, name.len, 200);
    u64 const off = (u64)(v->why_at - v->m->bytes);
    (void)gbx_base_err_set(err, v->code, off, "%s at byte 0x%llx", v->why, (unsigned long long)off);
    return gbx_base_err_add(err, v->code, name.len ? "in function %u \"%s\"" : "in function %u", func_idx,
                            shown);
}

gbx_code
gbx_wasm_validate_bodies(decoder *d)
{
    wasm_module *const m = d->m;
    gbx_code code = GBX_OK;
    val v = {.m = m, .func_refs = d->func_refs, .has_data_count = d->has_data_count,
             .data_count = d->data_count, .has_memory = m->memory_count != 0};
    v.types_cap = 1024;
    v.types = gbx_base_alloc(v.types_cap, 1);
    v.types_high = v.types + (v.types_cap - VAL_SLACK);
    v.locals = gbx_base_alloc(WASM_MAX_LOCALS + WASM_MAX_PARAMS, 1);
    v.ctrl_cap = 64;
    v.ctrls = gbx_base_alloc(v.ctrl_cap, sizeof *v.ctrls);
    if (!v.types || !v.locals || !v.ctrls) {
        code = gbx_base_err_set(d->err, GBX_NO_MEMORY, GBX_NO_OFFSET, "out of memory");
        goto out;
    }
    m->fuse_set = gbx_wasm_fuse_choose(m);
    for (u32 i = 0; i < d->declared_funcs; i++) {
        u32 const func_idx = m->imported_funcs + i;
        if (!validate_body(&v, &m->codes[i], func_idx)) {
            code = validate_report(&v, d->err, func_idx);
            goto out;
        }
    }
    d->uses_data_idx = v.uses_data_idx;
out:
    gbx_base_free(v.types);
    gbx_base_free(v.locals);
    gbx_base_free(v.ctrls);
    gbx_base_free(v.side);
    gbx_base_free(v.targets);
    return code;
}
