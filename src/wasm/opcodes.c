/* The opcode rows, and walking over validated instructions. */
#include "wasm/opcodes.h"

#include "wasm/fuse.h"

#define NIL 0
#define I32 WASM_I32
#define I64 WASM_I64
#define F32 WASM_F32
#define F64 WASM_F64
#define V128 WASM_V128

const op_row gbx_wasm_ops[256] = {
#define OP(number, name, text, imm, a, b, out, meaning) [number] = {text, IMM_##imm, a, b, out},
#define OP_FC(number, name, text, imm, a, b, out, meaning)
#include "wasm/opcodes.def"
#undef OP
#undef OP_FC
};

const op_row gbx_wasm_ops_fc[OP_FC_COUNT] = {
#define OP(number, name, text, imm, a, b, out, meaning)
#define OP_FC(number, name, text, imm, a, b, out, meaning) [number] = {text, IMM_##imm, a, b, out},
#include "wasm/opcodes.def"
#undef OP
#undef OP_FC
};

const op_row_fd gbx_wasm_ops_fd[OP_FD_COUNT] = {
#define OP_FD(number, name, text, imm, a, b, c, out, meaning) [number] = {text, IMM_##imm, a, b, c, out},
#include "wasm/opcodes_fd.def"
#undef OP_FD
};
#undef NIL
#undef I32
#undef I64
#undef F32
#undef F64
#undef V128

static const u8 *
opcode_skip_leb(const u8 *pc)
{
    while (*pc & 0x80) pc++;
    return pc + 1;
}

static u32
opcode_read_u32(const u8 **pc)
{
    u32 v = 0;
    for (unsigned shift = 0;; shift += 7) {
        u8 const b = *(*pc)++;
        if (shift < 32) v |= (u32)(b & 0x7f) << shift;
        if (!(b & 0x80)) return v;
    }
}

/* Flags, which validation left one byte of, perhaps a memory, an offset. */
static const u8 *
opcode_skip_memarg(const u8 *pc)
{
    bool const has_memory = *pc & OP_MEMARG_HAS_MEMORY;
    return opcode_skip_leb(opcode_skip_leb(has_memory ? pc + 1 : pc));
}

static const u8 *
opcode_skip_try(const u8 *pc)
{
    pc = opcode_skip_leb(pc);
    u32 const count = opcode_read_u32(&pc);
    for (u32 i = 0; i < count; i++) {
        u8 const kind = *pc++;
        if (kind == WASM_CATCH || kind == WASM_CATCH_REF) pc = opcode_skip_leb(pc);
        pc = opcode_skip_leb(pc);
    }
    return pc;
}

/* SAFETY: only for instructions that passed validation: every LEB128 ends inside the body. */
u32
gbx_wasm_insn_len(const wasm_module *m, const u8 *pc)
{
    const u8 *const start = pc;
    u8 const op = gbx_wasm_unfuse[m->fuse_set][*pc];
    pc++;
    op_imm imm = gbx_wasm_ops[op].imm;
    if (op == OP_PREFIX_FC) {
        u32 const sub = opcode_read_u32(&pc);
        GBX_ASSERT(sub < OP_FC_COUNT);
        imm = gbx_wasm_ops_fc[sub].imm;
    } else if (op == OP_PREFIX_FD) {
        u32 const sub = opcode_read_u32(&pc);
        GBX_ASSERT(sub < OP_FD_COUNT);
        imm = gbx_wasm_ops_fd[sub].imm;
    }
    switch (imm) {
    case IMM_NONE: break;
    case IMM_F32: pc += 4; break;
    case IMM_F64: pc += 8; break;
    case IMM_BLOCK:
    case IMM_LABEL:
    case IMM_IDX:
    case IMM_ZERO:
    case IMM_I32:
    case IMM_I64:
    case IMM_REF: pc = opcode_skip_leb(pc); break;
    case IMM_IDX2: pc = opcode_skip_leb(opcode_skip_leb(pc)); break;
    case IMM_MEM1:
    case IMM_MEM2:
    case IMM_MEM4:
    case IMM_MEM8:
    case IMM_MEM16: pc = opcode_skip_memarg(pc); break;
    case IMM_LANEMEM1:
    case IMM_LANEMEM2:
    case IMM_LANEMEM4:
    case IMM_LANEMEM8: pc = opcode_skip_memarg(pc) + 1; break;
    case IMM_LANE2:
    case IMM_LANE4:
    case IMM_LANE8:
    case IMM_LANE16: pc++; break;
    case IMM_V128:
    case IMM_SHUFFLE: pc += 16; break;
    case IMM_TRY: pc = opcode_skip_try(pc); break;
    case IMM_TYPED:
    case IMM_TABLE: {
        u32 const count = opcode_read_u32(&pc) + (imm == IMM_TABLE);
        for (u32 i = 0; i < count; i++) pc = opcode_skip_leb(pc);
        break;
    }
    case IMM_BAD:
    default: GBX_UNREACHABLE("validated code holds known opcodes only");
    }
    return (u32)(pc - start);
}

u32
gbx_wasm_insn_before(const wasm_module *m, const wasm_code *code, const u8 *pc)
{
    const u8 *at = m->bytes + code->insns_off;
    const u8 *const end = m->bytes + code->body_end;
    GBX_ASSERT(pc > at && pc <= end);
    for (;;) {
        const u8 *const next = at + gbx_wasm_insn_len(m, at);
        if (next >= pc || next >= end) return (u32)(at - m->bytes);
        at = next;
    }
}
