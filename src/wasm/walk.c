/* The walk over a function's body, and the instructions that are nothing but types.
 *
 * Nearly all instructions of a program take operands whose types their opcode tells, or a local variable,
 * and leave at most one. For these there is one piece of code that is the same for all of them: a row of
 * numbers per opcode says where its immediates may end, what must be on top of the stack, and what is there
 * afterwards; a local's type joins in. Whatever does not fit is left as it was, right or wrong, to
 * gbx_wasm_val_insn, which knows all instructions and has all the messages.
 *
 * The topmost types, down to the innermost block's, stand in a register too, below them zeros: an operand
 * that is not there is then of the wrong type. Those deeper than eight are lost when others are pushed, which
 * costs an instruction by all the rules.
 *
 * PERF: what the next opcode is, a processor guesses wrongly too often for a switch; and the time of this
 * code is that from one opcode to the next, so that the next is taken from the eight bytes at hand.
 *
 * SAFETY: an instruction starts below the body's end, and eight bytes from there lie inside the module and
 * its pad. On the common path it also ends below the end, since a body ends in `end`: no byte behind the
 * body is marked. VAL_BELOW bytes lie below the stack's first. A local's type is looked up for any byte, and
 * used only where the byte is at most row.most. */
#include <string.h>

#include "wasm/validate_int.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the walk reads immediates by words");

/* Topmost bits of the bytes that a LEB128 may end with: `most` of them from byte `at` on. */
#define WALK_END(byte)     ((u64)0x80 << 8 * (byte))
#define WALK_LEB(at, most) ((WALK_END((at) + (most)) - WALK_END(at)) & 0x8080808080808080)

static void
walk_row_takes(val_row *row, wasm_valtype a, wasm_valtype b, wasm_valtype out)
{
    row->takes = (u8)((a != 0) + (b != 0));
    row->takes_bits = (u8)(row->takes * 8);
    row->want = (u16)(b ? a << 8 | b : a);
    row->mask = b ? 0xffff : a ? 0xff : 0;
    row->out = out;
    row->gives = out != 0;
    row->gives_bits = (u8)(row->gives * 8);
}

static void
walk_row(val *v, u8 op)
{
    const op_row *const o = &gbx_wasm_ops[op];
    val_row row = {.class = gbx_wasm_fuse_automaton(v->m->fuse_set)->classes[op], .most = 0xff};
    u64 ends = 0;
    switch (o->imm) {
    case IMM_NONE: /* its byte is its last: any bit that is not set in it */
        if (o->a || op == OP_NOP) ends = (u8)~op;
        walk_row_takes(&row, o->a, o->b, o->out);
        break;
    case IMM_I32:
        ends = WALK_LEB(1, 4);
        walk_row_takes(&row, 0, 0, WASM_I32);
        break;
    case IMM_I64:
        ends = WALK_LEB(1, 6);
        walk_row_takes(&row, 0, 0, WASM_I64);
        break;
    case IMM_MEM1:
    case IMM_MEM2:
    case IMM_MEM4:
    case IMM_MEM8:
        ends = v->has_memory32 ? WALK_LEB(2, 4) : 0;
        row.most = (u8)(o->imm - IMM_MEM1);
        walk_row_takes(&row, o->a, o->b, o->out);
        break;
    default: break;
    }
    v->rows[op] = row;
    v->ends[op] = ends;
}

void
gbx_wasm_val_rows(val *v)
{
    for (u32 op = 0; op < GBX_LEN(v->rows); op++) walk_row(v, (u8)op);
    for (u8 op = OP_LOCAL_GET; op <= OP_LOCAL_TEE; op++) {
        val_row *const row = &v->rows[op];
        wasm_valtype const any = 0xff;
        walk_row_takes(row, op == OP_LOCAL_GET ? 0 : any, 0, op == OP_LOCAL_SET ? 0 : any);
        row->local_want = (u8)row->want;
        row->local_out = row->out;
        row->want = row->out = 0;
    }
}

/* The rows of local variables for this function's: those before the first v128, by one byte. */
static void
walk_locals(val *v)
{
    for (u32 op = OP_LOCAL_GET; op <= OP_LOCAL_TEE; op++) {
        v->ends[op] = v->fast_locals ? WALK_LEB(1, 1) : 0;
        v->rows[op].most = (u8)(min_u32(v->fast_locals, 0x80) - 1);
    }
}

/* An instruction was refused. Where its immediates reach over the body's end, that is the reason, whatever
 * the bytes behind it would say. False. */
static bool
walk_cut(val *v)
{
    if (v->pc <= v->end || v->code != GBX_INVALID) return false;
    v->why = NULL;
    return gbx_wasm_val_fail(v, v->end, GBX_MALFORMED, "unexpected end");
}

/* The class of an instruction that was validated on its own. */
static u8
walk_class(const val *v, const u8 *insn, u8 op)
{
    bool const is_wide_index = op >= OP_LOCAL_GET && op <= OP_GLOBAL_SET && v->pc - insn > 2;
    return is_wide_index ? 0 : v->fuse.automaton->classes[*insn];
}

/* One instruction, at v->pc, by all the rules. */
static bool
walk_insn(val *v)
{
    u8 *const insn = v->m->bytes + (v->pc - v->m->bytes);
    u8 const op = *insn;
    bool ok;
    v->insn = v->pc++;
    switch (op) { /* PERF: nearly all that come here */
    case OP_END: ok = gbx_wasm_val_end(v); break;
    case OP_BLOCK: ok = gbx_wasm_val_block(v, OP_BLOCK); break;
    case OP_IF: ok = gbx_wasm_val_block(v, OP_IF); break;
    case OP_BR: ok = gbx_wasm_val_br(v); break;
    case OP_BR_IF: ok = gbx_wasm_val_br_if(v); break;
    case OP_CALL: ok = gbx_wasm_val_call(v, false); break;
    default: ok = gbx_wasm_val_insn(v, op);
    }
    if (!ok || GBX_UNLIKELY(v->why)) return walk_cut(v);
    v->fused = gbx_wasm_fuse_next(&v->fuse, v->fused, insn, walk_class(v, insn, op));
    return true;
}

/* The stack may be as high as never before, or higher than there is room to go on. */
static bool
walk_high(val *v)
{
    if (v->sp > v->sp_max) v->sp_max = v->sp;
    return v->sp < v->types_high || gbx_wasm_val_reserve(v, VAL_SLACK);
}

/* From here on walk_high has something to do. */
static const wasm_valtype *
walk_mark(const val *v)
{
    return v->sp_max < v->types_high ? v->sp_max + 1 : v->types_high;
}

static bool
walk_no_end(val *v)
{
    return gbx_wasm_val_fail(v, v->end, GBX_MALFORMED, "unexpected end: END opcode expected");
}

/* The instruction at v->pc by all the rules, and those behind it that are not on the common path either: in a
 * Go program three of four such instructions stand beside another. False after a failure. */
static bool
walk_slow(val *v)
{
    do {
        if (!walk_insn(v)) return false;
        if (!v->ctrl_len) return true;
        if (GBX_UNLIKELY(v->pc >= v->end)) return walk_no_end(v);
        if (!walk_high(v)) return false;
    } while (!v->ends[*v->pc]);
    return true;
}

/* The types above the floor, at most eight, the topmost lowest. */
static u64
walk_tops(const val *v)
{
    u64 tops;
    u64 const count = (u64)(v->sp - v->floor);
    if (count == 0) return 0;
    memcpy(&tops, v->sp - VAL_BELOW, sizeof tops);
    tops = __builtin_bswap64(tops);
    return count >= VAL_BELOW ? tops : tops & (((u64)1 << count * 8) - 1);
}

bool
gbx_wasm_val_walk(val *v)
{
    const u8 *pc = v->pc;
    wasm_valtype *sp = v->sp;
    u64 tops = 0;
    fuse_place fused = {0, 0};
    walk_locals(v);
    v->fuse.automaton = gbx_wasm_fuse_automaton(v->m->fuse_set);
    v->mark = walk_mark(v);
    if (pc >= v->end) return walk_no_end(v);
    for (u32 op = *pc;;) {
        u64 word;
        memcpy(&word, pc, sizeof word);
        const val_row *const row = &v->rows[op];
        u8 const imm = (u8)(word >> 8);
        u32 const local = v->locals[imm];
        u64 const ends = ~word & v->ends[op];
        u32 const last = ends ? (u32)__builtin_ctzll(ends) : 64;
        const u8 *const next = ends ? pc + 1 + (last >> 3) : v->end;
        u32 const wrong = ((row->local_want & local) | row->want) ^ (u32)tops;
        if (GBX_LIKELY(next < v->end && imm <= row->most && !(wrong & row->mask))) {
            u8 const class = row->class;
            u32 const out = row->out | (local & row->local_out);
            tops = tops >> row->takes_bits << row->gives_bits | out;
            sp -= row->takes;
            *sp = (wasm_valtype)out;
            sp += row->gives;
            fused = gbx_wasm_fuse_next(&v->fuse, fused, v->m->bytes + (pc - v->m->bytes), class);
            op = (u8)(word >> 1 >> (last | 7));
            if (GBX_LIKELY(sp < v->mark)) {
                pc = next;
                continue;
            }
            v->insn = pc;
            pc = next;
            v->sp = sp;
        } else {
            v->pc = pc;
            v->sp = sp;
            v->fused = fused;
            if (!walk_slow(v)) return false;
            fused = v->fused;
            if (!v->ctrl_len) return true;
            pc = v->pc;
            sp = v->sp;
            op = *pc;
            tops = walk_tops(v);
            v->mark = walk_mark(v);
            continue;
        }
        if (!walk_high(v)) return false;
        sp = v->sp;
        v->mark = walk_mark(v);
    }
}
